"""The accelerated functions in plain Python: what runs where ``covet_rust`` is absent, held to the same bytes by tests."""
