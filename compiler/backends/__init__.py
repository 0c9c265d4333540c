"""What a network can be turned into besides a .qfb file: one module for each format."""
