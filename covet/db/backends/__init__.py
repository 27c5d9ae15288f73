"""What differs by database: drivers, dialects, schema editors and introspection, one folder for each."""
