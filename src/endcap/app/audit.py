"""An audit: a feed and events taken into a shop of their own, measured, reported on one page, and forgotten."""

import os
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from endcap.app.imports import import_catalog, import_events
from endcap.app.learning import corpus
from endcap.app.reports import examined
from endcap.app.shop import Report, Shop, initialise, now_ms, open_shop
from endcap.errors import GateRefused, InvalidRequest

if TYPE_CHECKING:
    from rich.console import RenderableType

    from endcap import ingest
    from endcap.evaluation import Audit
    from endcap.monitoring import Health

DEFAULT_CURRENCY: Final = "EUR"


class Files(NamedTuple):
    """What is audited: a feed and events, each with its mapping where it is in no format that is recognised."""

    feed: Path
    events: Path
    catalog_map: Path | None = None
    events_map: Path | None = None


class Terms(NamedTuple):
    """How: the currency (empty: that of the feed), the time zone of naive times, and the folder of a shop to keep."""

    currency: str = ""
    timezone: str = "UTC"
    keep: Path | None = None


class Told(NamedTuple):
    """Who is told how far the work has come: `stage` in words, `importing` the rows of the file that it gives."""

    stage: Report
    importing: "Callable[[Path, Callable[[ingest.Report], ingest.Summary]], ingest.Summary]"


def audit(files: Files, terms: Terms, out: Path, told: Told) -> "RenderableType":
    """Import, examine and compare; write the page to `out`; the summary, fit to be printed.

    Nothing stays but the page, and the shop where `terms` name its folder; Ctrl-C and SIGTERM clean up as well.

    Raises: InvalidFeed where a file cannot be read, InvalidRequest where `out` cannot be written.
    """
    _check_writable(out)
    with _folder(terms.keep) as folder:
        currency = terms.currency or _currency(files)
        told.stage(f"a shop in {currency} at {folder}" if terms.keep else f"a temporary shop in {currency}")
        initialise(folder, currency, terms.timezone)
        shop = open_shop(folder, os.environ)
        told.importing(files.feed, lambda report: import_catalog(shop, files.feed, files.catalog_map, report))
        told.importing(files.events, lambda report: import_events(shop, files.events, files.events_map, report))
        found = audited(shop, (files.feed.name, files.events.name), told.stage)
    from endcap import evaluation  # `audited` has loaded it; files that cannot be read are told before that

    out.write_text(evaluation.audit_page(found), encoding="utf-8")
    return evaluation.audit_summary(found)


def audited(shop: Shop, names: tuple[str, str], report: Report) -> "Audit":
    """The audit of a shop that was made from files of these `names`."""
    from endcap import evaluation
    from endcap.training import cut_of

    report("reading history")
    history = corpus(shop)
    report("examining the data")
    health = examined(shop, history)
    try:
        _check_showable(health)
        cut = cut_of(history, shop.settings.shop.timezone)
        report(f"asking about what comes after {cut.text}: {cut.cases:,} cases")
        comparison = evaluation.compare(history, cut, shop.policy(), report)
        outlook = evaluation.outlook_of(comparison, history.interactions)
        found = evaluation.Compared(comparison, outlook, evaluation.titles_of(history))
    except GateRefused as refused:
        report(f"no comparison: {refused}")
        return evaluation.Audit(*names, _today(), health, str(refused))
    return evaluation.Audit(*names, _today(), health, found)


def _check_showable(health: "Health") -> None:
    catalog = health.catalog
    if not catalog.listed:
        raise GateRefused(
            f"no list can be measured where nothing may be shown: the feed lists no item, and events name "
            f"{catalog.stubs:,} unknown ones; import a feed with the ids that events use"
        )
    if not catalog.sellable:
        raise GateRefused(
            f"no list can be measured where nothing may be shown: all {catalog.listed:,} listed items are out of "
            "stock; send the present stock, or none"
        )


def _today() -> str:
    return datetime.fromtimestamp(now_ms() / 1000, UTC).date().isoformat()


def _check_writable(out: Path) -> None:
    """Say so before the work, not after it, where the page could not be written."""
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise InvalidRequest(f"--out {out} cannot be written; expected a file in a folder that exists")


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """The shop's folder: `keep`, or one that is removed at the end, also when SIGTERM ends the work."""
    if keep is not None:
        yield keep
        return
    former = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="endcap-audit-", ignore_cleanup_errors=True) as folder:
            yield Path(folder) / "shop"
    finally:
        signal.signal(signal.SIGTERM, former)


def _currency(files: Files) -> str:
    """What the mappings name, else what most prices at the beginning of the feed name, else EUR."""
    from endcap.ingest.mapping import CatalogMapping, EventsMapping, read_mapping

    if files.catalog_map:
        named = read_mapping(files.catalog_map, CatalogMapping).currency
        if named:
            return named
    if files.events_map:
        named = read_mapping(files.events_map, EventsMapping).currency
        if named:
            return named
    return (_most_named(files.feed) if not files.catalog_map else "") or DEFAULT_CURRENCY


def _most_named(feed: Path) -> str:
    import polars as pl

    from endcap.formats.prices import currency
    from endcap.formats.recognise import opened

    table = opened(feed, "catalog").table
    if "price" not in table.schema:
        return ""
    batch = next(iter(table.batches(["price"])), None)
    if batch is None:
        return ""
    prices = batch.frame.select(currency(pl.col("price").cast(pl.String)))
    named: Counter[str] = Counter(prices.to_series().drop_nulls().to_list())
    return named.most_common(1)[0][0] if named else ""
