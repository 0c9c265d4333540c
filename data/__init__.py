"""Samples and their labels, read from files of arrays, images, sound and tables."""
