"""How models and reports look in a console and in a notebook: short, and nothing that a file's names could inject."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

import qrt
from qrt.compiler import Compiled, GraphBuilder, compile

HOSTILE = "<script>alert(1)</script>&amp;\"'\x1b[31m\n"


class Tags(HTMLParser):
    """The tags of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert not attributes
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def compiled(name: str, inputs: int = 1) -> Compiled:
    g = GraphBuilder(name)
    for i in range(inputs):
        g.output(g.relu(g.input(name if name == HOSTILE else "xyz"[i], (1, 2, 2, 3), scale=0.5)))
        name = "second" if name == HOSTILE else name
    return compile(g)


def test_reprs_are_one_line() -> None:
    whole = compiled("tiny")
    facts = "'tiny': 1 operators, 0 MACs, 0 bytes of weights, an arena of "
    assert repr(whole).startswith(f"<qrt.compiler.Compiled {facts}")
    assert repr(whole.report).startswith(f"<qrt.compiler.Report {facts}")
    assert repr(qrt.load(whole, "portable")) == "<qrt.Model 'tiny' of 'x' [1, 2, 2, 3], kernels portable>"
    many = repr(qrt.load(compiled("tiny", 3), "portable"))
    assert many == "<qrt.Model 'tiny' of 'x' [1, 2, 2, 3] and 2 more, kernels portable>"


@pytest.mark.parametrize("name", ["tiny", HOSTILE])
def test_notebooks(name: str) -> None:
    whole = compiled(name)
    model = qrt.load(whole)
    for shown in (whole, whole.report, model):
        assert len(repr(shown)) < 300
        assert "\n" not in repr(shown) and "\x1b" not in repr(shown)
        page = Tags(shown._repr_html_())
        assert page.tags == {"table", "caption", "tbody", "tr", "th", "td"}
        assert any(name in text for text in page.texts)
    assert f"{model.arena_size:,} bytes" in Tags(model._repr_html_()).texts
