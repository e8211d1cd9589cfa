"""The rules that decide what of a pool may be shown; every dropped row keeps the name of the first rule against it."""

from collections.abc import Callable
from typing import Final

import numpy as np

from endcap.domain.arrays import Bools, Rows
from endcap.domain.placements import Placement
from endcap.domain.pools import Pool
from endcap.domain.requests import Dropped, Request
from endcap.slate.filters import admitted
from endcap.state import Moment

Rule = Callable[[Placement, Request, Moment, Rows], Bools | None]
"""True for the rows that may not be shown; None where there is nothing to ask."""


def _unavailable(placement: Placement, request: Request, moment: Moment, rows: Rows) -> Bools:
    return ~moment.shelf.available[rows]


def _excluded(placement: Placement, request: Request, moment: Moment, rows: Rows) -> Bools | None:
    return _among(rows, moment.shelf.group[request.exclude]) if len(request.exclude) else None


def _shown(placement: Placement, request: Request, moment: Moment, rows: Rows) -> Bools | None:
    return _among(rows, moment.shelf.group[request.shown]) if len(request.shown) else None


def _anchor(placement: Placement, request: Request, moment: Moment, rows: Rows) -> Bools | None:
    return _among(rows, moment.shelf.group[request.anchors]) if len(request.anchors) else None


def _purchased(placement: Placement, request: Request, moment: Moment, rows: Rows) -> Bools | None:
    return _among(rows, moment.purchases["row"]) if placement.purchased == "hide" else None


def _unfit(placement: Placement, request: Request, moment: Moment, rows: Rows) -> Bools | None:
    filtered = request.filter or placement.filter
    return ~admitted(placement, request, moment.shelf, rows) if filtered else None


def _category(placement: Placement, request: Request, moment: Moment, rows: Rows) -> Bools | None:
    """With "same", what shares no category with an anchor; with "other", what does; rows without one are in none."""
    if placement.category == "any" or not len(request.anchors):
        return None
    codes = moment.shelf.category
    shared = _among(codes[rows], codes[moment.shelf.group[request.anchors]]) & (codes[rows] > 0)
    return shared if placement.category == "other" else ~shared


def _among(rows: Rows, listed: Rows) -> Bools:
    if not len(listed):
        return np.zeros(len(rows), np.bool_)
    ordered = np.sort(listed)
    place = np.minimum(np.searchsorted(ordered, rows), len(ordered) - 1)
    return np.equal(ordered[place], rows)


MANY: Final = 50
"""So many exclusions may empty a pool."""

FILTER: Final = "filter"
"""The rule of the filters, the request's own and the placement's."""

RULES: Final[tuple[tuple[str, Rule], ...]] = (
    ("unlisted_or_out_of_stock", _unavailable),
    ("excluded", _excluded),
    ("shown_on_page", _shown),
    ("anchor", _anchor),
    ("category_of_anchor", _category),
    ("purchased", _purchased),
    (FILTER, _unfit),
)


def fit(placement: Placement, request: Request, moment: Moment) -> Callable[[Rows], Bools] | None:
    """Which group rows filters, exclusions and the anchors' categories leave, to be asked of more than the pool.

    None where they leave nearly everything.
    """
    narrow = request.filter or placement.filter or placement.category == "same"
    if not narrow and not len(request.shown) and len(request.exclude) < MANY:
        return None
    listed = moment.shelf.group[np.concatenate([request.exclude, request.shown])]

    def fits(rows: Rows) -> Bools:
        found = admitted(placement, request, moment.shelf, rows) & ~_among(rows, listed)
        against = _category(placement, request, moment, rows)
        return found if against is None else found & ~against

    return fits


def admit(placement: Placement, request: Request, moment: Moment, pool: Pool) -> tuple[Pool, tuple[Dropped, ...]]:
    """The members of `pool` that every rule admits, and the others under the first rule that refused them."""
    refused = np.zeros(len(pool), np.bool_)
    dropped = []
    for name, rule in RULES:
        against = rule(placement, request, moment, pool.rows)
        if against is None or not against.any():
            continue
        against &= ~refused
        if against.any():
            dropped.append(Dropped(name, pool.rows[against]))
            refused |= against
    return (pool.kept(~refused) if dropped else pool), tuple(dropped)
