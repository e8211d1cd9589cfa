"""From a ranking to a slate: rules that admit, caps, diversity, variants and reasons."""

from endcap.slate.arrangement import Arranged, arranged, capped, shortage, variant
from endcap.slate.reasons import FEWEST_PEOPLE, Witness, reasons
from endcap.slate.rules import admit

__all__ = ["FEWEST_PEOPLE", "Arranged", "Witness", "admit", "arranged", "capped", "reasons", "shortage", "variant"]
