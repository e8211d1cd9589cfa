"""The values of a JSON file one by one: JSON lines, one array, or documents around an array. Knows few fields.

Numbers of an array come as the text they are written as, those of JSON lines too but for integers.
"""

import io
import json
import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn, TextIO

import msgspec

from endcap.errors import InvalidFeed
from endcap.formats.records import MAX_RECORD, Torn
from endcap.formats.sources import Source

DEEP: Final = "is nested too deeply; expected objects of a few levels"
_CHUNK: Final = 1 << 20
AROUND: Final = re.compile(
    r'\s*(?:\[|\{\s*(?:"@context"\s*:\s*(?:"[^"]*"|\{[^{}]*\})\s*,\s*)?"(?:@graph|products|resources|items)"\s*:\s*\[)'
)
"""What may stand before the elements of an array that is read one by one."""

MAX_DEPTH: Final = 100
_ARRAYS: Final = ("@graph", "products", "resources", "items")
_EVENT: Final = {"name", "time"}
"""Keys of an event, whose `items` are its own."""
_BETWEEN: Final = re.compile(r"[\s,]*")


def values(source: Source) -> Iterator[Any]:
    """Each value, or `Torn`. Raises InvalidFeed where an array is damaged, breaks off, or a value is too long."""
    with source.open() as file:
        line = file.readline(MAX_RECORD)
    try:
        lines = line.lstrip().startswith(b"{") and isinstance(msgspec.json.decode(line), dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        lines = False
    yield from _lines(source) if lines else _Stream(source).values()


def inside(value: Any) -> list[Any] | None:
    """The values that a document is around, None where `value` is a value itself.

    >>> inside({"items": [1, 2], "total": 2}), inside({"items": [1], "name": "purchase", "time": 7})
    ([1, 2], None)
    """
    if not isinstance(value, dict) or value.keys() >= _EVENT:
        return None
    first = next((name for name in value if name != "@context"), "")
    return _arrays(value) if first in _ARRAYS and isinstance(value[first], list) else None


def _arrays(value: dict[str, Any]) -> list[Any]:
    return [each for name in _ARRAYS if isinstance(given := value.get(name), list) for each in given]


def deep(value: Any, text: str | bytes) -> bool:
    """Whether `value`, decoded from `text`, is nested deeper than what reads it can follow."""
    opened = text.count(b"{") + text.count(b"[") if isinstance(text, bytes) else text.count("{") + text.count("[")
    level = [value] if opened > MAX_DEPTH else []
    for _ in range(MAX_DEPTH + 1):
        inner = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level = [each for some in inner for each in some]
    return bool(level)


def _lines(source: Source) -> Iterator[Any]:
    decode = msgspec.json.Decoder(float_hook=str).decode
    number = 0
    with source.open() as file:
        while line := file.readline(MAX_RECORD + 1):
            number += 1
            if len(line) > MAX_RECORD:
                raise _too_long(source, number - 1)
            if line.isspace():
                continue
            try:
                value = decode(line)
            except RecursionError:
                yield Torn(DEEP)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                yield Torn(f"is no JSON: {error}")
            else:
                held = inside(value)
                if deep(value, line):
                    yield Torn(DEEP)
                elif held is None:
                    yield value
                else:
                    yield from held


def _too_long(source: Source, done: int) -> InvalidFeed:
    return InvalidFeed(f"{source.path}: the value after value {done} is longer than {MAX_RECORD >> 20} MiB; shorten it")


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


class _Stream:
    """Values one after another, with or without a bracket around them; the text read and not yet used."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._text, self._place, self._done = "", 0, 0
        self._decoder = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_constant)

    def values(self) -> Iterator[Any]:
        with self._source.open() as binary:
            file = io.TextIOWrapper(binary, "utf-8", newline="\n")
            self._more(file)
            around = AROUND.match(self._text)
            self._place = around.end() if around else 0
            while self._next(file, bracket=around is not None):
                yield self._value(file)
                self._done += 1
            if around is not None:
                yield from self._closing(file, document="{" in around.group())

    def _closing(self, file: TextIO, document: bool) -> Iterator[Any]:
        """What a document holds behind its array; nothing may come after."""
        rest = self._text[self._place + 1 :]
        self._text, self._place = ('{"":0' if document else "") + rest, 0
        if document:
            value = self._value(file)
            yield from _arrays(value) if isinstance(value, dict) else [value]
        if self._next(file, bracket=False):
            raise InvalidFeed(
                f"{self._source.path} goes on after its array, behind value {self._done}; expected one array or "
                "document, or JSON lines with a document a line"
            )

    def _more(self, file: TextIO) -> bool:
        piece = file.read(_CHUNK)
        self._text, self._place = self._text[self._place :] + piece, 0
        return bool(piece)

    def _next(self, file: TextIO, bracket: bool) -> bool:
        """Go to the next value; False where none comes."""
        while True:
            found = _BETWEEN.match(self._text, self._place)
            self._place = found.end() if found else self._place
            if self._place < len(self._text):
                return not (bracket and self._text[self._place] == "]")
            if not self._more(file):
                if bracket:
                    raise InvalidFeed(f"{self._source.path} breaks off after value {self._done}; transfer it again")
                return False

    def _value(self, file: TextIO) -> Any:
        while True:
            start = self._place
            try:
                value, self._place = self._decoder.raw_decode(self._text, self._place)
            except RecursionError:
                raise InvalidFeed(f"{self._source.path}: the value after value {self._done} {DEEP}") from None
            except ValueError as error:
                if len(self._text) - self._place > MAX_RECORD:
                    raise _too_long(self._source, self._done) from error
                if not self._more(file):
                    raise InvalidFeed(
                        f"{self._source.path} is damaged after value {self._done}: {error}; export it again as JSON"
                    ) from error
            else:
                return Torn(DEEP) if deep(value, self._text[start : self._place]) else value
