"""Group commit: writes of many threads in one transaction, each caller released when the disk has its own.

Knows one writing connection and when it may no longer be trusted. Does not know what is written.
"""

import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import apsw

from endcap.errors import BackendUnavailable

T = TypeVar("T")

_OF_ONE_CALL: Final = (
    TypeError, ValueError, OverflowError,
    apsw.BindingsError, apsw.ConstraintError, apsw.MismatchError, apsw.TooBigError,
)  # fmt: skip
"""What a call brings on itself; everything else fails the whole transaction."""

_PASSING: Final = (apsw.FullError, apsw.BusyError, apsw.LockedError, apsw.InterruptError)
"""After these the file is as it was; after any other, a failed sync above all, the connection is trusted no more."""


class _Call:
    __slots__ = ("done", "error", "result", "work")

    def __init__(self, work: Callable[[apsw.Connection], Any]) -> None:
        self.work = work
        self.result: Any = None
        self.error: Exception | None = None
        self.done = False


class GroupCommit:
    """Runs work on `connection`; the thread that finds nobody writing commits for all who wait.

    `explain` turns an error of SQLite into one that names the file and the remedy.
    """

    def __init__(self, connection: apsw.Connection, explain: Callable[[apsw.Error], BackendUnavailable]) -> None:
        self._connection = connection
        self._explain = explain
        self._turn = threading.Condition()
        self._waiting: list[_Call] = []
        self._writing = False
        self._refusal: BackendUnavailable | None = None

    def run(self, work: Callable[[apsw.Connection], T]) -> T:
        """What `work` returns, once it is on disk; an error of `work` undoes only its own writes.

        Raises: BackendUnavailable where the transaction failed; then nothing of it counts as stored.
        """
        call = _Call(work)
        group: list[_Call] = []
        with self._turn:
            self._waiting.append(call)
            while self._writing and not call.done:
                self._turn.wait()
            if not call.done:
                self._writing = True
                group, self._waiting = self._waiting, []
        if group:
            self._lead(group)
        if call.error is not None:
            raise call.error
        return cast(T, call.result)

    def alone(self, work: Callable[[apsw.Connection], T]) -> T:
        """What `work` returns, run outside any transaction while nobody else writes. Raises: BackendUnavailable."""
        with self._turn:
            while self._writing:
                self._turn.wait()
            if self._refusal is not None:
                raise self._refusal
            self._writing = True
        try:
            return work(self._connection)
        except apsw.Error as error:
            raise self._explain(error) from error
        finally:
            with self._turn:
                self._writing = False
                self._turn.notify_all()

    def close(self) -> None:
        """Let the write under way finish, refuse all later ones and close the connection."""
        with self._turn:
            while self._writing:
                self._turn.wait()
            self._refusal = BackendUnavailable("the log was closed; open it anew")
            self._connection.close()

    def _lead(self, group: list[_Call]) -> None:
        unanswered = BackendUnavailable("the write was interrupted; send it again, nothing is stored twice")
        try:
            if self._refusal is not None:
                unanswered = self._refusal
            else:
                self._commit(group)
        except apsw.Error as error:
            unanswered = self._explain(error)
            if not isinstance(error, _PASSING):
                self._refusal = unanswered
        finally:
            self._release(group, unanswered)

    def _commit(self, group: list[_Call]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        for call in group:
            self._attempt(call)
        self._connection.execute("COMMIT")
        for call in group:
            call.done = True

    def _attempt(self, call: _Call) -> None:
        self._connection.execute("SAVEPOINT call")
        try:
            call.result = call.work(self._connection)
        except _OF_ONE_CALL as error:
            call.error = error
            self._connection.execute("ROLLBACK TO call")
        self._connection.execute("RELEASE call")

    def _release(self, group: list[_Call], unanswered: BackendUnavailable) -> None:
        """Answer whoever has no answer yet, even where the leader's thread was interrupted, and pass the lead on."""
        try:
            if self._refusal is None and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except apsw.Error as error:
            self._refusal = self._explain(error)
        with self._turn:
            for call in group:
                if not call.done:
                    call.error = call.error or unanswered
                    call.done = True
            self._writing = False
            self._turn.notify_all()
