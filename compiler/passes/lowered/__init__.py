"""Passes over a lowered graph, whose integers say what is constant."""
