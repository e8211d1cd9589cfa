"""The layer ladder of one shop: layers fitted on what lies before the split, cases cut from what lies after it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from time import perf_counter
from typing import Final, NamedTuple

import numpy as np
import pyarrow.compute as pc

from endcap import pipeline
from endcap.domain.arrays import Ints, Rows
from endcap.domain.events import Kind
from endcap.domain.requests import Request
from endcap.evaluation.contest import Contender, Contest, Report, Truth, measure
from endcap.evaluation.datasets import Dataset
from endcap.evaluation.reranking import Lists, fit_texts, listed_fold, reranking_layers
from endcap.evaluation.results import Evaluation, Split, Terms
from endcap.evaluation.stages import inner_folds, outer_fold
from endcap.evaluation.tally import Listing
from endcap.policy import DEFAULT_POLICY, Policy, parse_policy
from endcap.retrieval.pool import HEARD, proposed
from endcap.snapshot import Snapshot
from endcap.state import State
from endcap.training import Corpus, Layer, Layers, Protocol, cases, train_layers
from endcap.training.fit import layers_of, learn_fold, quota_policy
from endcap.training.folds import Folds, asked_cases, standing
from endcap.training.history import History
from endcap.training.profile import Profile, profile_of, shape_of

REACH: Final = 100
"""How many proposals of a source count for its candidate recall."""


class Given(NamedTuple):
    """What may be given beside the data: a training profile, else that of the data's shape, and what is true of it."""

    profile: Profile | None = None
    truth: Truth | None = None


NOTHING: Final = Given()


def evaluate(  # noqa: PLR0913 - what is known, how it is cut, what people decided, and what else is given
    corpus: Corpus, protocol: Protocol, split: Split, policy: Policy, report: Report, given: Given = NOTHING
) -> Evaluation:
    """Fit the layers on what lies before `split`, then rank every case after it with each of them.

    `report` is told in words how far the work has come. The result depends on nothing else, no shopper key either.

    Raises: GateRefused where nothing lies before the split to learn from, or no case after it.
    """
    began = perf_counter()
    trained = train_layers(corpus, split.at, protocol, report, given=given.profile)
    fitted = perf_counter() - began
    contest = _contest(protocol, split, trained, policy, _interactions(corpus, split.at))
    found = measure(replace(contest, truth=given.truth), cases(corpus, split.at, protocol), report)
    shape = (given.profile or profile_of(corpus.history(split.at), split.at)).shape
    return replace(found, shape=shape, seconds={"fit": fitted, **found.seconds})


def open_policy() -> Policy:
    """The policy of a data set that is cut by time: that of a new shop."""
    return parse_policy(DEFAULT_POLICY)


def evaluate_dataset(
    dataset: Dataset, terms: Terms, chosen: Profile | None, report: Report, lists: Lists | None = None
) -> Evaluation:
    """The ladder on a data set of a protocol that cuts by sequence; see `evaluate`. `chosen` None: by its shape.

    With `lists` they are reranked, by layers of their own.
    """
    began, history = perf_counter(), dataset.corpus.history()
    outer = outer_fold(dataset, history, terms)
    if lists is not None:
        outer = listed_fold(outer, history, lists)
    profile = chosen or shape_of(history.where(outer.learned), timed=dataset.timed)
    profile = replace(profile, timed=profile.timed and dataset.timed)
    told = "the profile has" if chosen else "data has"
    report(f"{told} the shape of {profile.shape}: {len(history):,} lines of {len(history.keys):,} people")
    folds = Folds(outer, inner_folds(dataset, history, outer, profile))
    also = fit_texts if lists is not None else lambda _: ()
    learned = learn_fold(dataset.corpus, history, folds, profile, report, also)
    known, policy = history.where(outer.learned), quota_policy(profile)
    shop = standing(dataset.corpus, known)
    trained = layers_of(learned) if lists is None else reranking_layers(learned, shop, profile)
    fitted = perf_counter() - began
    interactions = np.bincount(known.group[known.weight > 0], minlength=len(dataset.corpus.keys))
    contest = _contest(dataset.protocol, Split("", 0), trained, policy, interactions)
    asked = asked_cases(history, outer, shop)
    if lists is not None and terms.stage == "test":
        asked = lists.given(asked)
    found = measure(contest, (replace(case, id=_named(dataset, history, int(case.id))) for case in asked), report)
    return replace(found, shape=profile.shape, terms=terms, seconds={"fit": fitted, **found.seconds})


def _named(dataset: Dataset, history: History, target: int) -> str:
    """The file's name of the question that line `target` answers."""
    if dataset.protocol != "next-item":
        return dataset.person(history.keys[history.shopper[target]])
    line = history.offset[target]
    return f"{dataset.units[dataset.unit[line]]}:{dataset.place[line]}"


def _contest(protocol: Protocol, split: Split, trained: Layers, policy: Policy, interactions: Ints) -> Contest:
    """The layers of `trained` as contenders."""
    contenders = tuple(_contender(layer, policy) for layer in trained.layers)
    best, left_out = trained.layers[-1].snapshot, trained.left_out
    return Contest(protocol, split, contenders, left_out, _proposer(best), interactions, best.ranker.calibration)


def _contender(layer: Layer, policy: Policy) -> Contender:
    def ranked(request: Request, state: State) -> Listing:
        return pipeline.rank(request, state, layer.snapshot, policy)

    return Contender(layer.name, ranked)


def _proposer(snapshot: Snapshot) -> Callable[[Request, State], Mapping[str, Rows]]:
    def asked(request: Request, state: State) -> Mapping[str, Rows]:
        moment = state.moment(request)
        return {source.name: proposed(source, request, moment, HEARD).rows[:REACH] for source in snapshot.sources}

    return asked


def _interactions(corpus: Corpus, split: int) -> Ints:
    lines = corpus.interactions
    before = pc.and_(pc.less(lines["time"], split), pc.not_equal(lines["kind"], int(Kind.IMPRESSION)))
    return np.bincount(lines.filter(before)["row"].to_numpy(), minlength=len(corpus.keys))
