"""The page: data, style and script in one file that asks nothing of a network."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qrt.report.packing import channel_table, pack

# What page/build.mjs makes.
BUILT = Path(__file__).parent / "page" / "built"

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src {style_hash}; \
script-src {script_hash}; base-uri 'none'; form-action 'none'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<noscript>This page about a network needs JavaScript.</noscript>
<script type="text/plain" id="document">{document}</script>
<script type="text/plain" id="channels">{channels}</script>
<script type="text/plain" id="licenses-text">{licenses}</script>
<script>{script}</script>
</body>
</html>
"""


def page(document: Mapping[str, Any]) -> str:
    """Writes one self-contained HTML page about a network.

    Parameters
    ----------
    document : dict
        What the verbs print with ``--json``: ``model`` (inspect), and as far as they are there ``layers`` (explain, of
        each layer), ``profile``, ``device`` (profile with a target), ``compare``, ``evaluation`` (eval), ``compile``
        and ``checks`` (check). Its names are not trusted: none becomes markup.

    Returns
    -------
    str
        HTML, to be written as UTF-8.
    """
    layers = document.get("layers") or []
    short = [{key: value for key, value in layer.items() if key != "channels"} for layer in layers]
    script, style = _built("page.js"), _built("style.css")
    name = document["model"].get("name") or "network"
    return PAGE.format(
        title=html.escape(f"{name} - qrt report"),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        # Neither < nor & is a letter of base64.
        document=pack({**document, "layers": short}),
        channels=pack({layer["index"]: channel_table(layer) for layer in layers}),
        licenses=_built("licenses.txt"),
    )


def _built(name: str) -> str:
    return (BUILT / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """How a Content-Security-Policy names a script or a style that is allowed."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
