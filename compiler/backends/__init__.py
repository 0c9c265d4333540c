"""Backends: what a lowered graph can be written as, one folder for each format."""
