"""Files found by fuzzing, and the corpora, without a fuzzer: readers of untrusted files read or reject them."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz import corpus
from fuzz.readers import READERS
from places import ROOT

FOUND = sorted((ROOT / "tests/fuzz/found").iterdir())


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_what_was_found_is_refused(path: Path) -> None:
    """Each of these files once ended in another error than a refusal."""
    first, *more = READERS[path.suffix[1:]](path).splitlines()
    for reason in more or [first]:
        assert ";" in reason  # a remedy, behind what is wrong with the file or one of its parts


@pytest.mark.parametrize("name", READERS)
def test_corpus_is_read_or_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"model.{name}"
    reasons = []
    for content in corpus.read(name):
        path.write_bytes(content)
        reasons.append(READERS[name](path))
    assert "" in reasons
    assert any(reasons)


def test_corpora_are_small() -> None:
    archives = list(corpus.FOLDER.iterdir())
    assert {path.stem for path in archives} == {"model", *READERS}
    assert sum(path.stat().st_size for path in archives) < 1 << 20
