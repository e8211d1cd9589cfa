"""Repeats: a call that comes again under the same Idempotency-Key gets the answer that it got before.

In memory, for a day at most and up to a bound of bytes; what must hold longer is what the log's dedupe keys hold. A
copy that comes while the first is in progress waits for it.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

KEPT_S: Final = 24 * 3_600.0
MOST_BYTES: Final = 32_000_000
_OVERHEAD: Final = 300


class OtherBody(Exception):
    """The same key came with another body."""


@dataclass(slots=True)
class _Told:
    digest: bytes
    at: float
    answer: "asyncio.Future[bytes]"
    size: int = _OVERHEAD


class Repeats:
    """Answers by caller and key; `steady` gives seconds that never go back."""

    def __init__(self, steady: Callable[[], float]) -> None:
        self._steady = steady
        self._told: dict[tuple[str, str], _Told] = {}
        self._size = 0

    async def once(self, key: tuple[str, str], body: bytes, answer: Callable[[], Awaitable[bytes]]) -> bytes:
        """What `answer` gives for `body`, or gave before under `key`; failures are not kept. Raises: OtherBody."""
        digest = hashlib.blake2b(body, digest_size=16).digest()
        self._forget()
        told = self._told.get(key)
        if told is not None:
            if told.digest != digest:
                raise OtherBody
            return await asyncio.shield(told.answer)
        told = self._told[key] = _Told(digest, self._steady(), asyncio.get_running_loop().create_future())
        self._size += told.size
        try:
            given = await answer()
        except BaseException as error:
            self._drop(key)
            # A copy that waits gets the same failure, and comes again under the same key.
            told.answer.set_exception(error if isinstance(error, Exception) else ConnectionError())
            told.answer.exception()
            raise
        told.answer.set_result(given)
        told.size += len(given)
        self._size += len(given)
        return given

    def _forget(self) -> None:
        oldest = self._steady() - KEPT_S
        while self._told:
            key, told = next(iter(self._told.items()))
            if not told.answer.done() or (told.at > oldest and self._size <= MOST_BYTES):
                return
            self._drop(key)

    def _drop(self, key: tuple[str, str]) -> None:
        self._size -= self._told.pop(key).size
