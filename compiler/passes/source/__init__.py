"""Passes over a source graph, whose values between quantize and dequantize are real numbers."""
