"""From a ranking to a slate: rules that admit, caps, diversity, variants and reasons."""

from endcap.slate.arrangement import Arranged, Ways, arranged, capped, renewed, shortage, variants
from endcap.slate.facets import Facet, facets
from endcap.slate.filters import FILTER_COLUMNS, check_filter
from endcap.slate.reasons import FEWEST_PEOPLE, Witness, reasons
from endcap.slate.rules import admit, fit

__all__ = [
    "FEWEST_PEOPLE",
    "FILTER_COLUMNS",
    "Arranged",
    "Facet",
    "Ways",
    "Witness",
    "admit",
    "arranged",
    "capped",
    "check_filter",
    "facets",
    "fit",
    "reasons",
    "renewed",
    "shortage",
    "variants",
]
