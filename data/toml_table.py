"""Takes values out of a table of TOML; what has no meaning is refused with the table, the key and an example."""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Sequence
from typing import Any

from qrt.data.errors import DataError


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """The document in `text`."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ImportError:
            raise DataError(
                f'{where}: TOML before Python 3.11 needs tomli; install it with: pip install "qrt[data]"'
            ) from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{where}: not TOML: {error}; write key = value") from None
    except RecursionError:
        raise DataError(f"{where}: not TOML that can be read: nested too deeply; write key = value") from None


class Table:
    """A table whose keys are taken one after another.

    Parameters
    ----------
    values : dict
    where : str
        What errors call the table.
    """

    def __init__(self, values: Any, where: str) -> None:
        if not isinstance(values, dict):
            raise DataError(f"{where}: takes a table, got {values!r}; write [name] on a line and its keys below")
        self._values, self._where = values, where
        self._taken: list[str] = []

    def refuse(self, key: str, takes: str, example: str) -> DataError:
        return DataError(
            f"{self._where}: {key} takes {takes}, got {self._values[key]!r}; for example {key} = {example}"
        )

    def refuse_unknown(self) -> None:
        """Raises for a key that nothing took."""
        for key in self._values:
            if key not in self._taken:
                close = difflib.get_close_matches(key, self._taken, 1)
                hint = f"did you mean {close[0]}?" if close else f"the keys are {', '.join(self._taken)}"
                raise DataError(f"{self._where}: unknown key {key}; {hint}")

    def refuse_all_but(self, keys: Sequence[str], beside: str) -> None:
        """Raises for a key that has no meaning beside others."""
        for key in self._values:
            if key not in keys:
                raise DataError(f"{self._where}: {key} has no meaning beside {beside}; leave it out")

    def missing(self, key: str, example: str) -> DataError:
        return DataError(f"{self._where}: has no {key}; for example {key} = {example}")

    def _take(self, key: str) -> Any:
        self._taken.append(key)
        return self._values.get(key)

    def sub(self, key: str) -> Any:
        """The value of a table within the table, or None."""
        return self._take(key)

    def integer(self, key: str, least: int, most: int, example: int) -> int | None:
        value = self._take(key)
        if value is None or (_is_integer(value) and least <= value <= most):
            return value if value is None else int(value)
        raise self.refuse(key, f"a whole number from {least} to {most}", str(example))

    def size(self, key: str, most: int, example: str) -> int | tuple[int, int] | None:
        """A number, or height and width."""
        value = self._take(key)
        if value is None:
            return None
        numbers = value if isinstance(value, list) else [value]
        if len(numbers) not in (1, 2) or not all(_is_integer(x) and 1 <= x <= most for x in numbers):
            raise self.refuse(key, f"[height, width] or one number, from 1 to {most}", example)
        return (numbers[0], numbers[1]) if len(numbers) == 2 else int(numbers[0])

    def choice(self, key: str, options: Sequence[str]) -> str | None:
        value = self._take(key)
        if value is None or (isinstance(value, str) and value in options):
            return value
        raise self.refuse(key, " or ".join(f'"{option}"' for option in options), f'"{options[0]}"')

    def switch(self, key: str) -> bool:
        value = self._take(key)
        if value is None or isinstance(value, bool):
            return bool(value)
        raise self.refuse(key, "true or false", "true")

    def number(self, key: str, least: float, most: float, example: float) -> float | None:
        value = self._take(key)
        if value is None:
            return None
        if not _is_number(value) or not least <= value <= most:
            raise self.refuse(key, f"a number from {least:g} to {most:g}", f"{example:g}")
        return float(value)

    def pair(self, key: str, word: str) -> tuple[float, float] | str | None:
        """Two different numbers, or `word`."""
        value = self._take(key)
        if value is None:
            return None
        if value == word:
            return word
        if not isinstance(value, list) or len(value) != 2 or not all(map(_is_number, value)) or value[0] == value[1]:
            raise self.refuse(key, f'two different numbers or "{word}"', "[0, 1]")
        return float(value[0]), float(value[1])

    def numbers(self, key: str, example: str, zero: bool) -> tuple[float, ...]:
        """A number for all, or one for each channel or band; `zero`: whether they may be 0."""
        value = self._take(key)
        if value is None:
            return ()
        numbers = value if isinstance(value, list) else [value]
        if not numbers or not all(_is_number(x) and (zero or x > 0) for x in numbers):
            above = "" if zero else " above 0"
            raise self.refuse(key, f"a number{above}, or [a number for each]", example)
        return tuple(map(float, numbers))


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    """Whether `value` is a number that float32 can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < 1e30
