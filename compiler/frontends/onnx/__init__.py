"""ONNX files and models -> source graph."""
