"""The story of the session: a history of outdoor gear for an adult, then a visit among things for kids."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from endcap import app, pipeline
from endcap.domain.events import Events, Kind
from endcap.domain.instants import DAY, MINUTE
from endcap.domain.requests import Request
from endcap.policy import Policy
from endcap.snapshot import Snapshot
from endcap.state import NEWCOMER, Shelf, Shopper, State, fold
from endcap.training import Corpus, train_layers
from endcap.training import Shop as Standing
from endcap.training.profile import SESSIONS
from endcap.training.sources import LAYERS

OUTDOOR: Final = ("Outdoor > Camping", "Outdoor > Hiking")
KIDS: Final = "Kids"
KIDS_OUTDOOR: Final = "Kids > Outdoor"
LOOKED_AT: Final = 10
"""So many things of OUTDOOR three weeks ago, and so many of the first ten places are looked at."""
VISITED: Final = 4
"""So many things for kids, none of them for outdoors, within the last ten minutes."""
AGO: Final = 20 * DAY


@dataclass(frozen=True, slots=True)
class Stage:
    """A shop as it stands at `at` (ms UTC), and the categories of its groups by row."""

    shelf: Shelf
    at: int
    categories: dict[int, str]

    def rows(self, *paths: str, but: str = "-") -> NDArray[np.int32]:
        """Groups for sale in categories below `paths`, but not below `but`."""
        chosen = [
            row
            for row, path in self.categories.items()
            if path.startswith(paths) and not path.startswith(but) and self.shelf.available[self._offered(row)]
        ]
        return np.array(chosen, np.int32)

    def _offered(self, row: int) -> int:
        first = int(self.shelf.first[row])
        return first if first >= 0 else row


def told(shop: app.Shop, seeds: Iterable[int]) -> dict[str, list[bool]]:
    """By whether the visit counts: of each story, whether kids' outdoor items are in the first ten places.

    Without, the session layer's sources and what is derived from them are left out of the training, and nothing of the
    visit is known.
    """
    corpus = app.corpus(shop)
    history = corpus.history()
    at = int(history.time.max()) + 1
    standing = Standing(corpus, history)
    standing.advance(at)
    groups, said = corpus.groups(), {}
    for recorded in corpus.changes:
        if recorded.change.category is not None:
            said[int(groups[recorded.change.row])] = " > ".join(recorded.change.category)
    stage, policy = Stage(standing.shelf, at, said), shop.policy()
    whole, bare = _trained(corpus, at, whole=True), _trained(corpus, at, whole=False)
    found: dict[str, list[bool]] = {"session": [], "no session": []}
    for seed in seeds:
        before, visit = _story(stage, seed)
        past = fold(NEWCOMER, before)
        found["session"].append(_shown(stage, fold(past, visit), whole, policy, seed))
        found["no session"].append(_shown(stage, past, bare, policy, seed))
    return found


def _trained(corpus: Corpus, at: int, *, whole: bool) -> Snapshot:
    left_out = SESSIONS.left_out | (frozenset() if whole else frozenset(LAYERS["session"]))
    profile = replace(SESSIONS, left_out=left_out)
    return train_layers(corpus, at, "time-split", lambda _: None, given=profile).layers[-1].snapshot


def _story(stage: Stage, seed: int) -> tuple[Events, Events]:
    draw = np.random.Generator(np.random.Philox(seed))
    gear = np.concatenate([draw.choice(stage.rows(path), LOOKED_AT // 2, replace=False) for path in OUTDOOR])
    things = draw.choice(stage.rows(KIDS, but=KIDS_OUTDOOR), VISITED, replace=False)
    return _views(gear, stage.at - AGO, 1), _views(things, stage.at - 10 * MINUTE, 2)


def _views(rows: NDArray[np.int32], begin: int, session: int) -> Events:
    times = begin + np.arange(len(rows)) * 2 * MINUTE
    return Events(times, rows, np.full(len(rows), Kind.VIEW, np.uint8), np.full(len(rows), session))


def _shown(stage: Stage, shopper: Shopper, snapshot: Snapshot, policy: Policy, seed: int) -> bool:
    request = Request("home", stage.at, seed, LOOKED_AT, shopper=b"whoever")
    decision = pipeline.recommend(request, State(shopper, stage.shelf), snapshot, policy)
    groups = stage.shelf.group[[shown.row for shown in decision.slate]]
    return any(stage.categories.get(int(group), "").startswith(KIDS_OUTDOOR) for group in groups)
