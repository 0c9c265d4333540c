"""Analysis of a network: its formulas, its numpy programs, and comparison with its source."""
