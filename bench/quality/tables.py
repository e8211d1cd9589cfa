"""The tables: which cases, which options of `endcap evaluate`, which floors and peers with which settings.

Settings were chosen on validation by `tune_peers.py`; none was on a test set.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, Protocol, TypeAlias

from cases import Stage, Task, discovery, leave_one_out, next_basket, next_item, rerank
from floors import Bm25, InSession, Personal, Popularity
from knn import Knn, Memory
from measure import Scorer
from peers import Als, Bpr, Ease

SPLITS: Final = {
    "validation": (datetime(2011, 8, 1), datetime(2011, 10, 1)),  # noqa: DTZ001 - the file's times have no zone
    "test": (datetime(2011, 10, 1), None),  # noqa: DTZ001
}


class Method(Protocol):
    """A floor or a peer."""

    def fit(self, task: Task) -> Scorer:
        """Learn from what may be learned from."""


Methods: TypeAlias = Mapping[str, Method]


@dataclass(frozen=True, slots=True)
class Run:
    """One list of a table: `cut` gives its cases, `options` are those of `endcap evaluate`.

    `source` names the data set. The hybrid's lists are those of the predictions (`mixed`), or told by the JSON alone.
    """

    source: str
    cut: Callable[[Path, Stage], Task]
    options: tuple[str, ...]
    floors: Methods
    peers: Methods
    lists: Literal["mixed", "discovery"] = "mixed"


def _baskets(directory: Path, stage: Stage) -> Task:
    return next_basket(directory, *SPLITS[stage])


def _new_in_baskets(directory: Path, stage: Stage) -> Task:
    return discovery(_baskets(directory, stage))


def harmonic(steps: int) -> tuple[float, ...]:
    """1 for the next item, 1/2 for the one after, up to `steps`."""
    return (0.0, *(1 / apart for apart in range(1, steps + 1)))


def decaying(decay: float, steps: int) -> tuple[float, ...]:
    """1 for the next item, `decay` of it for the one after, up to `steps`."""
    return (0.0, *(decay**apart for apart in range(steps)))


def _rules(steps: int) -> Knn:
    """Sequential rules of the last item: Kamehkhosh, Jannach & Ludewig (RecTemp 2017, §2.2)."""
    return Knn(harmonic(steps), backward=0, to_power=0, memory=Memory(last=1))


_LAST_ITEMS: Final = Memory(last=10, fade=0.8)
_LAST_BASKETS: Final = Memory(last=100, fade=0.9, half_life=180)
_OF_SESSIONS: Final[Methods] = {
    "popularity": Popularity(),
    "the session's own items": InSession(),
    "last-item sequential rules": _rules(10),
}
_SESSION_FACTORS: Final[Methods] = {
    "ALS": Als(64, alpha=50, iterations=10, memory=Memory(5, 0.5)),
    "BPR": Bpr(64, regularization=0.001, iterations=50, memory=Memory(10, 0.5)),
}
_NEAR_IN_SESSIONS: Final = Knn(
    decaying(0.7, 10), half_life=100_000, from_power=0.5, to_power=0.2, memory=Memory(20, 0.6), own=1.5, own_fade=0.8
)
_NEXT_IN_SESSIONS: Final = Knn(
    decaying(0.7, 10), backward=0.6, half_life=60_000, from_power=0.5, memory=Memory(5, 0.5), own=1.5, own_fade=0.7
)
_REVIEW_PEERS: Final[Methods] = {
    "ALS": Als(128, alpha=30, regularization=3, memory=Memory(3, 0.5)),
    "BPR": Bpr(128, learning_rate=0.1, iterations=200, memory=Memory(10, 0.6)),
    "EASE": Ease(100, _LAST_ITEMS),
    "tuned kNN": Knn(harmonic(10), backward=0.3, from_power=0.5, to_power=0.05, shrinkage=10, memory=Memory(5, 0.5)),
}
_BASKET_FACTORS: Final[Methods] = {
    "ALS": Als(128, alpha=3, regularization=30, memory=Memory(100, 0.75, 180)),
    "BPR": Bpr(64, learning_rate=0.02, regularization=0.001, iterations=50, memory=_LAST_BASKETS),
    "EASE": Ease(200, Memory(100, 0.95, 180)),
}

_CO_BOUGHT: Final = Knn(
    (1,), half_life=30, size_power=1, from_power=0.5, to_power=0.2, shrinkage=10, memory=Memory(100, 0.95, 180),
    own=0.7, own_fade=0.9,
)  # fmt: skip
_NEW_CO_BOUGHT: Final = Knn(
    (1,), half_life=20, size_power=1, from_power=0.5, to_power=0.3, shrinkage=10, memory=Memory(5, 0.5, 1_000)
)

RUNS: Final[Mapping[str, Run]] = {
    "diginetica": Run(
        "diginetica",
        next_item,
        ("--protocol", "next-item"),
        _OF_SESSIONS,
        {**_SESSION_FACTORS, "tuned kNN": _NEAR_IN_SESSIONS},
    ),
    "diginetica-exclude-current": Run(
        "diginetica",
        lambda directory, stage: next_item(directory, stage, exclude_current=True),
        ("--protocol", "next-item", "--exclude-current"),
        _OF_SESSIONS,
        {**_SESSION_FACTORS, "tuned kNN": _NEXT_IN_SESSIONS},
    ),
    "amazon-beauty": Run(
        "amazon-beauty", leave_one_out, ("--protocol", "leave-one-out"), {"popularity": Popularity()}, _REVIEW_PEERS
    ),
    "amazon-beauty-fold-validation": Run(
        "amazon-beauty",
        lambda directory, stage: leave_one_out(directory, stage, fold_validation=True),
        ("--protocol", "leave-one-out", "--fold-validation"),
        {"popularity": Popularity()},
        _REVIEW_PEERS,
    ),
    "online-retail": Run(
        "online-retail",
        _baskets,
        ("--protocol", "next-basket", "--split", "2011-10-01"),
        {
            "popularity of 90 days": Popularity(90),
            "personal top-frequency": Personal(),
            "personal then popular": Personal(fill_up=True),
            "personal, tuned": Personal(0.97, 240, 30),
        },
        {**_BASKET_FACTORS, "tuned kNN": _CO_BOUGHT},
    ),
    "online-retail-discovery": Run(
        "online-retail",
        _new_in_baskets,
        ("--protocol", "next-basket", "--split", "2011-10-01"),
        {"popularity of 90 days": Popularity(90)},
        {**_BASKET_FACTORS, "tuned kNN": _NEW_CO_BOUGHT},
        "discovery",
    ),
    "amazon-games-rerank": Run(
        "amazon-games",
        lambda directory, _: rerank(directory, directory / "candidates.parquet"),
        ("--protocol", "rerank"),
        {"popularity": Popularity(), "BM25 of titles": Bm25()},
        {"kNN": Knn(decaying(0.8, 10))},
    ),
}
"""Every list that is measured, by the name of its figures in `published.toml`."""

TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "diginetica": ("diginetica", "diginetica-exclude-current"),
    "amazon-beauty": ("amazon-beauty", "amazon-beauty-fold-validation"),
    "online-retail": ("online-retail", "online-retail-discovery"),
    "amazon-games-rerank": ("amazon-games-rerank",),
}
