"""qrt on microcontrollers: C that you add to your firmware, and emulated cores to try it on."""
