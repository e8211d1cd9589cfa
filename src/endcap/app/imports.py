"""Files into a shop."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from endcap.app.shop import Shop, now_ms
from endcap.backends.log import Log
from endcap.errors import BackendUnavailable

if TYPE_CHECKING:
    from endcap import ingest


@contextmanager
def importing(shop: Shop) -> Iterator["ingest.Ports"]:
    """What an import works on; at the end texts and state are made durable.

    Where a server has the shop open, all goes through it, and it does that itself. Raises: BackendUnavailable where
    another command writes.
    """
    try:
        log = shop.log()
    except BackendUnavailable:
        from endcap.app.remote import connected, serving_ports

        connection = connected(shop)
        if connection is None:
            raise
        with serving_ports(shop, connection) as ports:
            yield ports
        return
    with closing(log), writing_ports(shop, log) as ports:
        yield ports


@contextmanager
def writing_ports(shop: Shop, log: Log) -> Iterator["ingest.Ports"]:
    """The shop's own files, to be written."""
    from endcap.ingest import Ports
    from endcap.ingest.fold import FOLDED, open_shelf
    from endcap.ingest.texts import open_texts
    from endcap.privacy import Stores, finish

    with closing(shop.catalog()) as catalog, closing(shop.kv()) as kv:
        terms, tables = shop.settings.shop, shop.tables()
        finish(Stores(log, kv, tables.forget, FOLDED))
        texts = open_texts(kv)
        texts.catch_up(log)
        yield Ports(
            log=log,
            kv=kv,
            catalog=catalog,
            tables=tables,
            shelf=open_shelf(kv),
            secret=shop.secret(),
            quarantine=shop.folder / "quarantine",
            currency=terms.currency,
            timezone=terms.timezone,
            texts=texts,
        )
        texts.catch_up(log)
        texts.save(kv)


class Options(NamedTuple):
    """How a catalog's file is taken, as `ingest.catalog.Terms`; `encoding` of text that is neither UTF-8 nor marked."""

    mode: Literal["update", "full"] = "update"
    force: bool = False
    rates: Path | None = None
    encoding: str | None = None


AS_IT_IS: Final = Options()


def import_catalog(
    shop: Shop, file: Path, mapping: Path | None, report: "ingest.Report", options: Options = AS_IT_IS
) -> "ingest.Summary":
    """Read items from `file`, through `mapping` or, without one, as what it is recognised as. Raises: InvalidFeed."""
    from endcap.formats.files import open_any
    from endcap.formats.merchant import MerchantTable
    from endcap.formats.rates import NO_RATES, read_rates
    from endcap.formats.recognise import opened
    from endcap.formats.records import RecordFile
    from endcap.formats.sources import Source
    from endcap.ingest.builtin import catalog_mapping
    from endcap.ingest.catalog import Terms
    from endcap.ingest.catalog import import_catalog as read
    from endcap.ingest.mapping import CatalogMapping, read_mapping

    rates = read_rates(options.rates, shop.settings.shop.currency) if options.rates else NO_RATES
    terms = Terms(options.mode, options.force, rates)
    if mapping is None:
        name, table = opened(file, "catalog", options.encoding)
        meaning = catalog_mapping(table)
    else:
        meaning = read_mapping(mapping, CatalogMapping)
        name, table = "", open_any(Source(file, options.encoding), meaning.separator)
    with importing(shop) as ports:
        summary = read(ports, table, meaning, now_ms(), report, terms)
    ignored = table.ignored if mapping is None and isinstance(table, MerchantTable | RecordFile) else ()
    return summary._replace(format=name, through=ports.through, ignored=ignored)


def import_events(
    shop: Shop, file: Path, mapping: Path | None, report: "ingest.Report", encoding: str | None = None
) -> "ingest.Summary":
    """Read events from `file`, through `mapping` or, without one, as what it is recognised as. Raises: InvalidFeed."""
    from endcap.formats.files import open_any
    from endcap.formats.recognise import opened
    from endcap.formats.sources import Source
    from endcap.ingest.builtin import events_mapping
    from endcap.ingest.events import import_events as read
    from endcap.ingest.mapping import EventsMapping, read_mapping

    if mapping is None:
        name, table = opened(file, "events", encoding)
        meaning = events_mapping(table)
    else:
        meaning = read_mapping(mapping, EventsMapping)
        name, table = "", open_any(Source(file, encoding), meaning.separator)
    with importing(shop) as ports:
        return read(ports, table, meaning, now_ms(), report)._replace(format=name, through=ports.through)
