"""The order of operators, and the offsets of their tensors in the arena."""
