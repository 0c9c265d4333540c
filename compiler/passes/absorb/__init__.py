"""The pass that turns float operators between dequantize and quantize into quantized operators."""
