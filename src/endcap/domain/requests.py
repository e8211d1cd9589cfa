"""One call for a slate, and what came of it. Both are recorded, and replay needs nothing else of the caller."""

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from endcap.domain.arrays import NO_ROWS, Floats, Rows
from endcap.domain.events import NO_EVENTS, Events
from endcap.domain.ids import NOBODY

NO_VECTOR: Final[Floats] = np.empty(0, np.float32)
_WORD: Final = re.compile(r"[^\W_]+")
_ADDRESS: Final = re.compile(r"\S*@\S*")
_APOSTROPHE: Final = re.compile(r"(?<=\w)['’`´](?=\w)")


def folded(text: str) -> list[str]:
    """The words of `text` in their normal form, which knows neither case nor accents; e-mail addresses are left out.

    >>> folded("Men's Sauté-Pan 20 CM, für me@example.org")
    ['mens', 'saute', 'pan', '20', 'cm', 'fur']
    """
    plain = _APOSTROPHE.sub("", unicodedata.normalize("NFKD", _ADDRESS.sub(" ", text)))
    kept = "".join(letter for letter in plain if not unicodedata.combining(letter)) if not plain.isascii() else plain
    return _WORD.findall(kept.casefold())


@dataclass(frozen=True, slots=True)
class Query:
    """What was searched for, in words of the catalog alone: no other word of what was typed is kept.

    Each of `words` is a place of the query with the words that may stand for it, the likeliest first; `missed` counts
    the typed words that none stands for. `corrected`: some word stands for a misspelled one. `vector` float32 [d] is
    what the snapshot's encoder makes of it, of length 1, or empty.
    """

    words: tuple[tuple[str, ...], ...] = ()
    missed: int = 0
    corrected: bool = False
    vector: Floats = field(default_factory=lambda: NO_VECTOR)

    def __bool__(self) -> bool:
        return bool(self.words) or self.missed > 0

    def said(self) -> str:
        """The query by the likeliest words."""
        return " ".join(words[0] for words in self.words)


@dataclass(frozen=True, slots=True)
class Request:
    """One call for a slate, resolved to rows.

    `at` is ms UTC, the only clock; `seed` the only randomness. `anchors` are the page's item, or the cart.
    `session` holds events that the caller sent along. `shown` is what the page shows already, `filter` the text of an
    expression that `slate.check_filter` accepted (empty: none), whose amounts have as many `decimals` as the shop's
    currency. Where there are `candidates`, they alone are ranked, whatever the sources propose; where there is a
    `query`, what it finds. Without `consent` nothing stored about the shopper is read.
    """

    placement: str
    at: int
    seed: int
    k: int
    shopper: bytes = NOBODY
    anchors: Rows = field(default_factory=lambda: NO_ROWS)
    session: Events = field(default_factory=lambda: NO_EVENTS)
    exclude: Rows = field(default_factory=lambda: NO_ROWS)
    shown: Rows = field(default_factory=lambda: NO_ROWS)
    candidates: Rows = field(default_factory=lambda: NO_ROWS)
    filter: str = ""
    decimals: int = 2
    region: str = ""
    device: str = ""
    locale: str = ""
    referrer: str = ""
    consent: bool = True
    query: Query = field(default_factory=Query)


@dataclass(frozen=True, slots=True)
class Offsets:
    """The log offsets up to which the shopper's and the shelf's records had been folded."""

    shopper: int
    shelf: int


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an item is shown: a code, and the row it relates to (-1 where none)."""

    code: str
    anchor: int = -1


@dataclass(frozen=True, slots=True)
class Shown:
    """One place of a slate. `propensity` is P(item at this position) under the policy that logged it."""

    row: int
    score: float
    position: int
    propensity: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class Dropped:
    """Rows that were in the pool and may not be shown, with the name of the rule that says so."""

    rule: str
    rows: Rows
