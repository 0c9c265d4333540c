"""One self-contained HTML page about a network."""

from qrt.report.rendering import page

__all__ = ["page"]
