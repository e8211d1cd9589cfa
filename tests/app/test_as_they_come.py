"""Feeds and exports as shops have them, audited by one command without a mapping."""

import os
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Final

import polars as pl
import pytest
from typer.testing import CliRunner

import clickstreams
import feeds
from endcap.cli import app
from endcap.simulation import Size, write_shop

SIZE = Size(3_000, 13_000)
WRITERS: Final[dict[str, Callable[[pl.DataFrame, Path], Path]]] = {
    "feed.tsv": feeds.write_tsv,
    "feed.xml": feeds.write_rss,
    "dump.json": feeds.write_json_ld,
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few shoppers of the demo shop: what they touched as three feeds, what they did as exports."""
    folder = tmp_path_factory.mktemp("files")
    made = write_shop(folder, 1, date(2026, 11, 1), SIZE)
    done, listed = pl.read_parquet(made.events), pl.read_csv(made.feeds[0], infer_schema=False)
    feed = feeds.merchant_names(listed.filter(pl.col("id").is_in(done["item_id"].implode())))
    for name, write in WRITERS.items():
        write(feed, folder / name)
    done.head(160).write_parquet(folder / "few.parquet")
    clickstreams.write_export(folder / "events.parquet", folder / "ga4.jsonl")
    clickstreams.write_export(folder / "few.parquet", folder / "few-ga4.jsonl")
    clickstreams.write_segment(folder / "few.parquet", folder / "few-segment.jsonl")
    return folder


def audited(files: Path, feed: str, events: str) -> tuple[str, str]:
    """What is printed and the page, without the names of the files."""
    words = ["audit", str(files / feed), str(files / events), "--out", str(files / "audit.html")]
    ran = CliRunner().invoke(app, words, env={name: "" for name in os.environ if name.startswith("ENDCAP_")})
    assert ran.exit_code == 0, ran.output
    page = (files / "audit.html").read_text(encoding="utf-8")
    return ran.output, page.replace(feed, "FEED").replace(events, "EVENTS")


def test_five_formats_are_taken_through_by_one_command_each_without_a_mapping(files: Path) -> None:
    printed, page = audited(files, "feed.tsv", "ga4.jsonl")
    assert "feed.tsv: The file is read as Google Merchant TSV." in printed
    assert "ga4.jsonl: The file is read as GA4 export to BigQuery." in printed
    assert re.search(r"([\d,]+) rows read: \1 new records, 0 known already, .* 0 quarantined", printed)
    assert "a temporary shop in EUR" in printed
    assert page.count('class="shopper"') == 10
    printed, page = audited(files, "feed.xml", "few-segment.jsonl")
    assert "feed.xml: The file is read as Google Merchant RSS." in printed
    assert "few-segment.jsonl: The file is read as Segment e-commerce calls." in printed
    assert "This data does not say yet whether better lists would help." in page
    printed, again = audited(files, "dump.json", "few-ga4.jsonl")
    assert "dump.json: The file is read as schema.org JSON-LD." in printed
    assert again == page


@pytest.mark.parametrize(
    "feed",
    [
        "id\ttitle\tprice\tcolour\tour rank\na\tMug\t1\tred\t5\n",
        '<rss xmlns:g="x"><item><id>a</id><title>Mug</title><colour/><g:our_rank>5</g:our_rank></item></rss>',
        '{"id": "a", "title": "Mug", "price": 1, "colour": "red", "our rank": 5, "attributes": {"size": "M"}}\n',
    ],
    ids=["table", "XML", "JSON"],
)
def test_names_that_no_feed_has_are_told_by_the_import(tmp_path: Path, feed: str) -> None:
    assert CliRunner().invoke(app, ["init", "--shop", str(tmp_path / "shop")]).exit_code == 0
    (tmp_path / "feed").write_text(feed, encoding="utf-8")
    ran = CliRunner().invoke(app, ["import", "catalog", str(tmp_path / "feed"), "--shop", str(tmp_path / "shop")])
    names = "'colour', 'our rank'" if "our rank" in feed else "'colour', 'g:our_rank'"
    told = f"Left out, for no feed has such names: {names}; a mapping file can say what they mean.\n"
    assert told in ran.stdout
