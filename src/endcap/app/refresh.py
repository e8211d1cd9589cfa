"""New items in every list, without training: a child of the current snapshot, also while a server holds the log."""

from contextlib import closing
from typing import TYPE_CHECKING

from endcap.app.learning import ENCODER, published
from endcap.app.shop import CURRENT, PUBLIC_KEY, Report, Shop
from endcap.domain.catalog import Assignment, Change, concerns_lists
from endcap.errors import GateRefused

if TYPE_CHECKING:
    from endcap.backends.db import Recorded
    from endcap.domain.ids import ItemKey
    from endcap.snapshot import Snapshot
    from endcap.state import Shelf
    from endcap.training import News


def refresh(shop: Shop, report: Report) -> str | None:
    """The version of the current snapshot with all that the catalog knows now; None where it has nothing new.

    Raises: GateRefused where no snapshot is current, or another became it meanwhile.
    """
    from endcap.backends.encoder.lexical import lexical_of
    from endcap.releases import SEALED, read_sides, read_snapshot
    from endcap.training import refreshed

    registry = shop.registry()
    current = registry.current("snapshot", CURRENT)
    if current is None:
        raise GateRefused("no snapshot is published yet; run `endcap train`")
    directory, public = registry.fetch("snapshot", current), shop.read_key(PUBLIC_KEY)
    report("reading the catalog")
    keys, changes, shelf = _catalog(shop)
    parent = read_snapshot(directory, public, keys)
    news = _news(parent, keys, changes, shelf)
    if not len(news.changed):
        return None
    report(f"adding {len(news.changed):,} new or changed items")
    sides = read_sides(directory, public)
    encoder = {name.removeprefix(ENCODER): each for name, each in sides.items() if name.startswith(ENCODER)}
    child = refreshed(parent, lexical_of(encoder) if encoder else None, news)
    whose = directory / SEALED
    version = published(shop, child, whose.read_bytes() if whose.exists() else b"", sides)
    if not registry.relabel("snapshot", CURRENT, current, version):
        raise GateRefused(f"snapshot {current} was replaced meanwhile; run `endcap refresh` again")
    return version


def _catalog(shop: Shop) -> "tuple[list[ItemKey], list[Recorded], Shelf]":
    """Keys, changes and shelf at the log's end: what is projected, and the log's tail."""
    from endcap.backends.db import Recorded
    from endcap.backends.log.bodies import unpack
    from endcap.ingest.fold import CATALOG, fold_shelf, open_shelf
    from endcap.serving.floor import batches

    with closing(shop.log(readonly=True)) as log, closing(shop.catalog()) as catalog:
        end, known, shelf = log.end("events"), log.committed(CATALOG), open_shelf(shop.kv())
        keys = catalog.keys()
        changes = [recorded for recorded in catalog.changes() if recorded.offset <= known]
        for records in batches(log, min(known, shelf.offset)):
            tail = [record for record in records if record.offset <= end]
            nouns = [(at, unpack(entry.kind, entry.version, entry.body)) for at, entry in tail if at > known]
            keys += [noun.key for _, noun in nouns if isinstance(noun, Assignment) and noun.row >= len(keys)]
            changes += [Recorded(at, noun) for at, noun in nouns if isinstance(noun, Change)]
            fold_shelf(shelf, tail)
    return keys, changes, shelf


def _news(parent: "Snapshot", keys: "list[ItemKey]", changes: "list[Recorded]", shelf: "Shelf") -> "News":
    import numpy as np

    from endcap.training import News
    from endcap.training.corpus import Texts

    fresh = [each.change for each in changes if each.offset > parent.offset and concerns_lists(each.change)]
    changed = np.unique(np.array([change.row for change in fresh], np.int32))
    texts, told = Texts(), set(changed.tolist())
    told.update(variant for row in changed.tolist() for variant in shelf.variants(int(shelf.group[row])))
    for change in sorted((each.change for each in changes if each.change.row in told), key=lambda change: change.at):
        texts.take(change)
    return News(
        keys=keys,
        shelf=shelf,
        texts=texts,
        changed=changed,
        offset=max(shelf.offset, parent.offset),
        at=max((change.at for change in fresh), default=0),
    )
