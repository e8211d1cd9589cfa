"""A file's bytes as UTF-8 text: packed or not, in whichever encoding. Knows no rows.

What unpacks to far more than it is, breaks off, or is no text is refused while it is read, before it fills the memory.
"""

import codecs
import io
import zlib
from abc import abstractmethod
from dataclasses import dataclass
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import BinaryIO, Final

from endcap.errors import InvalidFeed

MAX_UNPACKED: Final = 64 << 30
"""Bytes that a packed file may hold."""
MAX_RATIO: Final = 250
"""How many times as large as itself a packed file may be, once it has given `SMALL` bytes; gzip's most is 1,032."""
SMALL: Final = 64 << 20

_CHUNK: Final = 1 << 18
_HEAD: Final = 1 << 16
_GZIP: Final = b"\x1f\x8b"
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FOREIGN: Final = (
    (b"PK\x03\x04", "a ZIP archive"),
    (b"BZh", "packed with bzip2"),
    (b"\xfd7zXZ", "packed with xz"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a picture"),
)


@dataclass(frozen=True, slots=True)
class Source:
    """The file `path`; `encoding` as the caller says it, or None: by the byte order mark, else UTF-8."""

    path: Path
    encoding: str | None = None

    def __post_init__(self) -> None:
        try:
            codecs.lookup(self.encoding or "utf-8")
        except LookupError:
            raise InvalidFeed(
                f"{self.encoding!r} is no encoding that is known; name one such as cp1252, latin-1 or utf-16"
            ) from None

    def open(self) -> BinaryIO:
        """The text as UTF-8 without a mark, unpacked. Raises InvalidFeed, then or while it is read."""
        return io.BufferedReader(self.text(), _CHUNK)

    def text(self) -> "Recoded":
        """The same without a buffer."""
        unpacked = self.unpacked()
        try:
            mark = unpacked.peek(4)[:4]
        except InvalidFeed:
            unpacked.close()
            raise
        begin, found = next(((mark_, name) for mark_, name in _MARKS if mark.startswith(mark_)), (b"", "utf-8"))
        unpacked.read(len(begin))
        return Recoded(unpacked, self, found if begin else self.encoding or found)

    def unpacked(self) -> io.BufferedReader:
        """The bytes as they are, but for gzip. Raises InvalidFeed, then or while they are read."""
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise InvalidFeed(f"{self.path} cannot be read: {error.strerror}; give the path of a file") from error
        mark = file.peek(8)[:8]
        for begin, what in _FOREIGN:
            if mark.startswith(begin):
                file.close()
                raise InvalidFeed(f"{self.path} is {what}; unpack or export it as text, Parquet or gzip first")
        return io.BufferedReader(_Unpacked(file, self.path), _CHUNK) if mark.startswith(_GZIP) else file

    def is_parquet(self) -> bool:
        """Whether the file begins like Parquet."""
        with self.unpacked() as file:
            return file.read(4) == b"PAR1"

    def head(self) -> str:
        """The first characters. Raises InvalidFeed where the file is empty."""
        with self.open() as file:
            head = file.read(_HEAD)
        if not head.strip():
            raise InvalidFeed(f"{self.path} is empty; expected a feed with at least one row")
        return codecs.getincrementaldecoder("utf-8")().decode(head)

    def digest(self) -> str:
        """16 hexadecimal digits that name the content of the file as it lies there now."""
        with self.path.open("rb") as file:
            return file_digest(file, lambda: blake2b(digest_size=8)).hexdigest()


class _Reader(io.RawIOBase):
    """A stream made of pieces; `_more` gives the next, empty at the end."""

    def __init__(self, below: BinaryIO) -> None:
        self._below = below
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = memoryview(self._more())
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def close(self) -> None:
        self._below.close()
        super().close()

    @abstractmethod
    def _more(self) -> bytes:
        """The next bytes, none at the end."""


class _Unpacked(_Reader):
    """What a gzip file holds, all its members, within the limits."""

    def __init__(self, packed: BinaryIO, path: Path) -> None:
        super().__init__(packed)
        self._path = path
        self._size = path.stat().st_size
        self._member = zlib.decompressobj(wbits=31)
        self._given = 0
        self._waiting = b""

    def _more(self) -> bytes:
        while True:
            packed = self._waiting or self._below.read(_CHUNK)
            if not packed and (self._member.eof or not self._given):
                return b""
            if not packed:
                raise InvalidFeed(f"{self._path} breaks off after {self._given:,} unpacked bytes; transfer it again")
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            try:
                unpacked = self._member.decompress(packed, _CHUNK)
            except zlib.error as error:
                raise InvalidFeed(
                    f"{self._path} is damaged after {self._given:,} unpacked bytes: {error}; transfer it again"
                ) from error
            self._waiting = self._member.unconsumed_tail or self._member.unused_data
            if not self._given and unpacked.startswith(_GZIP):
                raise InvalidFeed(f"{self._path} is packed twice; unpack it once")
            self._given += len(unpacked)
            if self._given > MAX_UNPACKED or self._given > max(SMALL, MAX_RATIO * self._size):
                raise InvalidFeed(
                    f"{self._path} has {self._size:,} bytes and unpacks to more than {self._given - len(unpacked):,}; "
                    "expected a feed, unpack it yourself if it is one"
                )
            if unpacked:
                return unpacked


class Recoded(_Reader):
    """UTF-8 of a text in `encoding`, checked; `last` is the last byte so far that is no space."""

    def __init__(self, below: BinaryIO, source: Source, encoding: str) -> None:
        super().__init__(below)
        self._source, self._encoding = source, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._lines = 1
        self.last = b""

    def _more(self) -> bytes:
        while True:
            piece = self._below.read(_CHUNK)
            try:
                text = self._decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                raise self._foreign(error) from error
            if text or not piece:
                self._lines += text.count("\n")
                self.last = text.rstrip()[-1:].encode() or self.last
                return text.encode()

    def _foreign(self, error: UnicodeDecodeError) -> InvalidFeed:
        given = bytes(error.object[error.start : error.start + 1])
        line = self._lines + bytes(error.object[: error.start]).count(b"\n")
        name = self._encoding.upper()
        remedy = (
            "export it as UTF-8, or say which encoding it is in, such as --encoding cp1252"
            if self._source.encoding is None
            else "name another --encoding, or export it as UTF-8"
        )
        return InvalidFeed(f"{self._source.path} is not {name}: byte 0x{given.hex()} in line {line:,}; {remedy}")
