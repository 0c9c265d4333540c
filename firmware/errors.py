"""The error of this package."""

from __future__ import annotations


class DeviceError(Exception):
    """Something that the user can fix; the message says what is wrong and the remedy."""
