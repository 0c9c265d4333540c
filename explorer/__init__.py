"""Opens .qfb files in Model Explorer: ``model-explorer --extensions=qrt.explorer model.qfb``.

Model Explorer imports the module `main` of an extension, which needs the package ai-edge-model-explorer
(``pip install "qrt[explorer]"``); `qrt.explorer.overlays` needs nothing.
"""
