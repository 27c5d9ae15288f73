"""What the ORM promises, row by row, and the plugin that holds the tests to it."""
