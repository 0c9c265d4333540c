"""How right a network is on labelled samples: on one machine, or on many."""
