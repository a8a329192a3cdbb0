"""Measurements: `make bench`. How to read them: docs/performance.md."""
