"""An app that answers its own exceptions."""
