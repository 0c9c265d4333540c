"""A lowered graph -> a .tflite file that other engines run."""
