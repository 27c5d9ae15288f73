"""Models that refer to themselves, and models in several tables."""
