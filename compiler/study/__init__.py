"""Looking at a network: its formulas, its programs in numpy, its values beside those of its source."""
