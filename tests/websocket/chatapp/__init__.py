"""An app with WebSocket routes of every kind."""
