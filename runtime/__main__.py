"""``python -m qrt``, the same as the command ``qrt``."""

from qrt.cli import main

if __name__ == "__main__":
    main()
