"""How objects look in a notebook."""

from __future__ import annotations

import html
from collections.abc import Iterable


def table(caption: str, rows: Iterable[tuple[str, object]]) -> str:
    """A table of HTML, a name and a value in each row. Texts may be a file's, so they are escaped."""
    cells = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>" for name, value in rows)
    return f"<table><caption>{html.escape(caption)}</caption><tbody>{cells}</tbody></table>"
