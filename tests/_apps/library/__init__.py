"""An app that offers filters, tests and functions to templates."""
