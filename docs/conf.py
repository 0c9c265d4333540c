"""Settings of the documentation's site: ``make docs`` builds it with Sphinx."""

from __future__ import annotations

import re
from typing import Any

import qrt

project = "qrt"
author = copyright = "The qrt authors"
release = version = qrt.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
# Notebooks run while the site is built; an error in one fails the build.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
myst_enable_extensions = ["deflist", "attrs_inline"]
myst_heading_anchors = 4
# Docstrings are numpydoc; what a parameter may be is in its own words, not a link.
napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
# Attributes of several classes have the same name.
suppress_warnings = ["ref.python"]
html_theme = "furo"
html_title = f"qrt {release}"
# Files of the project that the site has as pages of its own.
PAGES = {
    "../schema/SPEC.md": "specification.md",
    "../examples/forum/README.md": "forum.md",
    "../examples/wakeword/README.md": "wakeword.md",
    "../SECURITY.md": "security.md",
    "../CHANGELOG.md": "changelog.md",
    "../README.md": "index.md",
}


def link_pages(app: Any, name: str, source: list[str]) -> None:
    """Turns links to files of the project into links to pages of the site, and those to its other files into text."""
    text = source[0]
    for file, page in PAGES.items():
        text = text.replace(f"]({file}", f"]({page}")
    source[0] = re.sub(r"\[([^\]]+)\]\(\.\./[^)]*\)", r"\1", text)


def setup(app: Any) -> None:
    app.connect("source-read", link_pages)
    app.connect("include-read", lambda app, path, docname, source: link_included(source))


def link_included(source: list[str]) -> None:
    """The same for a file that a page includes: its links are relative to where it lies."""
    text = re.sub(r"\]\((?:\.\./)*docs/", "](", source[0])
    text = re.sub(r"\]\((?:\.\./)*schema/SPEC\.md", "](specification.md", text)
    source[0] = re.sub(r"\[([^\]]+)\]\((?!https?:|#|[\w./-]+\.md)[^)]*\)", r"\1", text)
