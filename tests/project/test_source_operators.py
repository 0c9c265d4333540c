"""docs/operators.md says of each operator and source what compiles and what the engine's codes are."""

from __future__ import annotations

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("torchao")
source_operators = pytest.importorskip("source_operators")

from marked_tables import between_marks, columns  # noqa: E402

REWRITE = "run: PYTHONPATH=.:tests python tests/source_operators.py"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("column", list(source_operators.CELLS))
def test_cells_are_what_the_engines_say(column: str) -> None:
    table = columns(between_marks(source_operators.PAGE, source_operators.TITLE))
    shown = {title: cells for title, (_, *cells) in table.items()}  # without the line below the titles
    assert shown["operator"] == list(source_operators.OPERATORS), REWRITE
    said = dict(zip(shown["operator"], shown[column], strict=True))
    found = source_operators.CELLS[column]()
    assert {name: (said[name], cell) for name, cell in found.items() if said[name] != cell} == {}, REWRITE
