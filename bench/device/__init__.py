"""The benchmark of microcontrollers: what networks take on emulated processors, with qrt and beside BakeNN and TFLM."""
