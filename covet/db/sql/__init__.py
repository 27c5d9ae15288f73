"""The SQL language as values: it knows no models and no drivers."""
