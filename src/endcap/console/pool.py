"""A pool as an operator reads it: who proposed each item, where the ranker put it, and what became of it."""

from collections.abc import Iterator
from math import isnan
from typing import NamedTuple

import numpy as np

from endcap.domain.decisions import Decision
from endcap.pipeline import Ranking
from endcap.serving.answers import FeatureAnswer, Showcase
from endcap.serving.lists import Explored


class Share(NamedTuple):
    """A source: how many items of the pool it votes for, alone or with others, and of the slate; its best item."""

    source: str
    votes: int
    alone: int
    shown: int
    best: str


class Member(NamedTuple):
    """An item of the pool, by its place in the ranker's order from 1; `outcome` says what became of it.

    `votes` are of the sources that propose it, with its rank there from 1.
    """

    place: int
    id: str
    title: str
    score: float
    outcome: str
    votes: tuple[tuple[str, int, float], ...]


class Seen(NamedTuple):
    """One item that was asked for: its member of the pool (None: it is none) and why, with all its features."""

    id: str
    because: str
    member: Member | None
    features: list[FeatureAnswer]


def shares(explored: Explored, showcase: Showcase) -> list[Share]:
    """The sources that propose anything, in the order in which they were asked."""
    pool = explored.ranking.candidates.pool
    heard = ~np.isnan(pool.votes)
    shown = np.isin(pool.rows, _groups(explored))
    found = []
    for index, source in enumerate(pool.sources):
        mine = heard[index]
        if mine.any():
            best = pool.rows[np.nanargmin(np.where(mine, pool.ranks[index], np.nan))]
            alone = mine & (heard.sum(axis=0) == 1)
            found.append(
                Share(source, int(mine.sum()), int(alone.sum()), int((mine & shown).sum()), showcase.title(int(best)))
            )
    return found


def members(explored: Explored, showcase: Showcase, most: int) -> Iterator[Member]:
    """The best `most` of the pool, in the ranker's order."""
    for place in range(min(most, len(explored.ranking.rows))):
        yield _member(place, explored, showcase)


def seen(item_row: int, explored: Explored, showcase: Showcase) -> Seen:
    """What became of the group of `item_row`."""
    ranking, decision = explored.ranking, explored.decision
    group = int(ranking.candidates.moment.shelf.group[item_row])
    name = showcase.id(item_row)
    places = np.flatnonzero(ranking.rows == group)
    if len(places):
        place = int(places[0])
        features = ranking.candidates.features[:, ranking.order[place]].tolist()
        known = [
            FeatureAnswer(feature, value)
            for feature, value in zip(decision.evidence.names, features, strict=True)
            if not isnan(value)
        ]
        member = _member(place, explored, showcase)
        return Seen(name, member.outcome, member, known)
    rule = next((drop.rule for drop in decision.dropped if group in drop.rows or item_row in drop.rows), "")
    return Seen(name, f"dropped by {rule}" if rule else "no source proposes it", None, [])


def _member(place: int, explored: Explored, showcase: Showcase) -> Member:
    ranking = explored.ranking
    row, pool, index = int(ranking.rows[place]), ranking.candidates.pool, ranking.order[place]
    votes = [
        (source, int(rank) + 1, vote)
        for source, rank, vote in zip(
            pool.sources, pool.ranks[:, index].tolist(), pool.votes[:, index].tolist(), strict=True
        )
        if not isnan(vote)
    ]
    return Member(
        place=place + 1,
        id=showcase.id(row),
        title=showcase.title(row),
        score=float(ranking.scores[place]),
        outcome=_outcome(row, explored.decision, ranking),
        votes=tuple(sorted(votes, key=lambda vote: vote[1])),
    )


def _outcome(group: int, decision: Decision, ranking: Ranking) -> str:
    shelf = ranking.candidates.moment.shelf
    for shown in decision.slate:
        if shelf.group[shown.row] == group:
            return f"shown at {shown.position}"
    rule = next((drop.rule for drop in decision.dropped if group in drop.rows), "")
    return f"dropped by {rule}" if rule else "beyond the last place"


def _groups(explored: Explored) -> list[int]:
    shelf = explored.ranking.candidates.moment.shelf
    return [int(shelf.group[shown.row]) for shown in explored.decision.slate]
