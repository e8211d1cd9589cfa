"""Given lists put in order: whose they are, and the layers that rank them.

The layers are popularity, BM25 of the items' texts, a ranker that knows the items' texts, categories, brands and prices
and the shopper's own history alone, and one that knows everything.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from endcap.domain.arrays import Floats, Rows
from endcap.errors import GateRefused, InvalidFeed
from endcap.evaluation.contest import Report
from endcap.evaluation.datasets import Dataset
from endcap.evaluation.files import read_candidates, refuse
from endcap.features import Feature, FeatureSet
from endcap.features.affinity import Affinity
from endcap.features.items import ItemFacts
from endcap.features.okapi import Okapi, fit_okapi
from endcap.features.similarity import Similarity
from endcap.features.words import Words
from endcap.ranking import Ranker
from endcap.ranking.blend import Blend
from endcap.state import Memory
from endcap.training import HYBRID, Case, Layer, Layers, Learned, LeftOut, Shop
from endcap.training.fit import FEWEST_EXAMPLES
from endcap.training.folds import Fold
from endcap.training.history import History
from endcap.training.profile import Profile
from endcap.training.ranker import fit_trees
from endcap.training.sources import CONTENT

QUERY: Final = Memory(step_decay=0.8, half_life_days=10**6, most=20)
"""Whose texts make the query: the last 20 items, however long ago."""
POPULARITY, BM25 = "popularity", "bm25"


@dataclass(frozen=True, slots=True)
class Lists:
    """The rows int32 to be ranked for each shopper key, and how many there are in most lists."""

    rows: Mapping[bytes, Rows]
    length: int

    def given(self, cases: Iterable[Case]) -> Iterator[Case]:
        """`cases` with the lists as candidates."""
        for case in cases:
            yield replace(case, request=replace(case.request, candidates=self.rows[case.request.shopper]))


def read_lists(path: Path, dataset: Dataset, report: Report) -> Lists:
    """The lists of `path` for shoppers of `dataset`; how many of their items it does not hold is told.

    Raises: InvalidFeed where a shopper, or every item of a list, is not in the data set.
    """
    frame = read_candidates(path)
    if not len(frame):
        raise InvalidFeed(f"{path}: no row; expected a list for at least one shopper")
    keys = {name: number.to_bytes(16, "big") for number, name in reversed(list(enumerate(dataset.people, 1)))}
    case = pl.col("case_id")
    refuse(frame, ~case.is_in(list(keys)), path, "has a case_id that no event has as its shopper_id", case)
    items = frame.select("line", pl.col("item_ids").alias("item")).explode("item")
    known = pl.col("item").is_in(pl.Series([*dataset.rows, *dataset.asked]).implode())
    unknown = items.filter(~known)
    refuse(items.filter(~known.any().over("line")), pl.lit(value=True), path, "lists no item of events or catalog")
    if len(unknown):
        report(f"{len(unknown):,} listed items, such as {unknown['item'][0]}, are in neither events nor catalog")
    rows = {
        keys[name]: np.array([dataset.row(item) for item in listed], np.int32)
        for name, listed in frame.select("case_id", "item_ids").iter_rows()
    }
    return Lists(rows, int(np.median([len(each) for each in rows.values()])))


def listed_fold(outer: Fold, history: History, lists: Lists) -> Fold:
    """What `outer` asks of shoppers who have a list. Raises: GateRefused where that is nothing."""
    keys = np.array([key in lists.rows for key in history.keys], np.bool_)
    kept = keys[history.shopper[outer.asked.target]]
    if not kept.any():
        raise GateRefused("no shopper with a list has a line to ask for; expected some that have")
    return outer._replace(asked=outer.asked.where(kept), drawn=lists.length)


def fit_texts(shop: Shop) -> tuple[Feature, ...]:
    """What texts say beyond a shop's own content vectors."""
    return (fit_okapi(shop.described(), QUERY),)


def reranking_layers(learned: Learned, shop: Shop, profile: Profile) -> Layers:
    """Popularity, BM25, content and the hybrid, from one training; of too few examples, BM25 in `shop` alone."""
    families = learned.snapshot.features.families
    if learned.snapshot.ranker is learned.snapshot.blend:
        because = f"fewer than {FEWEST_EXAMPLES} examples of a choice to learn from"
        bm25 = _layer(learned, BM25, fit_texts(shop), _only("okapi", fit_texts(shop)))
        return Layers((bm25,), tuple(LeftOut(name, because) for name in (POPULARITY, CONTENT, HYBRID)))
    facts, texts = _of(families, ItemFacts), _of(families, Okapi)
    content = tuple(family for family in families if _tells_of_content(family))
    schema = FeatureSet(content).schema
    columns = [learned.snapshot.features.schema.index(name) for name in schema]
    examples = learned.examples._replace(features=learned.examples.features[:, columns])
    layers = (
        _layer(learned, POPULARITY, facts, _only("total", facts)),
        _layer(learned, BM25, texts, _only("okapi", texts)),
        _layer(learned, CONTENT, content, fit_trees(examples, schema, profile.ranker)),
        Layer(HYBRID, learned.snapshot),
    )
    return Layers(layers, ())


def _tells_of_content(family: Feature) -> bool:
    """Whether no line of another shopper enters `family`."""
    return isinstance(family, Okapi | Affinity | Words) or (isinstance(family, Similarity) and family.space == CONTENT)


def _of(families: Iterable[Feature], kind: type[Feature]) -> tuple[Feature, ...]:
    return tuple(family for family in families if isinstance(family, kind))


def _only(name: str, families: tuple[Feature, ...]) -> Blend:
    schema = FeatureSet(families).schema
    weights: Floats = np.array([each == name for each in schema], np.float32)
    return Blend(schema, weights)


def _layer(learned: Learned, name: str, families: tuple[Feature, ...], ranker: Ranker) -> Layer:
    """A layer without sources: lists are given, and votes are what others did."""
    return Layer(name, replace(learned.snapshot, sources=(), features=FeatureSet(families), ranker=ranker))
