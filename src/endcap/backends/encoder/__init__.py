"""Texts to unit vectors."""

from collections.abc import Sequence
from typing import Protocol

from endcap.domain.arrays import Floats


class Encoder(Protocol):
    """Equal texts give equal vectors; a text of which nothing is known gives zeros."""

    dimension: int

    def encode(self, texts: Sequence[str]) -> Floats:
        """float32 [n, dimension], rows of length 1 (or 0)."""
