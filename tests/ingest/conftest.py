"""A shop on real embedded adapters, in a folder of the test."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from endcap.backends.db.sqlalchemy_catalog import SqlCatalog
from endcap.backends.kv.memory import MemoryKV
from endcap.backends.log.sqlite import SqliteLog
from endcap.backends.tables.duckdb_lake import DuckLake
from endcap.ingest import Ports
from endcap.ingest.fold import open_shelf

NOW = 1_700_000_000_000
SECRET = b"0123456789abcdef0123456789abcdef"

OpenShop: TypeAlias = Callable[..., AbstractContextManager[Ports]]


@contextmanager
def opened(folder: Path, secret: bytes = SECRET, currency: str = "GBP") -> Iterator[Ports]:
    folder.mkdir(exist_ok=True)
    log = SqliteLog(folder / "log.sqlite")
    kv = MemoryKV(folder / "state.sqlite", lambda: NOW)
    catalog = SqlCatalog(f"sqlite:///{folder}/catalog.sqlite")
    lake = DuckLake(folder / "lake")
    try:
        yield Ports(log, kv, catalog, lake, open_shelf(kv), secret, folder / "quarantine", currency, "UTC")
    finally:
        catalog.close()
        kv.close()
        log.close()


@pytest.fixture
def open_shop() -> OpenShop:
    return opened


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Ports]:
    with opened(tmp_path / "shop") as ports:
        yield ports


@pytest.fixture
def now() -> int:
    return NOW
