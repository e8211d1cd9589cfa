"""Python's cyclic garbage collector, paused while millions of records are built: it took a quarter of an import."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_collection() -> Iterator[None]:
    """Collect no cycles inside: what an import builds has none, and is freed by counting references."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
