"""What training reads, and the catalog as it was known at any time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from endcap.backends.db import Recorded
from endcap.backends.encoder import Encoder
from endcap.domain.arrays import Ints, Rows
from endcap.domain.catalog import UNSAID, Change
from endcap.domain.ids import ItemKey
from endcap.domain.people import Link
from endcap.retrieval.index import FIELDS
from endcap.retrieval.suggestions import Suggestions, fit_suggestions
from endcap.state import Shelf
from endcap.training.history import History, read_history

_LONGEST: Final = 400
_ATTRIBUTES: Final = FIELDS.index("attributes")


@dataclass(frozen=True, slots=True)
class Corpus:
    """All that training reads: lines (schema INTERACTIONS), catalog changes in log order, one key a row.

    `offset` is the log offset it was read at; `fit_encoder` fits a text encoder on the shop's own texts; `links` say
    which visitors turned out to be which users. Lines `as_filed` are taken as they stand: nobody in them is a bot, and
    people come in the order of their keys.
    """

    interactions: pa.Table
    changes: tuple[Recorded, ...]
    keys: tuple[ItemKey, ...]
    offset: int
    fit_encoder: Callable[[Sequence[str]], Encoder]
    links: tuple[Link, ...] = ()
    as_filed: bool = False

    def history(self, until: int | None = None, people_at: int | None = None, groups_at: int | None = None) -> History:
        """The lines before `until` (None: all), with the people and the groups that were known at those times.

        A link counts from its own time on: before, a visitor's lines are that visitor's.
        """
        linked = [link for link in self.links if link.user and (people_at is None or link.at < people_at)]
        users = {link.shopper: link.user for link in linked}
        return read_history(self.interactions, self.groups(groups_at), until, users, self.as_filed)

    def groups(self, before: int | None = None) -> Rows:
        """int32 [rows]: the group that every row had `before` (None: has last), its own where it has none."""
        group = np.arange(len(self.keys), dtype=np.int32)
        for change in sorted((recorded.change for recorded in self.changes), key=lambda change: change.at):
            if change.group is not None and (before is None or change.at < before):
                group[change.row] = change.group
        return group


class Texts:
    """What changes, taken in the order of their times, say in words."""

    def __init__(self) -> None:
        self._said: dict[int, dict[str, str]] = {}

    def take(self, change: Change) -> None:
        """Take in one change."""
        text = self._said.setdefault(change.row, {})
        text.update(change.text)
        if change.brand is not None:
            text["brand"] = change.brand
        if change.category is not None:
            text["category"] = " ".join(change.category)

    def described(self, shelf: Shelf, row: int) -> str:
        """What the attributes of `row` say, of a group those of its first variant; a variant itself has no text."""
        if shelf.group[row] != row:
            return ""
        variant = int(shelf.first[row])
        said = self._said.get(variant if variant >= 0 else row, {})
        return " ".join(value[:_LONGEST] for name, value in sorted(said.items()) if name not in UNSAID)

    def suggestions(self, shelf: Shelf, rows: Ints) -> Suggestions:
        """What the titles, brands and categories of `rows` suggest to search for, a group by its first variant."""
        groups = rows[shelf.group[rows] == rows]
        first = np.where(shelf.first[groups] >= 0, shelf.first[groups], groups).tolist()
        titles = [self._said.get(row, {}).get("title", "")[:_LONGEST] for row in first]
        brands = [shelf.brands.values[code] for code in shelf.brand[groups].tolist()]
        paths = [shelf.categories.values[code] for code in shelf.category[groups].tolist()]
        return fit_suggestions(titles, [*brands, *(path[-1] for path in paths if path)])

    def sought(self, shelf: Shelf, row: int) -> tuple[str, ...]:
        """What `row` can be found by, one text a field of FIELDS, each word once; a variant is found by its group."""
        if shelf.group[row] != row:
            return ()
        said: list[dict[str, None]] = [{} for _ in FIELDS]
        for variant in shelf.variants(row) or [row]:
            for name, value in self._said.get(variant, {}).items():
                if name not in UNSAID:
                    field = FIELDS.index(name) if name in FIELDS else _ATTRIBUTES
                    said[field].update(dict.fromkeys(value[:_LONGEST].split()))
        return tuple(" ".join(words) for words in said)


class Shop:
    """The shelf and the texts of a corpus, moved forward in time: everything that happened before `at`."""

    def __init__(self, corpus: Corpus, history: History) -> None:
        self.corpus = corpus
        self.shelf = Shelf()
        self.shelf.reserve(len(corpus.keys))
        self.texts = Texts()
        self._changes = sorted((recorded.change for recorded in corpus.changes), key=lambda change: change.at)
        self._times = np.array([change.at for change in self._changes], np.int64)
        self._applied = 0
        self._order = np.argsort(history.time, kind="stable")
        self._seen = 0
        self._history = history
        self._at = 0

    def advance(self, at: int) -> None:
        """Take in every change and event before `at` that has not been taken in; never goes back.

        Raises: ValueError where `at` is earlier than before, for what was taken in would be the future.
        """
        if at < self._at:
            raise ValueError(f"the shop stands at {self._at} and cannot go back to {at}; make a new one")
        self._at = at
        upto = int(np.searchsorted(self._times, at))
        for change in self._changes[self._applied : upto]:
            self.shelf.apply(change)
            self.texts.take(change)
        self._applied = max(upto, self._applied)
        times = self._history.time[self._order[self._seen :]]
        more = int(np.searchsorted(times, at))
        self.shelf.observe(self._history.events(self._order[self._seen : self._seen + more]))
        self._seen += more

    def described(self) -> list[str]:
        """A text for every row; see `Texts`."""
        return [self.texts.described(self.shelf, row) for row in range(len(self.shelf))]

    def sought(self) -> list[tuple[str, ...]]:
        """What every row can be found by; see `Texts`."""
        return [self.texts.sought(self.shelf, row) for row in range(len(self.shelf))]
