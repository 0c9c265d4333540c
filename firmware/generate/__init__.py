"""A .qfb file -> the network as C, and what it takes on a 32-bit processor."""
