"""All sources and features of a snapshot, fitted on one history up to one instant."""

from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from endcap.backends.encoder import Encoder
from endcap.domain.arrays import Bools, Floats, Rows
from endcap.domain.events import Kind
from endcap.features import Feature, FeatureSet
from endcap.features.affinity import Affinity
from endcap.features.context import Context
from endcap.features.following import Following, Sequel
from endcap.features.history import OwnPurchases, Touches
from endcap.features.items import ItemFacts, ItemStatistics
from endcap.features.journeys import Journey
from endcap.features.links import Links
from endcap.features.similarity import Similarity
from endcap.features.votes import Votes
from endcap.features.words import Lexicon, Words
from endcap.retrieval import Source
from endcap.retrieval.journeys import Onward
from endcap.retrieval.neighbours import Neighbours
from endcap.retrieval.personal import Personal
from endcap.retrieval.popularity import CategoryPopularity, RegionPopularity, Shortlist
from endcap.retrieval.recent import Recent
from endcap.retrieval.sessions import SessionNeighbours
from endcap.retrieval.tables import Table
from endcap.state import Shelf
from endcap.training import statistics
from endcap.training.attention import fit_attention
from endcap.training.corpus import Shop
from endcap.training.history import History
from endcap.training.pairs import PairConfig, fit_pairs, fit_sessions, sequences
from endcap.training.profile import Profile
from endcap.training.sequence import fit_sequel
from endcap.training.vectors import fit_embeddings, fit_factors, fit_words, likelihoods, nearest, nearest_words

NEIGHBOURS: Final = 40
WORDS_NEAR: Final = 60
SESSIONS_PER_ROW: Final = 300
SHORT_TRAIL: Final = 24
RARE: Final = 10
LEAST_COSINE: Final = 0.15
CONTENT, CONTENT_RARE, CATEGORY, ARRIVALS = "content", "content_rare", "category", "arrivals"
SEQUEL, ATTENTION = "sequel", "attention"
WORDS: Final = "words"
JOURNEYS: Final = "journeys"
ONWARD: Final = 6
"""Of so many categories that a visit may turn to, what is popular is proposed."""
NOT_LEARNED: Final = -1e6

ALONE: Final = ("sessions", "cooccurrence", "transitions", "personal", "sequel")
"""The sources that `fit_source` fits: those whose settings are worth a search."""
LINKED: Final = ("cooccurrence", "transitions")

LAYERS: Final = {
    "popularity": ("popularity", "region", "season"),
    "collaborative": ("personal", "category", "cooccurrence", "factors", "vectors"),
    "content": ("content", "content_rare", "words", "arrivals"),
    "session": ("transitions", "sessions", "recent", "sequel", "journeys"),
}
"""The sources that each layer adds, in the order of the ladder."""


class Fitted(NamedTuple):
    """Sources and feature families of one instant, the vectors that tell how alike items are, and who made them.

    `session_shoppers` int32 [sessions] says whose each session of the index is; it is no part of what is learned.
    `encoder` is None where no item has a text.
    """

    sources: tuple[Source, ...]
    features: FeatureSet
    alike: Floats
    session_shoppers: Rows
    encoder: Encoder | None


def fit_sources(history: History, shop: Shop, at: int, profile: Profile) -> Fitted:
    """All that is learned without a ranker, from `history` (all before `at`) and the shop as it stood at `at`."""
    rows, history = len(shop.corpus.keys), _chained(history, profile)
    facts = statistics.fit_statistics(history, rows, at)
    counted = history.weight > 0
    unfitted = np.zeros((rows, 1), np.float32)
    factors = unfitted if "factors" in profile.left_out else fit_factors(history, rows, at, profile.factors)
    embeddings = fit_embeddings(history.session[counted], history.group[counted], rows)
    encoder, content = content_of(shop)
    everything = np.arange(rows, dtype=np.int32)
    lexicon = None if encoder is None else fit_words(shop.described())
    short = replace(profile.near, most=min(profile.near.most, SHORT_TRAIL))
    sequel = None if SEQUEL in profile.left_out else fit_sequel(history, content, profile.sequel)
    attention = None if ATTENTION in profile.left_out else fit_attention(history, content, profile.attention)
    rare = everything[(facts.total < RARE) & sellable(shop.shelf, rows)]
    vectors = {"factors": factors, "vectors": embeddings, CONTENT: content}
    popular, sold = _popularity(history, shop, facts, at, profile)
    journeys = None
    if JOURNEYS not in profile.left_out and sold.category.any():
        journeys = statistics.fit_journeys(history, sold.category, profile.wide)
    index, shoppers = fit_sessions(history, rows, SESSIONS_PER_ROW, profile.longest_session)
    sources: list[Source] = [
        *popular,
        *(fit_source(name, history, content, at, profile) for name in ("personal", "cooccurrence", "transitions")),
        *(
            _near(name, space, everything, profile)
            for name, space in vectors.items()
            if f"near_{name}" not in profile.left_out
        ),
        Recent("recent", profile.near),
        *([] if journeys is None else [Onward(JOURNEYS, journeys, sold.table, ONWARD)]),
        *_following(sequel, everything, profile),
        _near(CONTENT_RARE, content, rare, profile),
        *_wordy(lexicon, sellable(shop.shelf, rows), profile),
        SessionNeighbours("sessions", index, profile.session_memory, profile.sessions),
    ]  # fmt: skip
    alike = content if content.any() else embeddings
    bought = bool((history.kind == Kind.PURCHASE).any())
    known = _speaking(sources, profile.left_out if bought else profile.left_out | {"personal"})
    families: list[Feature] = [
        Votes(tuple(source.name for source in known)),
        ItemFacts(facts),
        *([OwnPurchases()] if bought else []),
        Touches(),
        *([Affinity(profile.wide)] if _described(shop.shelf) else []),
        *(
            Links(source.name, source.table.starts, source.table.rows, source.table.weights, source.memory)
            for source in known
            if isinstance(source, Neighbours) and source.name in LINKED
        ),
        *([] if journeys is None else [Journey(journeys)]),
        *([] if lexicon is None else [Words(lexicon, short)]),
        *([] if sequel is None else [Following(SEQUEL, sequel)]),
        *([] if attention is None else [Following(ATTENTION, attention)]),
        *(Similarity(name, space, short) for name, space in vectors.items() if space.any()),
        Context(clock=profile.timed and profile.shape == "sessions"),
        *statistics.fit_looks(history, alike, at),
    ]
    return Fitted(known, FeatureSet(tuple(families)), alike, shoppers, encoder)


def fit_source(name: str, history: History, content: Floats, at: int, profile: Profile) -> Source:
    """One of ALONE by itself, as it is fitted among all; `content` float32 [rows, d] are the vectors of the texts."""
    rows, history = len(content), _chained(history, profile)
    match name:
        case "personal":
            return Personal(name, profile.personal_basket_decay, profile.personal_half_life)
        case "cooccurrence":
            return Neighbours(name, *_pairs(history, history.session, at, profile.cooccurrence, rows), profile.near)
        case "transitions":
            return Neighbours(name, *_pairs(history, history.shopper, at, profile.transitions, rows), profile.near)
        case "sequel":
            sequel = fit_sequel(history, content, profile.sequel)
            return _following(sequel, np.arange(rows, dtype=np.int32), profile)[0]
        case "sessions":
            index, _ = fit_sessions(history, rows, SESSIONS_PER_ROW, profile.longest_session)
            return SessionNeighbours(name, index, profile.session_memory, profile.sessions)
        case _:
            raise ValueError(f"{name} is not fitted by itself; expected one of {', '.join(ALONE)}")


def _chained(history: History, profile: Profile) -> History:
    """`history` with one session a shopper where it is reviews: they lie months apart, and still follow each other."""
    return replace(history, session=history.shopper) if profile.shape == "reviews" else history


def _described(shelf: Shelf) -> bool:
    """Whether any row has a category, a brand or a price."""
    return bool(shelf.category.any() or shelf.brand.any() or (shelf.price > 0).any())


def sellable(shelf: Shelf, rows: int) -> Bools:
    """Which of the first `rows` rows a list may hold: groups, and items without one, that are available."""
    alone: Bools = shelf.group[:rows] == np.arange(rows)
    return shelf.available[:rows] & alone


def _popularity(
    history: History, shop: Shop, facts: ItemStatistics, at: int, profile: Profile
) -> tuple[list[Source], CategoryPopularity]:
    """All short lists, and the one by category among them."""
    rows, half_life = len(facts.total), profile.popularity_half_life
    category = shop.shelf.category[:rows].copy()
    sold = CategoryPopularity(
        CATEGORY, statistics.by_category(history, category, at, 3 * half_life), category, profile.near
    )
    short: list[Source] = [
        Shortlist("popularity", statistics.popularity(history, rows, at, half_life)),
        RegionPopularity("region", statistics.by_region(history, rows, at, 3 * half_life), history.regions),
        sold,
        Shortlist("season", statistics.season(facts)),
        Shortlist(ARRIVALS, statistics.arrivals(shop.shelf.born[:rows], sellable(shop.shelf, rows), at)),
    ]
    return short, sold


def _pairs(
    history: History, sequence: Rows, at: int, config: PairConfig, rows: int
) -> tuple[Table, NDArray[np.uint16]]:
    counted = history.weight > 0
    lines = sequences(history.group[counted], history.time[counted], sequence[counted], history.shopper[counted], at)
    return fit_pairs(lines, rows, config)


def _near(name: str, vectors: Floats, allowed: Rows, profile: Profile) -> Neighbours:
    nobody: NDArray[np.uint16] = np.empty(0, np.uint16)
    return Neighbours(name, nearest(vectors, allowed, NEIGHBOURS, LEAST_COSINE), nobody, profile.near)


def _following(sequel: Sequel | None, everything: Rows, profile: Profile) -> list[Source]:
    """What the model says follows each row by itself: its best, as shares of the likelihood among them."""
    if sequel is None:
        return []
    inward = np.column_stack([sequel.inward * sequel.places[0], np.ones(len(everything), np.float32)])
    outward = np.column_stack([sequel.outward, sequel.bias])
    learned = everything[sequel.bias != 0]
    table = nearest(inward, learned, profile.sequel_most, NOT_LEARNED, learned, outward)
    nobody: NDArray[np.uint16] = np.empty(0, np.uint16)
    return [Neighbours(SEQUEL, likelihoods(table), nobody, profile.near)]


def _wordy(lexicon: Lexicon | None, sold: Bools, profile: Profile) -> list[Source]:
    """Rows that share words, where no vector stands between them."""
    if lexicon is None or WORDS in profile.left_out:
        return []
    nobody: NDArray[np.uint16] = np.empty(0, np.uint16)
    table = nearest_words(lexicon, np.flatnonzero(sold).astype(np.int32), WORDS_NEAR)
    return [Neighbours(WORDS, table, nobody, profile.near)]


def content_of(shop: Shop) -> tuple[Encoder | None, Floats]:
    """The text encoder fitted on the shop, None where no row has a text, and the rows' vectors float32 [rows, d]."""
    texts = shop.described()
    if not any(texts):
        return None, np.zeros((len(texts), 1), np.float32)
    encoder = shop.corpus.fit_encoder([text for text in texts if text])
    return encoder, encoder.encode(texts).astype(np.float32)


def _speaking(sources: list[Source], left_out: frozenset[str]) -> tuple[Source, ...]:
    """Those that hold something and are not left out."""
    return tuple(source for source in sources if not _empty(source) and source.name not in left_out)


def _empty(source: Source) -> bool:
    """Whether a source's table or index holds nothing, so that it could never propose."""
    table = getattr(source, "table", None)
    if isinstance(source, SessionNeighbours):
        table = source.index.items
    return table is not None and not len(table.rows)
