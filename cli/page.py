"""What the page about a file shows, gathered from what the verbs print as JSON, and the page itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qrt
from qrt.cli.check import document as check_document
from qrt.cli.check import run_vectors
from qrt.cli.compile import refused
from qrt.cli.console import Waiting, progressing
from qrt.cli.failure import Failure
from qrt.cli.files import replacing
from qrt.cli.inspect import document as inspect_document


def file_document(path: Path, model: qrt.Model, content: bytes, source: Path | None) -> dict[str, Any]:
    """What is known of a valid file without running it on data; `source` may have its float biases."""
    found: dict[str, Any] = {"qrt": qrt.__version__, "model": inspect_document(path, model, content)}
    found["layers"] = layer_documents(content, source)
    vectors = model.test_vectors
    with Waiting("checking"):
        differences = {name: run_vectors(qrt.load(content, name), vectors) for name in qrt.kernel_sets()}
    found["checks"] = check_document(path, model, differences, len(vectors))
    return found


def layer_documents(content: bytes, source: Path | None) -> list[dict[str, Any]]:
    """What each layer computes."""
    from qrt.compiler import CompileError, folded_graph
    from qrt.compiler.backends.qfb.reader import read
    from qrt.compiler.study.explain import explain

    floats = None
    if source is not None:
        try:
            floats = folded_graph(source)
        except CompileError as error:
            raise refused(source, error) from None
        except ImportError as error:
            raise Failure(f"{source}: {error}") from None
    graph = read(content)
    return [explain(graph, index, floats).as_dict() for index in progressing(len(graph.ops), "layers")]


def write_page(path: Path, document: dict[str, Any]) -> None:
    """Writes the page about a document."""
    from qrt.report import page

    content = page(document).encode("utf-8", "backslashreplace")
    with replacing(path) as file:
        file.write(content)
