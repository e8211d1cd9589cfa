"""What a search learns from and asks: the validation stage of an evaluation; nothing of the test is in it.

Knows where validation begins. Does not know what is searched, nor how good an answer is.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow.compute as pc

from endcap.domain.arrays import Bools, Floats
from endcap.domain.instants import iso
from endcap.errors import GateRefused
from endcap.evaluation.datasets import Dataset
from endcap.evaluation.results import Terms
from endcap.evaluation.stages import inner_folds, outer_fold
from endcap.policy import Policy
from endcap.training import Case, Corpus, Learned, Protocol, Shop, learn
from endcap.training.fit import Report, learn_fold, quota_policy
from endcap.training.folds import TEST, Fold, Folds, asked_cases, ends, standing
from endcap.training.history import History
from endcap.training.profile import Profile, profile_of, shape_of, windows
from endcap.training.replay import next_baskets, next_items
from endcap.training.sources import content_of, sellable


@dataclass(frozen=True, slots=True)
class Task:
    """Lines `known` before `at`, what may be listed (`sellable` bool [rows]), and the cases of validation.

    `content` float32 [rows, d] are the vectors of the items' texts, `base` is the shape's default. `asked` gives about
    so many cases, the same each time, in an order in which their shelf is right while each is met. `learn` trains a
    whole hybrid; `policy` has its quotas, which are the profile's if `quotas`. `told` says in words what is asked.
    """

    base: Profile
    known: History
    at: int
    sellable: Bools
    content: Floats
    asked: Callable[[int], Iterator[Case]]
    learn: Callable[[Profile, Report], Learned]
    policy: Callable[[Profile], Policy]
    quotas: bool
    told: str

    def digest(self) -> str:
        """Of all that is learned from, and of where a search begins."""
        known = self.known
        columns = [known.time, known.kind, known.group, known.shopper, self.sellable, self.content]
        bare = replace(self.base, left_out=frozenset())  # sets have another order in every process
        found = hashlib.blake2b(f"{self.told} {bare} {sorted(self.base.left_out)}".encode(), digest_size=16)
        for column in columns:
            found.update(np.ascontiguousarray(column).tobytes())
        return found.hexdigest()


def sequence_task(dataset: Dataset, *, exclude_current: bool = False) -> Task:
    """Of a protocol that cuts by sequence; see `endcap.evaluation.stages`. Raises: GateRefused where nothing is asked.

    Lines of the test are taken out before anything else is done.
    """
    everything = dataset.corpus.history()
    history = everything.where(dataset.label[everything.offset] != TEST)
    outer = outer_fold(dataset, history, Terms("validation", exclude_current=exclude_current))
    known = history.where(outer.learned)
    shop = standing(dataset.corpus, known)

    def asked(most: int) -> Iterator[Case]:
        return asked_cases(history, outer, shop, _evenly(outer, most))

    def learned(profile: Profile, report: Report) -> Learned:
        folds = Folds(outer, inner_folds(dataset, history, outer, profile))
        return learn_fold(dataset.corpus, history, folds, profile, report)

    current = ", current item excluded" if exclude_current else ""
    return Task(
        base=shape_of(known, timed=dataset.timed),
        known=known,
        at=ends(known),
        sellable=sellable(shop.shelf, len(dataset.corpus.keys)),
        content=content_of(shop)[1],
        asked=asked,
        learn=learned,
        policy=quota_policy,
        quotas=True,
        told=f"{dataset.protocol}, validation{current}",
    )


def _evenly(outer: Fold, most: int) -> Bools:
    count = len(outer.asked.target)
    kept = np.zeros(count, np.bool_)
    kept[np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))] = True
    return kept


def time_task(corpus: Corpus, protocol: Protocol, split: int, policy: Policy | None) -> Task:
    """Of a protocol that cuts by time: the last window before `split`, where the test begins, is validation.

    Lines and changes from `split` on are taken out before anything else is done. `policy` None: quotas as the profile
    says. Raises: GateRefused where nothing lies before.
    """
    corpus = replace(
        corpus,
        interactions=corpus.interactions.filter(pc.less(corpus.interactions["time"], split)),
        changes=tuple(recorded for recorded in corpus.changes if recorded.change.at < split),
        links=tuple(link for link in corpus.links if link.at < split),
    )
    everything = corpus.history(groups_at=split)
    if not (everything.weight > 0).any():
        raise GateRefused("there is no event before the split to tune on; choose a later --split")
    base = profile_of(everything, split)
    begin = windows(int(everything.time.min()), split, base)[-1]
    known = corpus.history(begin, people_at=begin, groups_at=begin)
    history = corpus.history(people_at=begin, groups_at=begin)
    lines = int((history.time >= begin).sum())

    def asked(most: int) -> Iterator[Case]:
        shop = Shop(corpus, history)
        if protocol == "next-basket":
            cases = list(next_baskets(history, shop, begin, split))
            places = np.unique(np.linspace(0, len(cases) - 1, min(len(cases), most)).astype(np.int64))
            return (cases[place] for place in places.tolist())
        share = most / max(lines, 1)
        return next_items(history, shop, begin, split, lambda seed: seed % 10_000 < share * 10_000)

    shop = Shop(corpus, known)
    shop.advance(begin)
    return Task(
        base=base,
        known=known,
        at=begin,
        sellable=sellable(shop.shelf, len(corpus.keys)),
        content=content_of(shop)[1],
        asked=asked,
        learn=lambda profile, report: learn(corpus, begin, protocol, report, profile),
        policy=quota_policy if policy is None else lambda _: policy,
        quotas=policy is None,
        told=f"{protocol}, {iso(begin)[:10]} to the split at {iso(split)[:10]}",
    )
