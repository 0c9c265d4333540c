"""Benchmarks qrt against other engines, all in one run: `python -m bench --help`."""
