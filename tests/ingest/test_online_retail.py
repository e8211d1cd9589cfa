"""The example on its own data: which rows of Online Retail II become what."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from endcap.domain.instants import millis
from endcap.expressions import parse
from endcap.formats.files import open_table
from endcap.ingest import Ports
from endcap.ingest.binding import ROW, bind
from endcap.ingest.catalog import import_catalog
from endcap.ingest.events import FIELDS, import_events
from endcap.ingest.mapping import CatalogMapping, EventsMapping, Formula, read_mapping
from endcap.ingest.quarantine import Quarantine

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "uci_online_retail_ii" / "transactions_2y.parquet"
EXAMPLE = ROOT / "examples" / "online_retail"
SPLIT = millis(datetime(2011, 10, 1, tzinfo=UTC))

needs_data = pytest.mark.skipif(not DATA.exists(), reason="Online Retail II is not beside the repository")


def events_mapping() -> EventsMapping:
    return read_mapping(EXAMPLE / "events.toml", EventsMapping)


def read(mapping: EventsMapping, folder: Path) -> pl.DataFrame:
    binding = bind(mapping, open_table(DATA), "UTC", FIELDS)
    with Quarantine(folder, "misfits.jsonl") as quarantine:
        frame = pl.concat(batch.fields for batch in binding.batches([], quarantine))
        assert not quarantine.count
    return frame


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    return read(events_mapping(), tmp_path_factory.mktemp("quarantine"))


@needs_data
def test_the_example_keeps_the_rows_that_count(events: pl.DataFrame) -> None:
    bought = events.filter(pl.col("name") == "purchase")
    known = bought.filter(pl.col("user_id").is_not_null())
    assert (len(events), len(bought), len(events) - len(bought)) == (1_032_918, 1_014_945, 17_973)
    assert (len(known), known["user_id"].n_unique(), known["item_id"].n_unique()) == (788_187, 5_852, 4_619)
    assert events["quantity"].min() == 1


@needs_data
def test_without_the_filter_of_codes_the_counts_are_those_of_the_published_clean_rows(tmp_path: Path) -> None:
    source = "NOT is_cancellation AND quantity > 0 AND unit_price > 0 AND customer_id IS NOT NULL"
    mapping = events_mapping()
    assert mapping.keep is not None
    everything = mapping.model_copy(update={"keep": Formula(source, parse(source))})
    known = read(everything, tmp_path)
    assert (len(known), known["user_id"].n_unique(), known["item_id"].n_unique()) == (791_044, 5_878, 4_631)
    assert known["transaction_id"].n_unique() == 36_969


@needs_data
def test_there_are_2119_cases_and_file_order_settles_ties_as_invoice_numbers_do(events: pl.DataFrame) -> None:
    known = events.filter(pl.col("name") == "purchase", pl.col("user_id").is_not_null())
    invoices = known.group_by("user_id", "transaction_id").agg(
        at=pl.col("time").dt.epoch("ms").min(), first=pl.col(ROW).min()
    )
    regulars = invoices.filter(pl.col("at") < SPLIT)["user_id"].unique()
    later = invoices.filter(pl.col("at") >= SPLIT, pl.col("user_id").is_in(regulars.implode()))
    by_row = later.sort("at", "first").group_by("user_id", maintain_order=True).first().sort("user_id")
    by_number = later.sort("at", "transaction_id").group_by("user_id", maintain_order=True).first().sort("user_id")
    assert len(by_row) == 2_119
    assert by_row["transaction_id"].to_list() == by_number["transaction_id"].to_list()


@needs_data
def test_a_part_of_the_file_goes_through_the_whole_import(shop: Ports, tmp_path: Path, now: int) -> None:
    part = tmp_path / "part.parquet"
    pl.read_parquet(DATA).head(20_000).write_parquet(part)
    catalog = import_catalog(shop, part, read_mapping(EXAMPLE / "catalog.toml", CatalogMapping), now)
    summary = import_events(shop, open_table(part), events_mapping(), now)
    assert (summary.rows, summary.quarantined) == (20_000, 0)
    assert summary.fresh + summary.left_out == 20_000
    assert shop.shelf.listed[: catalog.new_items].all()
    assert (shop.shelf.price[: catalog.new_items] > 0).all()
    assert import_events(shop, open_table(part), events_mapping(), now).fresh == 0


@needs_data
def test_the_same_rows_as_csv_are_the_same_events(shop: Ports, tmp_path: Path, now: int) -> None:
    frame = pl.read_parquet(DATA).sample(3_000, seed=5)
    frame.write_parquet(tmp_path / "part.parquet")
    frame.write_csv(tmp_path / "part.csv")
    parquet = import_events(shop, open_table(tmp_path / "part.parquet"), events_mapping(), now)
    types = {"quantity": "number", "unit_price": "number", "is_cancellation": "boolean"}
    mapping = events_mapping().model_copy(update={"types": types})
    csv = import_events(shop, open_table(tmp_path / "part.csv"), mapping, now)
    assert (csv.fresh, csv.known, csv.left_out) == (0, parquet.fresh, parquet.left_out)
