"""How two decisions differ: what went in, what came of it, and what the ranker saw of the items that both show."""

from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from endcap.serving.answers import DecisionAnswer, ShownAnswer

_REQUEST: Final = (
    "placement", "at", "k", "seed", "anchors", "exclude", "consent", "known_shopper", "rung", "degraded",
    "short_because", "pool_size",
)  # fmt: skip
_STATE: Final = ("shopper", "shelf")
MOST_FEATURES: Final = 5


class Difference(NamedTuple):
    """What differs, and how it is on either side."""

    what: str
    left: str
    right: str


class Move(NamedTuple):
    """An item that one of two lists shows; its positions, 0 where a list does not show it."""

    id: str
    title: str
    left: int
    right: int


class FeatureDifference(NamedTuple):
    """A feature of an item that both show, and its value on either side (None: unknown)."""

    item: str
    feature: str
    left: float | None
    right: float | None


def differences(left: DecisionAnswer, right: DecisionAnswer) -> list[Difference]:
    """What differs of the requests, the versions, what was known, and the drops."""
    found = [Difference(name.replace("_", " "), _said(left, name), _said(right, name)) for name in _REQUEST]
    found += [
        Difference("snapshot", left.versions.snapshot, right.versions.snapshot),
        Difference("policy", left.versions.policy, right.versions.policy),
        *(
            Difference(f"log offset of the {name}", f"{left.offsets[name]:,}", f"{right.offsets[name]:,}")
            for name in _STATE
        ),
    ]
    drops = [Counter(drop.rule for drop in answer.dropped) for answer in (left, right)]
    for rule in sorted(drops[0] | drops[1]):
        found.append(Difference(f"dropped by {rule}", str(drops[0][rule]), str(drops[1][rule])))
    return [each for each in found if each.left != each.right]


def moves(left: DecisionAnswer, right: DecisionAnswer) -> list[Move]:
    """Every item that either shows, by its better position."""
    places = [{item.id: item.position for item in answer.items} for answer in (left, right)]
    titles = {item.id: item.title for answer in (left, right) for item in answer.items}
    found = [Move(item, title, places[0].get(item, 0), places[1].get(item, 0)) for item, title in titles.items()]
    return sorted(found, key=lambda move: (min(place for place in move[2:] if place), move.left == 0, move.id))


def features_that_differ(left: DecisionAnswer, right: DecisionAnswer) -> list[FeatureDifference]:
    """Of each item that both show, the features that differ, those first that weigh most on either side."""
    others = {item.id: item for item in right.items}
    return [each for item in left.items if item.id in others for each in _of_item(item, others[item.id])]


def _of_item(left: ShownAnswer, right: ShownAnswer) -> Iterator[FeatureDifference]:
    values = [{feature.name: feature.value for feature in item.features} for item in (left, right)]
    weights: dict[str, float] = {}
    for feature in (*left.features, *right.features):
        weights[feature.name] = max(weights.get(feature.name, 0.0), abs(feature.effect or 0.0))
    names = [name for name in weights if values[0].get(name) != values[1].get(name)]
    for name in sorted(names, key=lambda name: -weights[name])[:MOST_FEATURES]:
        yield FeatureDifference(left.id, name, values[0].get(name), values[1].get(name))


def _said(answer: DecisionAnswer, name: str) -> str:
    value = getattr(answer, name)
    return ", ".join(value) if isinstance(value, list) else str(value)
