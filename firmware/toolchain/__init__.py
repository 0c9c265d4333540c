"""Compilers for microcontrollers, and the programs that they link."""
