"""The pass that makes quantized operators of float operators between dequantize and quantize."""
