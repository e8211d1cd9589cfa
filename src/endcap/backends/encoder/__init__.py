"""Texts to unit vectors."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from endcap.domain.arrays import Floats


class Encoder(Protocol):
    """Equal texts give equal vectors; a text of which nothing is known gives zeros."""

    dimension: int

    def encode(self, texts: Sequence[str]) -> Floats:
        """float32 [n, dimension], rows of length 1 (or 0)."""

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """All that the encoder is, by name, so that the adapter can make an equal one of it."""
