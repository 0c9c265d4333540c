"""Passes over a quantized graph, whose operators read and write codes and still have scales."""
