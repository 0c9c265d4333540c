"""Passes over a source graph, in which values are real numbers between codes."""
