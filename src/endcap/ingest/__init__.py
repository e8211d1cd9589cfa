"""From files to the log, and from the log to what reads it: catalog, lake, shopper state, shelf.

Here stand the parts of a shop that an import works on and what it reports. `fold` is all that serving needs; the
importers read files with polars and are loaded by commands alone.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

from endcap.backends.db import Catalog
from endcap.backends.kv import KV
from endcap.backends.log import Log
from endcap.backends.tables import Tables
from endcap.domain.ids import ItemKey
from endcap.ingest.rows import Directory
from endcap.ingest.texts import Texts
from endcap.state import Shelf

Report: TypeAlias = Callable[[int, int | None], None]
"""Called with the rows read so far and the rows of the file, None where they are not known."""


@dataclass(frozen=True, slots=True)
class Ports:
    """One shop, as an import sees it: `shelf` is `fold.open_shelf(kv)`, `quarantine` the folder for misfit rows.

    `projects` says whether this process keeps catalog, lake and state up to the log; where a server does, it may not.
    `through` is that server's address. `rows` makes the directory that gives new rows out of the keys that have one.
    `texts`, if given, hold what the log held when the import began, and are kept up with it.
    """

    log: Log
    kv: KV
    catalog: Catalog
    tables: Tables
    shelf: Shelf
    secret: bytes
    quarantine: Path
    currency: str
    timezone: str
    projects: bool = True
    rows: Callable[[Iterable[ItemKey]], Directory] = Directory
    through: str = ""
    texts: Texts | None = None

    def directory(self) -> Directory:
        """All rows assigned so far; what it plans may be used."""
        return self.rows(self.catalog.keys())


class Summary(NamedTuple):
    """What became of a file's rows: rows = left_out + quarantined + repeated + fresh + known (derived: of changes).

    Of events, `signals` counts rows that are logins and logouts, new or known, and `beside` rows with names that are no
    event of ours, which make up the rest; `currencies` prices in others than the shop's, which are unknown; `clocks`
    times in another unit than usual; `bots` rows left by one.

    `left_out` by the mapping's `keep`; `known` were imported before; `quarantine` is the file of misfits, if any.
    `repeated` rows gave way to a later one of the same item. Beside the rows: `delisted` items were not in the file;
    `unconverted` prices are in a currency that no rate was given for; `format` is what the file was recognised as;
    `through` is the address of the server that took them in, empty where none runs; `ignored` are the names in a
    recognised feed that mean nothing.
    """

    rows: int = 0
    left_out: int = 0
    quarantined: int = 0
    fresh: int = 0
    known: int = 0
    new_items: int = 0
    quarantine: Path | None = None
    repeated: int = 0
    delisted: int = 0
    unconverted: int = 0
    format: str = ""
    through: str = ""
    beside: Mapping[str, int] = {}
    currencies: Mapping[str, int] = {}
    clocks: Mapping[str, int] = {}
    bots: int = 0
    signals: int = 0
    ignored: tuple[str, ...] = ()
