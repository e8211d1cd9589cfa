"""Files into a shop."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from endcap import ingest
from endcap.app.shop import Shop, now_ms


@contextmanager
def importing(shop: Shop) -> Iterator[ingest.Ports]:
    """What an import works on; at the end texts and state are made durable."""
    from endcap.ingest.fold import open_shelf
    from endcap.ingest.texts import open_texts

    with ExitStack() as stack:
        log = stack.enter_context(closing(shop.log()))
        catalog = stack.enter_context(closing(shop.catalog()))
        kv = stack.enter_context(closing(shop.kv()))
        terms = shop.settings.shop
        yield ingest.Ports(
            log=log,
            kv=kv,
            catalog=catalog,
            tables=shop.tables(),
            shelf=open_shelf(kv),
            secret=shop.secret(),
            quarantine=shop.folder / "quarantine",
            currency=terms.currency,
            timezone=terms.timezone,
        )
        texts = open_texts(kv)
        texts.catch_up(log)
        texts.save(kv)


def import_catalog(shop: Shop, file: Path, mapping: Path, report: ingest.Report) -> ingest.Summary:
    """Read items from `file` through `mapping`. Raises: InvalidFeed."""
    from endcap.ingest.catalog import import_catalog as read
    from endcap.ingest.mapping import CatalogMapping, read_mapping

    meaning = read_mapping(mapping, CatalogMapping)
    with importing(shop) as ports:
        return read(ports, file, meaning, now_ms(), report)


def import_events(shop: Shop, file: Path, mapping: Path, report: ingest.Report) -> ingest.Summary:
    """Read events from `file` through `mapping`. Raises: InvalidFeed."""
    from endcap.ingest.events import import_events as read
    from endcap.ingest.mapping import EventsMapping, read_mapping

    meaning = read_mapping(mapping, EventsMapping)
    with importing(shop) as ports:
        return read(ports, file, meaning, now_ms(), report)
