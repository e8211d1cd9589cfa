"""The catalog through SQLAlchemy Core, in what SQLite and PostgreSQL have in common.

Knows two tables and their format. SQLite keeps its rollback journal here: several processes may write, one at a time.
Does not know the attributes of a change, which stand in its body.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError

from endcap.backends.db import Catalog, Recorded
from endcap.backends.log import bodies
from endcap.domain.catalog import Assignment, Change
from endcap.domain.ids import ItemKey
from endcap.errors import BackendUnavailable

FORMAT: Final = 1
_PAGE: Final = 10_000
_AT_ONCE: Final = 1_000
T = TypeVar("T")

_TABLES: Final = sa.MetaData()
_FORMATS: Final = sa.Table(
    "catalog_format",
    _TABLES,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
)
_ROWS: Final = sa.Table(
    "rows",
    _TABLES,
    sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(5), nullable=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.UniqueConstraint("kind", "id"),
)
_CHANGES: Final = sa.Table(
    "changes",
    _TABLES,
    sa.Column("offset", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("row", sa.Integer, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False, index=True),
    sa.Column("version", sa.SmallInteger, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)


class SqlCatalog(Catalog):
    """The catalog in the database `url` (`sqlite:///shop/catalog.sqlite`), whose tables are made where absent.

    Raises: BackendUnavailable, here and in every method, where the database cannot be used or has another format.
    """

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url)
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _configure)
        self._name = self._engine.url.render_as_string(hide_password=True)
        with self._explained(), self._engine.begin() as connection:
            _TABLES.create_all(connection)
            version = connection.scalar(sa.select(_FORMATS.c.version))
            if version is None:
                connection.execute(_FORMATS.insert(), {"version": FORMAT})
            elif version != FORMAT:
                raise BackendUnavailable(
                    f"the catalog {self._name} has format {version}, this release reads format {FORMAT}; "
                    "upgrade endcap, or drop it and it is rebuilt from the log"
                )

    def assign(self, assignments: Sequence[Assignment]) -> None:
        """Store `assignments` in one transaction; those that stand already are ignored."""
        with self._explained(), self._writing() as connection:
            for page in _pages(assignments):
                wanted = {assignment.row: ItemKey(*assignment.key) for assignment in page}
                among = _ROWS.c.row.between(min(wanted), max(wanted))
                for row, kind, item in connection.execute(sa.select(_ROWS).where(among)):
                    key = wanted.pop(row, None)
                    if key is not None and key != (kind, item):
                        raise self._conflict(row, ItemKey(kind, item), key)
                self._insert(connection, _ROWS, [(row, *key) for row, key in wanted.items()])

    def record(self, changes: Sequence[Recorded]) -> None:
        """Store `changes` in one transaction; an offset that stands already is ignored."""
        with self._explained(), self._writing() as connection:
            for page in _pages(changes):
                wanted = {recorded.offset: recorded.change for recorded in page}
                among = _CHANGES.c.offset.between(min(wanted), max(wanted))
                for offset in connection.scalars(sa.select(_CHANGES.c.offset).where(among)):
                    wanted.pop(offset, None)
                self._insert(connection, _CHANGES, [_values(*each) for each in wanted.items()])

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A transaction; in SQLite one in which nobody else writes between what is read and what is written.

        It would begin it with the first row that is written, and another connection may have written that meanwhile.
        """
        with self._engine.begin() as connection:
            if self._engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    def _insert(self, connection: sa.Connection, table: sa.Table, rows: list[tuple[object, ...]]) -> None:
        """Insert `rows`, values in the order of the columns, by the driver itself: a third of the time of Core's.

        Where the driver takes positions, many in one statement: SQLite's runs without the interpreter's lock, which an
        import's other thread would else hold between any two rows.
        """
        names = table.columns.keys()
        statement = table.insert().compile(dialect=self._engine.dialect, column_keys=names)
        if not statement.positional:
            connection.exec_driver_sql(str(statement), [dict(zip(names, row, strict=True)) for row in rows])
            return
        head, _, values = str(statement).partition("VALUES ")
        for some in _pages(rows, _AT_ONCE):
            connection.exec_driver_sql(
                f"{head}VALUES {', '.join([values] * len(some))}", tuple(chain.from_iterable(some))
            )

    def keys(self) -> list[ItemKey]:
        """The key of every row, at the index of its row. Raises BackendUnavailable where a row is missing between."""
        with self._explained(), self._engine.connect() as connection:
            stored = connection.execute(sa.select(_ROWS).order_by(_ROWS.c.row)).all()
        for expected, (row, _, _) in enumerate(stored):
            if row != expected:
                raise BackendUnavailable(
                    f"the catalog {self._name} lacks row {expected}; drop it and it is rebuilt from the log"
                )
        return [ItemKey(kind, item) for _, kind, item in stored]

    def changes(self, before: int | None = None) -> Iterator[Recorded]:
        """All changes with `at` below `before`, in log order, read in pages: no transaction stays open between two.

        What is recorded after the first page was asked for is left out.
        """
        with self._explained(), self._engine.connect() as connection:
            last = connection.scalar(sa.select(sa.func.max(_CHANGES.c.offset))) or 0
        columns = (_CHANGES.c.offset, _CHANGES.c.version, _CHANGES.c.body)
        query = sa.select(*columns).order_by(_CHANGES.c.offset).limit(_PAGE)
        if before is not None:
            query = query.where(_CHANGES.c.at < before)
        done = 0
        while True:
            with self._explained(), self._engine.connect() as connection:
                page = connection.execute(query.where(_CHANGES.c.offset > done, _CHANGES.c.offset <= last)).all()
            for offset, version, body in page:
                yield Recorded(offset, bodies.unpack("change", version, body))
            if len(page) < _PAGE:
                return
            done = page[-1].offset

    def close(self) -> None:
        """Release the connection pool."""
        self._engine.dispose()

    def _conflict(self, row: int, stored: ItemKey, given: ItemKey) -> BackendUnavailable:
        return BackendUnavailable(
            f"row {row} of the catalog {self._name} stands for {stored.kind} {stored.id!r}, not for {given.kind} "
            f"{given.id!r}: log and catalog are of two shops; drop the catalog and it is rebuilt from the log"
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise BackendUnavailable(
                f"the catalog {self._name} cannot be used: {error}; check that its folder or server is there "
                "and may be written, or drop it and it is rebuilt from the log"
            ) from error


def _values(offset: int, change: Change) -> tuple[object, ...]:
    return offset, change.row, change.at, bodies.FORMAT, bodies.pack(change)


def _configure(connection: DBAPIConnection, _: object) -> None:
    """With FULL, a power cut may bring the journal back and take the last commit away; EXTRA syncs its removal.

    The cache holds the index of ids, in whose order no feed comes.
    """
    connection.cursor().execute("PRAGMA synchronous = EXTRA")
    connection.cursor().execute("PRAGMA cache_size = -32768")


def _pages(records: Sequence[T], size: int = _PAGE) -> Iterator[Sequence[T]]:
    return (records[start : start + size] for start in range(0, len(records), size))
