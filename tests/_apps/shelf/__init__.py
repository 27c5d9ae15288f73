"""A shelf of books, whose model was called Tome once."""
