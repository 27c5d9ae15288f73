"""Benchmarks: Covet beside the bare driver or server, on the same work, in one run. ``python -m benchmarks --help``."""
