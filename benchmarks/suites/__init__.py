"""The suites that ``python -m benchmarks`` runs."""
