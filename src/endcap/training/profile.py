"""Training profiles: the fitted parts' settings by the shape of the data, recognised from the data."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

import numpy as np

from endcap.domain.events import Kind
from endcap.domain.instants import DAY
from endcap.retrieval.sessions import SessionConfig
from endcap.state import Memory
from endcap.training.attention import AttentionConfig
from endcap.training.history import History
from endcap.training.pairs import PairConfig
from endcap.training.ranker import RankerConfig
from endcap.training.sequence import SequelConfig
from endcap.training.vectors import FactorConfig

Shape: TypeAlias = Literal["baskets", "sessions", "reviews"]
_MOSTLY: Final = 0.9


@dataclass(frozen=True, slots=True)
class Profile:
    """What every fit and look-up is told; half-lives in days."""

    shape: Shape
    timed: bool
    """Whether times are known: without them hour and weekday are no features."""
    left_out: frozenset[str]
    """Sources, models and spaces of vectors that are not fitted."""
    cooccurrence: PairConfig
    transitions: PairConfig
    near: Memory
    wide: Memory
    popularity_half_life: float
    factors: FactorConfig
    sequel: SequelConfig
    sequel_most: int
    attention: AttentionConfig
    personal_basket_decay: float
    personal_half_life: float
    session_memory: Memory
    sessions: SessionConfig
    longest_session: int
    windows: tuple[int, ...]
    """Days before the end at which replayed windows begin, all as long as the shortest; for baskets, each asks for the
    next basket."""
    held_back: int
    """How many of a shopper's last lines the ranker learns from, where no clock is common to all."""
    parts: int
    """Of how many parts of the shoppers one at a time holds them back: with more, sources lack fewer lines."""
    most_cases: int
    negatives: int
    ranker: RankerConfig
    quota: int
    quotas: Mapping[str, int]


_ATTENTION: Final = AttentionConfig(dimension=64, reach=16, epochs=16, negatives=512, rate=0.003, kept=0.6)

BASKETS: Final = Profile(
    shape="baskets",
    timed=True,
    left_out=frozenset({"recent", "sequel", "attention", "words", "journeys"}),
    cooccurrence=PairConfig(
        window=0, reach=100, decay=1.0, backward=1.0, half_life_days=30, size_power=1.3,
        popularity_power=0.3, shrinkage=10, most=100, own_power=0.3,
    ),
    transitions=PairConfig(
        window=3, reach=120, decay=0.6, backward=0.0, half_life_days=240, size_power=0.0,
        popularity_power=0.2, shrinkage=10, most=60, least_steps=1,
    ),
    near=Memory(step_decay=0.75, half_life_days=90, most=40),
    wide=Memory(step_decay=0.9, half_life_days=180, most=64),
    popularity_half_life=20,
    factors=FactorConfig(alpha=10, regularization=10, half_life_days=240),
    sequel=SequelConfig(dimension=64, epochs=5, reach=10, negatives=256, rate=0.08),
    sequel_most=60,
    attention=_ATTENTION,
    personal_basket_decay=0.9,
    personal_half_life=160,
    session_memory=Memory(step_decay=0.9, half_life_days=90, most=40),
    sessions=SessionConfig(200, size_power=0.5, idf_power=1.0, half_life=0.1, decay=1.0, backward=1.0, again=1.0),
    longest_session=120,
    windows=(60, 90, 120, 150, 180, 210, 365),
    held_back=1,
    parts=1,
    most_cases=30_000,
    negatives=40,
    ranker=RankerConfig(models=2, trees=300, learning_rate=0.05),
    quota=80,
    quotas={"personal": 200},
)  # fmt: skip

SESSIONS: Final = Profile(
    shape="sessions",
    timed=True,
    left_out=frozenset({"factors", "near_vectors", "attention", "words"}),
    cooccurrence=PairConfig(
        window=8, reach=20, decay=0.8, backward=0.7, half_life_days=200, size_power=0.15,
        popularity_power=0.25, shrinkage=30, most=200,
    ),
    transitions=PairConfig(
        window=3, reach=10, decay=0.5, backward=0.0, half_life_days=30, size_power=0.0,
        popularity_power=0.1, shrinkage=5, most=60, least_steps=1,
    ),
    near=Memory(step_decay=0.5, half_life_days=3, most=8),
    wide=Memory(step_decay=0.9, half_life_days=14, most=30),
    popularity_half_life=7,
    factors=FactorConfig(alpha=10, regularization=10, half_life_days=30),
    sequel=SequelConfig(dimension=64, epochs=2, reach=10, negatives=512, rate=0.08),
    sequel_most=60,
    attention=_ATTENTION,
    personal_basket_decay=0.85,
    personal_half_life=60,
    session_memory=Memory(step_decay=0.45, half_life_days=3, most=5),
    sessions=SessionConfig(700, size_power=0.0, idf_power=0.6, half_life=0.6, decay=0.7, backward=0.7, again=1.5),
    longest_session=60,
    windows=(10,),
    held_back=1,
    parts=1,
    most_cases=25_000,
    negatives=40,
    ranker=RankerConfig(models=1, trees=150, learning_rate=0.12),
    quota=30,
    quotas={},
)  # fmt: skip

REVIEWS: Final = replace(
    SESSIONS,
    shape="reviews",
    left_out=frozenset({"recent"}),
    cooccurrence=PairConfig(
        window=8, reach=16, decay=0.8, backward=0.2, half_life_days=1000, size_power=0.15,
        popularity_power=0.0, shrinkage=1, most=200,
    ),
    near=Memory(step_decay=0.5, half_life_days=1000, most=10),
    session_memory=Memory(step_decay=0.7, half_life_days=1000, most=8),
    sequel=SequelConfig(dimension=128, epochs=2, reach=10, negatives=512, rate=0.08),
    parts=3,
    quota=80,
    ranker=RankerConfig(models=4, trees=200, learning_rate=0.05),
)  # fmt: skip


def windows(start: int, end: int, profile: Profile) -> list[int]:
    """Where the windows of `profile` begin, oldest first; one over the last fifth where history is too short."""
    found = sorted(end - days * DAY for days in profile.windows if end - days * DAY > start + (end - start) // 5)
    return found or [end - (end - start) // 5]


def profile_of(history: History, end: int) -> Profile:
    """Baskets where at least nine lines in ten are purchases or refunds, sessions otherwise.

    Told from what lies before the first window of baskets, so that nothing within a window decides.
    """
    before = history.time < windows(int(history.time.min()), end, BASKETS)[0]
    settled = np.isin(history.kind[before], (Kind.PURCHASE, Kind.REFUND))
    return BASKETS if settled.size and settled.mean() >= _MOSTLY else SESSIONS


def shape_of(learned: History, *, timed: bool) -> Profile:
    """The profile of a data set by what is learned from it.

    Baskets as for a shop; reviews where no event has a session and either time is unknown or nine sessions in ten, by
    idle time, have one line; sessions otherwise.
    """
    if timed and profile_of(learned, int(learned.time.max()) + 1).shape == "baskets":
        return BASKETS
    single = (np.bincount(np.unique(learned.session, return_inverse=True)[1]) == 1).mean() >= _MOSTLY
    found = REVIEWS if not learned.given_session.any() and (single or not timed) else SESSIONS
    return replace(found, timed=timed)
