"""From a ranking to a slate: rules that admit, caps, diversity, variants and reasons."""

from endcap.slate.arrangement import arranged, capped, shortage, variant
from endcap.slate.reasons import FEWEST_PEOPLE, Witness, reasons
from endcap.slate.rules import admit

__all__ = ["FEWEST_PEOPLE", "Witness", "admit", "arranged", "capped", "reasons", "shortage", "variant"]
