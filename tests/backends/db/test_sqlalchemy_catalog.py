import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from endcap.backends.db.sqlalchemy_catalog import _TABLES, SqlCatalog
from endcap.errors import BackendUnavailable


def test_a_catalog_of_a_newer_format_is_refused_with_the_remedy(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'catalog.sqlite'}"
    SqlCatalog(url).close()
    with sqlite3.connect(tmp_path / "catalog.sqlite") as connection:
        connection.execute("UPDATE catalog_format SET version = 2")
    connection.close()
    with pytest.raises(BackendUnavailable, match="has format 2, this release reads format 1; upgrade endcap"):
        SqlCatalog(url)


def test_a_missing_folder_is_named_without_the_password_of_the_url(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailable, match="check that its folder or server is there"):
        SqlCatalog(f"sqlite:///{tmp_path / 'nowhere' / 'catalog.sqlite'}")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite").write_bytes(b"GIF89a" * 1_000)
    with pytest.raises(BackendUnavailable, match="rebuilt from the log"):
        SqlCatalog(f"sqlite:///{tmp_path / 'catalog.sqlite'}")


def test_sqlite_keeps_its_rollback_journal_and_syncs_its_removal(tmp_path: Path) -> None:
    catalog = SqlCatalog(f"sqlite:///{tmp_path / 'catalog.sqlite'}")
    with catalog._engine.connect() as connection:
        assert connection.scalar(sa.text("PRAGMA journal_mode")) == "delete"
        assert connection.scalar(sa.text("PRAGMA synchronous")) == 3
    catalog.close()


def test_the_tables_can_be_written_in_the_words_of_postgresql() -> None:
    words = " ".join(
        str(sa.schema.CreateTable(table).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
        for table in _TABLES.sorted_tables
    )
    assert "body BYTEA NOT NULL" in words
    assert "at BIGINT NOT NULL" in words
    assert "SERIAL" not in words
