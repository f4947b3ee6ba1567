"""The index of a backup: which words its blocks have."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Index", "read_index"]


class Index:
    """Which words stand in which part of a text."""

    def may_hold(self, start: int, end: int, tokens: Sequence[tuple[bytes, ...]]) -> bool:
        return True


def read_index(payload: bytes) -> Index | None:
    return None
