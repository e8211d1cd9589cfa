"""What was learned: one immutable version of sources, features and ranker, keyed by items and never by a person."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from endcap.domain.arrays import Floats, Rows
from endcap.domain.ids import ItemKey
from endcap.errors import SnapshotRejected
from endcap.features import FeatureSet
from endcap.features.votes import Votes
from endcap.ranking import Ranker
from endcap.ranking.blend import Blend
from endcap.retrieval import Source
from endcap.retrieval.search import Search
from endcap.retrieval.sessions import SessionNeighbours
from endcap.retrieval.suggestions import Suggestions


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything learned from the log up to `offset` and the time `until` (ms UTC), on the first `rows` rows.

    `row_digest` is that of the row assignments it was built on. `blend` scores the votes alone, where the ranker may
    not be used. `alike` float32 [rows, d] are unit vectors for diversity, with no rows where nothing is known of the
    items. `parent` is the version that this one was refreshed from, empty where it was trained. `search` finds items by
    words and `suggestions` are what to search for, None where no item has a text.
    """

    version: str
    until: int
    offset: int
    rows: int
    row_digest: str
    sources: tuple[Source, ...]
    features: FeatureSet
    ranker: Ranker
    blend: Blend
    alike: Floats
    parent: str = ""
    search: Search | None = None
    suggestions: Suggestions | None = None

    def checked(self) -> "Snapshot":
        """This snapshot, if its parts fit. Raises SnapshotRejected where a schema differs from what is computed."""
        for part, schema, expected in (
            ("ranker", self.ranker.schema, self.features.schema),
            ("blend", self.blend.schema, self._votes().names),
        ):
            if schema != expected:
                odd = sorted(set(schema) ^ set(expected))[:5]
                raise SnapshotRejected(f"snapshot {self.version}: the {part} knows other features ({odd}); train again")
        return self

    def without_ranker(self) -> "Snapshot":
        """The same sources in the order of their fixed blend (rung R2)."""
        return replace(self, features=FeatureSet((self._votes(),)), ranker=self.blend)

    def without_sessions(self, numbers: Rows | None) -> "Snapshot":
        """This snapshot with the sessions `numbers` (None: all) of its index masked."""
        sources = tuple(
            replace(
                source,
                index=source.index.without(
                    np.arange(len(source.index.items), dtype=np.int32) if numbers is None else numbers
                ),
            )
            if isinstance(source, SessionNeighbours)
            else source
            for source in self.sources
        )
        return replace(self, sources=sources)

    def _votes(self) -> Votes:
        return Votes(tuple(source.name for source in self.sources))


def row_digest(keys: Sequence[ItemKey]) -> str:
    """SHA-256 of the row assignments 0, 1, …, in order, each preceded by its length."""
    digest = hashlib.sha256()
    for key in keys:
        text = f"{key.kind}:{key.id}".encode("utf-8", "surrogatepass")
        digest.update(len(text).to_bytes(4, "big") + text)
    return digest.hexdigest()
