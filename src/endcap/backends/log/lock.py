"""One writer per log: an advisory lock on a file beside it that names its holder.

Knows nothing of the log's content. POSIX `flock`, so the lock goes with its process however that ends.
"""

import fcntl
import os
import sys
from pathlib import Path
from typing import Final

from endcap.errors import BackendUnavailable

ONE_WRITER: Final = (
    "{file} is being written by {holder}; "
    "a log has one writer: wait for it, stop it, or send the events to its HTTP interface"
)


class WriterLock:
    """Holds `path` until `release`. Raises BackendUnavailable that names the holder, where another has it.

    `refusal` is what it says then, of the `file` that `path` guards and its `holder`.
    """

    def __init__(self, path: Path, refusal: str = ONE_WRITER) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, 1_000, 0).decode("utf-8", "replace").strip()
            os.close(self._file)
            refused = refusal.format(file=path.with_suffix(""), holder=holder or "another process")
            raise BackendUnavailable(refused) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"process {os.getpid()} ({_command()})\n".encode(), 0)

    def release(self) -> None:
        """Let another write. The file stays: removing it would let two hold two files of one name."""
        os.ftruncate(self._file, 0)
        os.close(self._file)


def _command() -> str:
    """The program and its first argument, such as `endcap serve`; later arguments may hold ids of people."""
    return " ".join([Path(sys.argv[0] or "python").name, *sys.argv[1:2]])
