"""Scales -> integers: multipliers, shifts, addends and tables, and the arithmetic that uses them. Floats end here."""
