"""Covet's contender, as an ordinary app."""
