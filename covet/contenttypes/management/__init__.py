"""What the app adds to the command line."""
