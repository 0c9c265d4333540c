"""TensorFlow Lite files -> source graph."""
