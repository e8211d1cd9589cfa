"""The layer ladder of one shop: layers fitted on what lies before the split, cases cut from what lies after it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow.compute as pc

from endcap import pipeline
from endcap.domain.arrays import Rows
from endcap.domain.events import Kind
from endcap.domain.requests import Request
from endcap.evaluation.contest import Contender, Contest, Report, measure
from endcap.evaluation.datasets import Dataset
from endcap.evaluation.results import Evaluation, Split
from endcap.evaluation.stages import Terms, inner_fold, outer_fold
from endcap.evaluation.tally import Listing
from endcap.policy import DEFAULT_POLICY, Policy, parse_policy
from endcap.snapshot import Snapshot
from endcap.state import State, observe
from endcap.training import Corpus, Layer, Protocol, cases, train_layers
from endcap.training.fit import layers_of, learn_fold, quota_policy
from endcap.training.folds import asked_cases, standing
from endcap.training.history import History
from endcap.training.profile import Profile, shape_of

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


def open_policy() -> Policy:
    """The policy of a data set that is cut by time: that of a new shop."""
    return parse_policy(DEFAULT_POLICY)


def evaluate_dataset(dataset: Dataset, terms: Terms, chosen: Profile | None, report: Report) -> Evaluation:
    """The ladder on a data set of a protocol that cuts by sequence; see `evaluate`. `chosen` None: by its shape."""
    history = dataset.corpus.history()
    outer = outer_fold(dataset, history, terms)
    profile = chosen or shape_of(history.where(outer.learned), timed=dataset.timed)
    report(f"data has the shape of {profile.shape}: {len(history):,} lines of {len(history.keys):,} people")
    inner = inner_fold(dataset, history, outer, profile)
    learned = learn_fold(dataset.corpus, history, outer.learned, inner, profile, report)
    trained, policy = layers_of(learned), quota_policy(profile)
    contest = Contest(
        dataset.protocol,
        Split("", 0),
        tuple(_contender(layer, policy) for layer in trained.layers),
        trained.left_out,
        _proposer(trained.layers[-1].snapshot),
        np.unique(history.row[outer.learned]).astype(np.int32),
        len(dataset.corpus.keys),
    )
    shop = standing(dataset.corpus, history.where(outer.learned))
    found = (replace(case, id=_named(dataset, history, int(case.id))) for case in asked_cases(history, outer, shop))
    return measure(contest, found, report)


def _named(dataset: Dataset, history: History, target: int) -> str:
    """The file's name of the question that line `target` answers."""
    if dataset.protocol != "next-item":
        return dataset.person(history.keys[history.shopper[target]])
    line = history.offset[target]
    return f"{dataset.units[dataset.unit[line]]}:{dataset.place[line]}"


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
