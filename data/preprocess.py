"""How an image or a recording becomes the input of a network: what `--preprocess` and .qfb files state, as TOML."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preprocess:
    """A preprocessing.

    Attributes
    ----------
    text : str
        The TOML that states it.
    """

    text: str

    @staticmethod
    def parse(text: str, where: str) -> Preprocess:
        """What `text` states; `where` is what errors call it.

        Raises
        ------
        DataError
            Not TOML, or a key or a value that has no meaning.
        """
        return Preprocess(text)
