"""The layer ladder of one shop: layers fitted on what lies before the split, cases cut from what lies after it."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import pyarrow.compute as pc

from endcap import pipeline
from endcap.domain.arrays import Rows
from endcap.domain.events import Kind
from endcap.domain.requests import Request
from endcap.evaluation.contest import Contender, Contest, Report, measure
from endcap.evaluation.results import Evaluation, Split
from endcap.evaluation.tally import Listing
from endcap.policy import Policy
from endcap.snapshot import Snapshot
from endcap.state import State, observe
from endcap.training import Corpus, Layer, Protocol, cases, train_layers

REACH: Final = 100
"""How many proposals of a source count for its candidate recall."""


def evaluate(corpus: Corpus, protocol: Protocol, split: Split, policy: Policy, report: Report) -> Evaluation:
    """Fit the layers on what lies before `split`, then rank every case after it with each of them.

    `report` is told in words how far the work has come. The result depends on nothing else, no shopper key either.

    Raises: GateRefused where nothing lies before the split to learn from, or no case after it.
    """
    trained = train_layers(corpus, split.at, protocol, report)
    contest = Contest(
        protocol,
        split,
        tuple(_contender(layer, policy) for layer in trained.layers),
        trained.left_out,
        _proposer(trained.layers[-1].snapshot),
        _seen(corpus, split.at),
        len(corpus.keys),
    )
    return measure(contest, cases(corpus, split.at, protocol), report)


def _contender(layer: Layer, policy: Policy) -> Contender:
    def ranked(request: Request, state: State) -> Listing:
        return pipeline.rank(request, state, layer.snapshot, policy)

    return Contender(layer.name, ranked)


def _proposer(snapshot: Snapshot) -> Callable[[Request, State], Mapping[str, Rows]]:
    def proposed(request: Request, state: State) -> Mapping[str, Rows]:
        moment = observe(request, state.shopper, state.shelf)
        return {source.name: source.propose(request, moment, REACH).rows for source in snapshot.sources}

    return proposed


def _seen(corpus: Corpus, split: int) -> Rows:
    lines = corpus.interactions
    before = pc.and_(pc.less(lines["time"], split), pc.not_equal(lines["kind"], int(Kind.IMPRESSION)))
    return np.unique(lines.filter(before)["row"].to_numpy()).astype(np.int32)
