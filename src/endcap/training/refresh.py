"""A child snapshot that knows new and changed items, made in seconds and without training.

What was learned from people stays as it is, bit for bit. Content vectors and their neighbours, new arrivals and
categories are extended by the parent's own encoder, so that a new item is similar to something and can be proposed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from endcap.backends.encoder import Encoder
from endcap.domain.arrays import Bools, Floats, Ints, Rows
from endcap.domain.ids import ItemKey
from endcap.features import Feature, FeatureSet
from endcap.features.items import ItemFacts
from endcap.features.journeys import Journey
from endcap.features.similarity import Similarity
from endcap.features.votes import Votes
from endcap.ranking.blend import Blend
from endcap.retrieval import Source
from endcap.retrieval.index import extended
from endcap.retrieval.journeys import Onward
from endcap.retrieval.neighbours import Neighbours
from endcap.retrieval.popularity import CategoryPopularity, Shortlist
from endcap.retrieval.search import Search
from endcap.retrieval.suggestions import Suggestions, joined
from endcap.retrieval.tables import Table, table_of
from endcap.snapshot import Snapshot, row_digest
from endcap.state import Shelf
from endcap.training import statistics
from endcap.training.corpus import Texts
from endcap.training.sources import (
    ARRIVALS,
    CATEGORY,
    CONTENT,
    CONTENT_RARE,
    LEAST_COSINE,
    NEIGHBOURS,
    RARE,
    sellable,
)
from endcap.training.vectors import nearest

_BLOCK = 4_096


@dataclass(frozen=True, slots=True)
class News:
    """The catalog as it is now: one key a row, the shelf and the texts up to the log's `offset`.

    `changed` int32 are the distinct rows that a change concerned since the parent; `at` ms UTC is the time of the
    latest of those.
    """

    keys: Sequence[ItemKey]
    shelf: Shelf
    texts: Texts
    changed: Rows
    offset: int
    at: int


def refreshed(parent: Snapshot, encoder: Encoder | None, news: News) -> Snapshot:
    """`parent` with what is new; it has no version yet."""
    rows, shelf = len(news.keys), news.shelf
    shelf.reserve(rows)
    touched = np.zeros(rows, np.bool_)
    touched[news.changed] = touched[shelf.group[news.changed]] = touched[parent.rows :] = True
    sold = sellable(shelf, rows)
    sources = {source.name: source for source in parent.sources}
    features, alike = parent.features, parent.alike
    if encoder is not None and CONTENT in sources:
        alike = _vectors(parent.alike, encoder, news, touched)
        rare = sold & (_interactions(parent, rows) < RARE)
        _near(sources, CONTENT, _Near(alike, touched, np.ones(rows, np.bool_)))
        _near(sources, CONTENT_RARE, _Near(alike, touched, rare))
        features = FeatureSet(tuple(_seen(family, alike) for family in features.families))
    category = sources.get(CATEGORY)
    if isinstance(category, CategoryPopularity):
        codes = _categories(category.category, shelf.category[:rows], touched)
        sources[CATEGORY] = replace(category, category=codes)
        features = FeatureSet(tuple(_placed(family, codes) for family in features.families))
        sources |= {name: _placed(source, codes) for name, source in sources.items()}
    at = max(parent.until, news.at)
    sources[ARRIVALS] = Shortlist(ARRIVALS, statistics.arrivals(shelf.born[:rows], sold, at))
    before = {source.name for source in parent.sources}
    known = tuple(source for source in sources.values() if source.name in before or _proposes(source))
    return replace(
        parent,
        version="",
        parent=parent.version,
        offset=news.offset,
        rows=rows,
        row_digest=row_digest(news.keys),
        sources=known,
        features=features,
        blend=_blend(parent.blend, known),
        alike=alike,
        search=_sought(parent.search, alike, news, touched),
        suggestions=_suggested(parent.suggestions, news, touched),
    ).checked()


def _vectors(before: Floats, encoder: Encoder, news: News, touched: Bools) -> Floats:
    vectors = np.zeros((len(touched), before.shape[1]), np.float32)
    vectors[: len(before)] = before
    fresh = np.flatnonzero(touched)
    vectors[fresh] = encoder.encode([news.texts.described(news.shelf, row) for row in fresh.tolist()])
    return vectors


def _sought(search: Search | None, alike: Floats, news: News, touched: Bools) -> Search | None:
    if search is None:
        return None
    texts = [news.texts.sought(news.shelf, row) for row in np.flatnonzero(touched).tolist()]
    return Search(extended(search.index, texts, touched), alike)


def _suggested(suggestions: Suggestions | None, news: News, touched: Bools) -> Suggestions | None:
    if suggestions is None:
        return None
    return joined(suggestions, news.texts.suggestions(news.shelf, np.flatnonzero(touched)))


def _interactions(parent: Snapshot, rows: int) -> Floats:
    """float32 [rows]: interactions of all time that the parent knows; none where it knows no statistics."""
    found = np.zeros(rows, np.float32)
    for family in parent.features.families:
        if isinstance(family, ItemFacts):
            found[: len(family.statistics.total)] = family.statistics.total
    return found


@dataclass(frozen=True, slots=True)
class _Near:
    """Unit vectors [rows, d], the rows whose vector is another than before, and those that may be neighbours."""

    vectors: Floats
    touched: Bools
    allowed: Bools


def _near(sources: dict[str, Source], name: str, near: _Near) -> None:
    """Put the source `name`, extended, into `sources`; a new one remembers as `content` does."""
    like = sources.get(name, sources[CONTENT])
    if isinstance(like, Neighbours):
        none = np.empty(0, np.int32)
        table = like.table if name in sources else table_of(none.astype(np.int64), none, none.astype(np.float32), 0, 0)
        sources[name] = replace(like, name=name, table=_extended(table, near))


def _extended(table: Table, near: _Near) -> Table:
    """`table` with the lists of all touched rows made anew, and touched rows in the lists of others where they belong.

    Other lists stay as they are, but for touched rows, whose former weight goes.
    """
    rows = len(near.touched)
    starts = np.concatenate([table.starts, np.full(rows - len(table), table.starts[-1])])
    keys = np.repeat(np.arange(rows), np.diff(starts))
    stays = ~(near.touched[keys] | near.touched[table.rows])
    fresh = nearest(
        near.vectors, np.flatnonzero(near.allowed).astype(np.int32), NEIGHBOURS, LEAST_COSINE,
        np.flatnonzero(near.touched).astype(np.int32),
    )  # fmt: skip
    others, entering, weights = _entering(keys[stays], table.weights[stays], near)
    again = near.touched.copy()
    again[others] = again[keys[~stays]] = True
    moved = stays & again[keys]
    made = table_of(
        np.concatenate([keys[moved], np.repeat(np.arange(rows), np.diff(fresh.starts)), others]),
        np.concatenate([table.rows[moved], fresh.rows, entering]),
        np.concatenate([table.weights[moved], fresh.weights, weights]),
        rows,
        NEIGHBOURS,
    )
    kept = stays & ~again[keys]
    lengths = np.bincount(keys[kept], minlength=rows) + np.diff(made.starts)
    joined = np.concatenate([keys[kept], np.repeat(np.arange(rows), np.diff(made.starts))])
    order = np.argsort(joined, kind="stable")
    return Table(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([table.rows[kept], made.rows])[order].astype(np.int32),
        np.concatenate([table.weights[kept], made.weights])[order].astype(np.float32),
    )


def _entering(keys: Ints, weights: Floats, near: _Near) -> tuple[Ints, Rows, Floats]:
    """Key, row and weight of touched rows that are near enough for the list of a row that is not touched."""
    rows = len(near.touched)
    least = np.full(rows, np.inf, np.float32)
    np.minimum.at(least, keys, weights)
    least[np.bincount(keys, minlength=rows) < NEIGHBOURS] = 0
    known = np.abs(near.vectors).sum(axis=1) > 0
    coming = np.flatnonzero(near.touched & near.allowed & known)
    asked = np.flatnonzero(known & ~near.touched)
    found: list[tuple[Ints, Rows, Floats]] = []
    for begin in range(0, len(asked) if len(coming) else 0, _BLOCK):
        block = asked[begin : begin + _BLOCK]
        close = near.vectors[block] @ near.vectors[coming].T - np.float32(LEAST_COSINE)
        place, which = np.nonzero(close > least[block][:, None])
        found.append((block[place], coming[which].astype(np.int32), close[place, which]))
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.float32)
    others, entering, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return others, entering, values


def _seen(family: Feature, vectors: Floats) -> Feature:
    return replace(family, vectors=vectors) if isinstance(family, Similarity) and family.space == CONTENT else family


_Part = TypeVar("_Part")


def _placed(part: _Part, codes: Rows) -> _Part:
    """`part` with the category codes int32 [rows] as they are now, if it goes by them."""
    if isinstance(part, Journey | Onward):
        return replace(part, journeys=replace(part.journeys, category=codes))
    return part


def _categories(before: Rows, now: Rows, touched: Bools) -> Rows:
    """The parent's category code of every row; those of touched rows are found through rows of the same category."""
    codes = np.zeros(int(now.max(initial=0)) + 1, np.int32)
    same = np.flatnonzero(~touched[: len(before)])
    codes[now[same]] = before[same]
    codes[0] = 0
    found = codes[now]
    found[same] = before[same]
    return found


def _proposes(source: Source) -> bool:
    table = getattr(source, "table", None)
    return table is not None and len(table.rows) > 0


def _blend(blend: Blend, sources: tuple[Source, ...]) -> Blend:
    """`blend` over `sources`; one that it does not know has the share that counts least among the others."""
    names = Votes(tuple(source.name for source in sources)).names
    if names == blend.schema:
        return blend
    weights = dict(zip(blend.schema, blend.weights.tolist(), strict=True))
    least = min((weight for name, weight in weights.items() if name.startswith("share_") and weight > 0), default=1.0)
    unknown = {name: least for name in names if name.startswith("share_")}
    return Blend(names, np.array([weights.get(name, unknown.get(name, 0.0)) for name in names], np.float32))
