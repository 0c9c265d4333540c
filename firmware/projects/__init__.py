"""Generated C as a library of CMake, Make, Arduino, PlatformIO, Zephyr and ESP-IDF."""
