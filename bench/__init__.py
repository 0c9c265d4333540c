"""Measures qrt beside other engines, all in one run: `python -m bench --help`."""
