"""Training in one pass over time: windows replayed with sources fitted before them, then everything refitted."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from endcap.backends.encoder import Encoder
from endcap.domain.instants import DAY, iso
from endcap.domain.placements import Placement
from endcap.errors import GateRefused
from endcap.features import Feature, FeatureSet
from endcap.features.votes import Votes
from endcap.policy import DEFAULT_POLICY, Policy, parse_policy
from endcap.ranking.blend import Blend
from endcap.retrieval.index import fit_index
from endcap.retrieval.search import Search
from endcap.retrieval.sessions import SessionPeople
from endcap.snapshot import Snapshot, row_digest
from endcap.training.corpus import Corpus, Shop
from endcap.training.folds import Fold, Folds, asked_cases, ends, standing
from endcap.training.history import History
from endcap.training.profile import Profile, profile_of, windows
from endcap.training.ranker import fit_blend, fit_trees
from endcap.training.replay import PLACEMENT, Case, Examples, Protocol, collect, next_baskets, next_items
from endcap.training.sources import LAYERS, Fitted, fit_sources

Report = Callable[[str], None]
"""Told, in a few words, what training is doing."""
Also = Callable[[Shop], tuple[Feature, ...]]
"""Fits feature families on a shop, beside those of its sources."""

FEWEST_EXAMPLES: Final = 50
HYBRID: Final = "hybrid"
"""The name of the layer that holds everything."""
_POLICY: Final[Policy] = parse_policy(DEFAULT_POLICY)


class Layer(NamedTuple):
    """One row of the ladder: all sources up to this layer in the order of their blend, the hybrid's in the ranker's."""

    name: str
    snapshot: Snapshot


class LeftOut(NamedTuple):
    """A layer that this shop has no data for."""

    name: str
    because: str


class Layers(NamedTuple):
    """The ladder, from popularity to the hybrid, and what is missing from it."""

    layers: tuple[Layer, ...]
    left_out: tuple[LeftOut, ...]


class Window(NamedTuple):
    """What is replayed: from `begin` to before `end`, ms UTC."""

    begin: int
    end: int


class Learned(NamedTuple):
    """The snapshot, the examples that its ranker was fitted on, whose sessions its index holds, and the text encoder.

    `encoder` is None where no item has a text.
    """

    snapshot: Snapshot
    examples: Examples
    sessions: SessionPeople
    encoder: Encoder | None


def train(corpus: Corpus, until: int | None, report: Report) -> Snapshot:
    """The snapshot of everything before `until` (None: of all). Raises GateRefused where there is nothing to learn."""
    return learn(corpus, until, None, report).snapshot


def learn(
    corpus: Corpus, until: int | None, protocol: Protocol | None, report: Report, given: Profile | None = None
) -> Learned:
    """Fit sources before each window, replay it, fit the ranker on what was replayed, refit the sources on all.

    `given` None: the profile that the data has the shape of.
    """
    history = corpus.history(until, people_at=until, groups_at=until)
    if not (history.weight > 0).any():
        raise GateRefused("there is no view, click, cart or purchase to learn from; import events first")
    end = until if until is not None else int(history.time.max()) + 1
    profile = given or profile_of(history, end)
    policy = quota_policy(given) if given else _POLICY
    chosen: Protocol = protocol or ("next-basket" if profile.shape == "baskets" else "time-split")
    shop = Shop(corpus, history)
    told = "the profile has" if given else "data has"
    report(f"{told} the shape of {profile.shape}: {len(history):,} lines of {len(history.keys):,} shoppers")
    begins = windows(int(history.time.min()), end, profile)
    if chosen == "time-split":
        begins = begins[-1:]
    length = end - begins[-1]
    replayed = []
    for begin in begins:
        known = corpus.history(until, people_at=begin, groups_at=until) if corpus.links else history
        report(f"replaying {length / DAY:.0f} days from {iso(begin)[:10]}")
        replayed.append(_replayed(known, shop, Window(begin, begin + length), profile, chosen, policy))
    shop.advance(end)
    report("fitting the sources on everything")
    fitted = fit_sources(history, shop, end, profile)
    suggestions = shop.texts.suggestions(shop.shelf, np.arange(len(shop.shelf)))
    snapshot = replace(_snapshot(shop, fitted, end), search=_search(shop, fitted), suggestions=suggestions)
    examples = _aligned(replayed, fitted.features.schema)
    report(f"fitting the ranker on {len(examples.wanted):,} examples")
    sessions = SessionPeople(corpus.offset, history.keys, fitted.session_shoppers)
    return Learned(ranked(snapshot, examples, profile), examples, sessions, fitted.encoder)


def learn_fold(  # noqa: PLR0913 - what is known, what is learned from and how
    corpus: Corpus, history: History, folds: Folds, profile: Profile, report: Report, also: Also = lambda _: ()
) -> Learned:
    """Fit sources on what each of `inner` learns from, replay what it asks, refit them on what `outer` learns from.

    `also` fits further features on the shop as it then stands.
    """

    def answered(inner: Fold) -> tuple[tuple[str, ...], Examples]:
        shop, fitted, snapshot = _standing(corpus, history.where(inner.learned), profile, report, also)
        kept = np.zeros(len(inner.asked.target), np.bool_)
        most = min(len(kept), profile.most_cases // len(folds.inner))
        kept[np.unique(np.linspace(0, len(kept) - 1, most).astype(np.int64))] = True
        report(f"replaying {int(kept.sum()):,} of {len(kept):,} requests")
        asked = asked_cases(history, inner, shop, kept)
        return fitted.features.schema, collect(asked, snapshot, quota_policy(profile), profile.negatives)

    replayed = [answered(inner) for inner in folds.inner]
    _, fitted, snapshot = _standing(corpus, history.where(folds.outer.learned), profile, report, also)
    examples = _aligned(replayed, fitted.features.schema)
    report(f"fitting the ranker on {len(examples.wanted):,} examples")
    sessions = SessionPeople(corpus.offset, history.keys, fitted.session_shoppers)
    return Learned(ranked(snapshot, examples, profile), examples, sessions, fitted.encoder)


def _standing(
    corpus: Corpus, known: History, profile: Profile, report: Report, also: Also
) -> tuple[Shop, Fitted, Snapshot]:
    """The shop that stands still after `known`, all that is fitted on it, and the snapshot of that without a ranker."""
    report(f"fitting the sources on {len(known):,} lines")
    shop = standing(corpus, known)
    fitted = fit_sources(known, shop, ends(known), profile)
    fitted = fitted._replace(features=FeatureSet((*fitted.features.families, *also(shop))))
    return shop, fitted, _snapshot(shop, fitted, ends(known))


def quota_policy(profile: Profile) -> Policy:
    """The one placement of an evaluation on a data set: the quotas of `profile`, and no rule."""
    placement = Placement(PLACEMENT, quota=profile.quota, quotas=profile.quotas)
    return Policy("", {PLACEMENT: placement})


def _replayed(  # noqa: PLR0913 - one window, and all that it is replayed with
    history: History, shop: Shop, window: Window, profile: Profile, protocol: Protocol, policy: Policy
) -> tuple[tuple[str, ...], Examples]:
    """Sources fitted before `window`, then the window replayed: the feature names, and the examples."""
    shop.advance(window.begin)
    before = shop.corpus.history(window.begin, people_at=window.begin, groups_at=window.begin)
    fitted = fit_sources(before, shop, window.begin, profile)
    replayed = (
        next_baskets(history, shop, window.begin, window.end)
        if protocol == "next-basket"
        else next_items(history, shop, window.begin, window.end, _thinning(before, window, profile))
    )
    return fitted.features.schema, collect(replayed, _snapshot(shop, fitted, window.begin), policy, profile.negatives)


def _thinning(before: History, window: Window, profile: Profile) -> Callable[[int], bool]:
    """Keeps a share of the cases that depends on the pace before the window, so that no case depends on a later one."""
    if not len(before):
        return lambda _: True
    pace = len(before) / max(window.begin - int(before.time.min()), 1)
    share = profile.most_cases / max(pace * (window.end - window.begin), 1)
    return lambda seed: seed % 10_000 < share * 10_000


def _aligned(replayed: list[tuple[tuple[str, ...], Examples]], schema: tuple[str, ...]) -> Examples:
    """The examples of all windows in the columns of `schema`; a feature that a window did not have is unknown there."""
    parts = []
    for names, examples in replayed:
        features = np.full((len(examples.wanted), len(schema)), np.nan, np.float32)
        for column, name in enumerate(schema):
            if name in names:
                features[:, column] = examples.features[:, names.index(name)]
        parts.append(examples._replace(features=features))
    if not parts:
        return Examples.none(len(schema))
    return Examples.joined(parts)


def _snapshot(shop: Shop, fitted: Fitted, until: int) -> Snapshot:
    """The fitted sources in the order of a plain blend, each share counting 1."""
    plain = _plain(Votes(tuple(source.name for source in fitted.sources)))
    return Snapshot(
        version="",
        until=until,
        offset=shop.corpus.offset,
        rows=len(shop.corpus.keys),
        row_digest=row_digest(shop.corpus.keys),
        sources=fitted.sources,
        features=fitted.features,
        ranker=plain,
        blend=plain,
        alike=fitted.alike,
    )


def _search(shop: Shop, fitted: Fitted) -> Search | None:
    """What searches the shop's texts, None where there are none."""
    return None if fitted.encoder is None else Search(fit_index(shop.sought()), fitted.alike)


def _plain(votes: Votes) -> Blend:
    return Blend(votes.names, np.array([float(name.startswith("share_")) for name in votes.names], np.float32))


def ranked(snapshot: Snapshot, examples: Examples, profile: Profile) -> Snapshot:
    """`snapshot` with a fitted blend and ranker; with too few examples it stays in the order of its plain blend."""
    schema = snapshot.features.schema
    if not _tells_apart(examples):
        return snapshot.without_ranker()
    blend = fit_blend(examples, schema, tuple(source.name for source in snapshot.sources))
    ranker = fit_trees(examples, schema, profile.ranker)
    return replace(snapshot, blend=blend, ranker=ranker)


def _tells_apart(examples: Examples) -> bool:
    """Whether there are enough wanted items, and unwanted ones beside them: a shop of one item has none."""
    wanted = int(examples.wanted.sum())
    return wanted >= FEWEST_EXAMPLES and wanted < len(examples.wanted)


def train_layers(  # noqa: PLR0913 - what is known, when, and what is made of it
    corpus: Corpus,
    split: int,
    protocol: Protocol,
    report: Report,
    names: Collection[str] = (*LAYERS, HYBRID),
    given: Profile | None = None,
) -> Layers:
    """The layers of the ladder that are in `names`, all fitted on what lies before the split alone, in one training."""
    return layers_of(learn(corpus, split, protocol, report, given), names)


def layers_of(learned: Learned, names: Collection[str] = (*LAYERS, HYBRID)) -> Layers:
    """The layers of the ladder that are in `names`, out of one training."""
    snapshot, examples, *_ = learned
    layers, left_out = [], []
    below: tuple[str, ...] = ()
    for layer, added in LAYERS.items():
        present = tuple(source.name for source in snapshot.sources if source.name in added)
        below += present
        if layer not in names:
            continue
        if not present:
            left_out.append(LeftOut(layer, f"no data for its sources: {', '.join(added)}"))
            continue
        layers.append(Layer(layer, _layer(snapshot, examples, below)))
    if snapshot.ranker is snapshot.blend:
        left_out.append(LeftOut(HYBRID, f"fewer than {FEWEST_EXAMPLES} examples of a choice to fit a ranker on"))
    else:
        layers.append(Layer(HYBRID, snapshot))
    return Layers(tuple(layers), tuple(left_out))


def _layer(snapshot: Snapshot, examples: Examples, names: tuple[str, ...]) -> Snapshot:
    sources = tuple(source for source in snapshot.sources if source.name in names)
    votes = Votes(tuple(source.name for source in sources))
    blend = _plain(votes)
    if _tells_apart(examples):
        blend = fit_blend(examples, snapshot.features.schema, votes.sources)
    return replace(snapshot, sources=sources, features=FeatureSet((votes,)), ranker=blend, blend=blend)


def cases(
    corpus: Corpus, split: int, protocol: Protocol, keep: Callable[[int], bool] = lambda _: True
) -> Iterator[Case]:
    """The test cases of `protocol`; their order depends on what lies before the split, not on any key.

    `keep` thins the cases out by their seed.
    """
    history = corpus.history(people_at=split, groups_at=split)
    shop = Shop(corpus, history)
    if protocol == "next-basket":
        return (case for case in next_baskets(history, shop, split) if keep(case.request.seed))
    return next_items(history, shop, split, None, keep)
