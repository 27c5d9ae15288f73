"""One small application a contender: the same answers at the same paths."""
