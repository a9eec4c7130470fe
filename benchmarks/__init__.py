"""Measures speed and cost of the backend and of its alternatives: `make bench`."""
