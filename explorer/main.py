"""The adapter that Model Explorer loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from model_explorer import Adapter, AdapterMetadata, ModelExplorerGraphs

from qrt.explorer.network import graph


class QfbAdapter(Adapter):  # type: ignore[misc]
    """Converts a .qfb file into a graph."""

    metadata = AdapterMetadata(
        id="qrt",
        name="qrt",
        description="Int8 networks of qrt: layers with their integers and formulas",
        source_repo="",
        fileExts=["qfb"],
    )

    def convert(self, model_path: str, settings: dict[str, Any]) -> ModelExplorerGraphs:
        """The graph of a file; Model Explorer shows the message of an error.

        Raises
        ------
        qrt.ModelError
            The file is not valid.
        """
        path = Path(model_path)
        return {"graphs": [graph(path.read_bytes(), path.stem)]}
