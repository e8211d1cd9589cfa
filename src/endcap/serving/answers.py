"""Decisions as answers: rows become ids, titles, prices as they are now, and reasons in words.

Read by the HTTP routes and the command line alike. Knows what to show of a decision, not how it came about.
"""

from collections.abc import Iterable
from itertools import islice
from math import isnan
from typing import Annotated, Final

import numpy as np
from msgspec import Meta, Struct

from endcap.domain.arrays import Floats, Rows
from endcap.domain.decisions import Decision, Recovered
from endcap.domain.instants import iso
from endcap.domain.money import major_units
from endcap.domain.requests import Reason, Shown
from endcap.ingest.rows import RowBook
from endcap.ingest.texts import Texts
from endcap.ranking import Ranker
from endcap.ranking.calibration import UNCALIBRATED
from endcap.serving.calls import (
    FacetAnswer,
    FacetValueAnswer,
    FieldsAnswer,
    ItemAnswer,
    ReasonAnswer,
    RecommendationAnswer,
    SearchAnswer,
    VersionsAnswer,
)
from endcap.slate import Facet
from endcap.snapshot import Snapshot
from endcap.state import Shelf

_WITH_ANCHOR: Final = {
    "chosen_together": "Often chosen together with {anchor}",
    "chosen_next": "Often chosen after {anchor}",
    "goes_with": "Goes with {anchor}",
    "similar": "Similar to {anchor}",
}
_ALONE: Final = {
    "bought_before": "Bought before",
    "seen_before": "Looked at lately",
    "goes_with": "Goes with recent interests",
    "popular_in_category": "Popular in a category looked at lately",
    "popular_in_region": "Popular in the region",
    "in_season": "Popular at this time of year",
    "new": "New in the shop",
    "popular": "Popular in the shop",
    "matches": "Matches what was searched for",
    "picked": "Picked from what goes with recent interests",
}

MOST_DROPPED: Final = 500
"""How many dropped items an answer lists; the decision in the log keeps all."""


class FeatureAnswer(Struct, frozen=True, omit_defaults=True):
    """A vote or feature value by its name; `effect` is by how much the score would fall if it were unknown."""

    name: str
    value: float
    effect: float | None = None


class ShownAnswer(Struct, frozen=True):
    """One shown item with what spoke for it: votes of sources and feature values.

    `chances` says how likely it is what the shopper takes next, by action (view, cart, purchase), where that is known.
    """

    id: str
    title: str
    position: int
    score: float
    propensity: float
    reason: ReasonAnswer
    votes: list[FeatureAnswer]
    features: list[FeatureAnswer]
    chances: dict[str, float]


class DroppedAnswer(Struct, frozen=True):
    """An item that might have been shown, and the rule that forbade it."""

    id: str
    rule: str


class DecisionAnswer(Struct, frozen=True):
    """One decision as it is recorded, with ids instead of rows and without the shopper."""

    recommendation_id: str
    placement: str
    at: str
    k: int
    seed: int
    anchors: list[str]
    exclude: list[str]
    query: Annotated[str, Meta(description="what was searched for, in words of the catalog")]
    recovered: Recovered
    consent: bool
    known_shopper: bool
    versions: VersionsAnswer
    offsets: dict[str, int]
    rung: str
    degraded: list[str]
    short_because: str
    pool_size: int
    items: list[ShownAnswer]
    dropped: list[DroppedAnswer]


class Showcase:
    """The shop's items as a shopper may see them."""

    def __init__(self, shelf: Shelf, rows: RowBook, texts: Texts, currency: str) -> None:
        self.shelf = shelf
        self.rows = rows
        self.texts = texts
        self.currency = currency

    def id(self, row: int) -> str:
        """The merchant's id of the item that `row` is, of a group the first variant that may be sold."""
        return self.rows.key(self._item(row)).id

    def title(self, row: int) -> str:
        """The title, or the id where there is none."""
        return self.texts.get(self._item(row)).get("title") or self.id(row)

    def _item(self, row: int) -> int:
        variants = self.shelf.variants(row) or [row]
        return next((variant for variant in variants if self.shelf.available[variant]), variants[0])

    def fields(self, rows: Rows, at: int) -> list[FieldsAnswer]:
        """What is known of `rows` at `at`, in their order."""
        prices = self.shelf.prices(rows, at).tolist()
        brands, categories = self._names(rows)
        answers = []
        for row, price, brand, category in zip(rows.tolist(), prices, brands, categories, strict=True):
            text = self.texts.get(row)
            answers.append(
                FieldsAnswer(
                    title=text.get("title", ""),
                    price=major_units(price, self.currency) if price >= 0 else "",
                    currency=self.currency if price >= 0 else "",
                    brand=brand,
                    category=category,
                    link=text.get("link", ""),
                    image_link=text.get("image_link", ""),
                )
            )
        return answers

    def _names(self, rows: Rows) -> tuple[list[str], list[str]]:
        """Brand and category path of each row."""
        brands, categories = self.shelf.brand[rows].tolist(), self.shelf.category[rows].tolist()
        paths = self.shelf.categories.values
        return [self.shelf.brands.values[code] for code in brands], [" > ".join(paths[code]) for code in categories]

    def reason(self, reason: Reason) -> ReasonAnswer:
        """`reason` in words."""
        if reason.anchor < 0:
            return ReasonAnswer(reason.code, sentence(reason.code, ""))
        return ReasonAnswer(reason.code, sentence(reason.code, self.title(reason.anchor)), self.id(reason.anchor))


def recommendation(recommendation_id: str, decision: Decision, showcase: Showcase) -> RecommendationAnswer:
    """The answer to a call for a list."""
    rows = np.array([shown.row for shown in decision.slate], np.int32)
    fields = showcase.fields(rows, decision.request.at)
    return RecommendationAnswer(
        recommendation_id=recommendation_id,
        items=[_item(shown, field, showcase) for shown, field in zip(decision.slate, fields, strict=True)],
        versions=VersionsAnswer(decision.snapshot, decision.policy),
        as_of=iso(decision.request.at),
        rung=decision.rung,
        degraded=list(decision.degraded),
        short_because=decision.short_because,
        recovered=decision.recovered,
        corrected=decision.request.query.said() if decision.request.query.corrected else "",
    )


def searched(answer: RecommendationAnswer, found: int, facets: Iterable[Facet]) -> SearchAnswer:
    """The answer to a search that found so many items, of which `answer` lists the best."""
    counted = [FacetAnswer(facet.name, [FacetValueAnswer(*value) for value in facet.values]) for facet in facets]
    return SearchAnswer(
        **{name: getattr(answer, name) for name in answer.__struct_fields__}, found=found, facets=counted
    )


def _item(shown: Shown, fields: FieldsAnswer, showcase: Showcase) -> ItemAnswer:
    return ItemAnswer(showcase.id(shown.row), shown.score, shown.position, showcase.reason(shown.reason), fields)


def explanation(
    recommendation_id: str, decision: Decision, showcase: Showcase, snapshot: Snapshot | None
) -> DecisionAnswer:
    """All that a decision says, without its shopper.

    Given the snapshot whose ranker scored it, an item has its chances and each feature its effect, the strongest first.
    """
    request = decision.request
    scored = snapshot and (snapshot.version, snapshot.ranker.schema) == (decision.snapshot, decision.evidence.names)
    effects = _effects(decision, snapshot.ranker) if snapshot and scored else None
    calibration = snapshot.ranker.calibration if snapshot and scored else UNCALIBRATED
    chances = calibration.of(np.array([shown.score for shown in decision.slate], np.float32))
    dropped = ((showcase.id(row), each.rule) for each in decision.dropped for row in each.rows.tolist())
    return DecisionAnswer(
        recommendation_id=recommendation_id,
        placement=request.placement,
        at=iso(request.at),
        k=request.k,
        seed=request.seed,
        anchors=[showcase.id(row) for row in request.anchors.tolist()],
        exclude=[showcase.id(row) for row in request.exclude.tolist()],
        query=request.query.said(),
        recovered=decision.recovered,
        consent=request.consent,
        known_shopper=bool(request.shopper) and decision.offsets.shopper > 0,
        versions=VersionsAnswer(decision.snapshot, decision.policy),
        offsets={"shopper": decision.offsets.shopper, "shelf": decision.offsets.shelf},
        rung=decision.rung,
        degraded=list(decision.degraded),
        short_because=decision.short_because,
        pool_size=decision.pool_size,
        items=[
            _shown(index, decision, showcase, effects, dict(zip(calibration.actions, each, strict=True)))
            for index, each in enumerate(chances.T.tolist())
        ],
        dropped=[DroppedAnswer(item, rule) for item, rule in islice(dropped, MOST_DROPPED)],
    )


def _shown(
    index: int, decision: Decision, showcase: Showcase, effects: Floats | None, chances: dict[str, float]
) -> ShownAnswer:
    shown, evidence = decision.slate[index], decision.evidence
    features = _known(evidence.names, evidence.features[:, index])
    if effects is not None:
        effect = dict(zip(evidence.names, effects[:, index].tolist(), strict=True))
        features = [FeatureAnswer(each.name, each.value, effect[each.name]) for each in features]
        features.sort(key=lambda each: -abs(each.effect or 0.0))
    return ShownAnswer(
        id=showcase.id(shown.row),
        title=showcase.title(shown.row),
        position=shown.position,
        score=shown.score,
        propensity=shown.propensity,
        reason=showcase.reason(shown.reason),
        votes=_known(evidence.sources, evidence.votes[:, index]),
        features=features,
        chances=chances,
    )


def _effects(decision: Decision, ranker: Ranker) -> Floats:
    """float32 [width, n]: by how much the score would fall if one feature alone were unknown."""
    features = decision.evidence.features
    scores = ranker.score(features)
    effects = np.zeros_like(features)
    for index in range(len(features)):
        without = features.copy()
        without[index] = np.nan
        effects[index] = scores - ranker.score(without)
    return effects


def _known(names: Iterable[str], values: Floats) -> list[FeatureAnswer]:
    return [FeatureAnswer(name, value) for name, value in zip(names, values.tolist(), strict=True) if not isnan(value)]


def sentence(code: str, anchor: str) -> str:
    """The words of reason `code`; `anchor` is the title of the item it relates to, or empty.

    >>> sentence("chosen_together", "WHITE MUG"), sentence("new", "")
    ('Often chosen together with WHITE MUG', 'New in the shop')
    """
    if anchor and code in _WITH_ANCHOR:
        return _WITH_ANCHOR[code].format(anchor=anchor)
    return _ALONE.get(code, _ALONE["picked"])
