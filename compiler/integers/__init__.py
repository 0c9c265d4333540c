"""Scales -> integers: multipliers, shifts, addends and tables, and their arithmetic. No floats after this step."""
