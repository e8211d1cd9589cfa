"""One run of torture: how much, from which seed, and where it says how far it is."""

from collections.abc import Callable
from typing import NamedTuple


class Run(NamedTuple):
    """`say` writes a line to the terminal at once, although tests run captured."""

    cycles: int
    requests: int
    seed: int
    say: Callable[[str], None]
