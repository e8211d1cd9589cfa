"""Rows that do not fit, one JSON object a line: row, field, value, reason. No value of a person is written."""

import json
import os
from pathlib import Path
from typing import Final, Self, TextIO

WITHHELD: Final = "(withheld)"
_SHOWN: Final = 200


class Quarantine:
    """The misfits of one file, in `folder/name`; there is a file only when there is a misfit, and only whole."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / name
        self._unfinished = folder / f"{name}.unfinished"
        self._file: TextIO | None = None
        self.count = 0
        self.first = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, row: int, field: str, value: str | None, reason: str) -> None:
        """Keep one misfit; a long value is cut."""
        self.tell(row, field, value, reason)
        self.count += 1
        self.first = self.first or f"{field} {_shown(value)!r} of row {row} {reason}"

    def tell(self, row: int, field: str, value: str | None, reason: str) -> None:
        """Write of a row that is no misfit, but that somebody should know of."""
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._unfinished.open("w", encoding="utf-8")
        misfit = {"row": row, "field": field, "value": _shown(value), "reason": reason}
        self._file.write(json.dumps(misfit, ensure_ascii=False) + "\n")

    def written(self) -> int:
        """The bytes written so far, durable on return."""
        if self._file is None:
            return 0
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._unfinished.stat().st_size

    def go_on(self, size: int, count: int) -> None:
        """Take up what an interrupted import left, even right at its end: `count` misfits in the first `size` bytes."""
        if size and not self._unfinished.exists() and self._path.exists():
            self._path.replace(self._unfinished)
        if size and self._unfinished.exists():
            os.truncate(self._unfinished, size)
            self._file = self._unfinished.open("a", encoding="utf-8")
            self.count, self.first = count, "of what its first line says"

    def finish(self) -> Path | None:
        """Give the file its name; None where nothing was added."""
        if self._file is None:
            return None
        self._file.close()
        self._unfinished.replace(self._path)
        return self._path


def _shown(value: str | None) -> str | None:
    return value if value is None or len(value) <= _SHOWN else value[:_SHOWN] + "…"
