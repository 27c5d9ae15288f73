"""Figures and traces of what the site does: Prometheus at ``/metrics``, OpenTelemetry wherever its SDK sends it."""
