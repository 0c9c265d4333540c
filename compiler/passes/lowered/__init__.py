"""Passes over a lowered graph, whose integers determine what is constant."""
