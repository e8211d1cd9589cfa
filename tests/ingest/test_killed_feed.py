"""An import of a feed that was killed: what it wrote stays whole, and the same command completes it as if in one go."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from endcap.backends.log.sqlite import SqliteLog
from endcap.errors import InvalidFeed
from endcap.formats.recognise import opened
from endcap.ingest import Ports, changes
from endcap.ingest.checkpoint import pack_shelf
from endcap.ingest.fold import project
from feeds import demo_feed, take, write_tsv

OpenShop = Callable[..., AbstractContextManager[Ports]]


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def feed(demo: Path) -> pl.DataFrame:
    return demo_feed(demo, items=120)


def told(shop: Ports) -> tuple[object, ...]:
    """All that the catalog and the shelf say, and what lies in quarantine, offsets in the log apart."""
    shop.shelf.offset = 0
    return [change for _, change in shop.catalog.changes()], pack_shelf(shop.shelf), [*shop.quarantine.iterdir()]


@pytest.mark.parametrize("times", [1, 2, 4])
def test_a_feed_whose_import_was_killed_is_completed_by_the_same_command(
    tmp_path: Path,
    feed: pl.DataFrame,
    open_shop: OpenShop,
    now: int,
    monkeypatch: pytest.MonkeyPatch,
    times: int,
) -> None:
    monkeypatch.setattr(changes, "_APPEND", 40)
    file = write_tsv(feed, tmp_path / "feed.tsv")
    with open_shop(tmp_path / "unbroken", currency="EUR") as shop:
        assert take(shop, file, now).fresh == 120
        expected = told(shop)
    append, calls = SqliteLog.append, list[int]()

    def breaking(self: SqliteLog, *given: Any) -> Any:
        calls.append(1)
        if len(calls) == times:
            raise Killed
        return append(self, *given)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SqliteLog, "append", breaking)
        with open_shop(tmp_path / "shop", currency="EUR") as shop, pytest.raises(Killed):
            take(shop, file, now)
    with open_shop(tmp_path / "shop", currency="EUR") as shop:
        project(shop)
        whole = [change for _, change in shop.catalog.changes()]
        assert whole == expected[0][: len(whole)]  # type: ignore[index]
        (shop.quarantine / "reading-left-by-a-kill").mkdir()
        summary = take(shop, file, now + 60_000)
        assert (summary.fresh, summary.known) == (120 - len(whole), len(whole))
        assert told(shop) == expected


def test_an_encoding_given_for_xml_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "feed.xml"
    file.write_text("<rss><channel><item><id>a</id></item></channel></rss>", encoding="utf-8")
    with pytest.raises(InvalidFeed) as refused:
        opened(file, "catalog", "cp1252")
    assert str(refused.value) == f"{file} is XML, which says its own encoding; leave --encoding out"
