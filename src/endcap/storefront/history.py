"""What a visitor looked at lately, from the shopper's folded state."""

from typing import Final

from endcap.domain.events import Kind
from endcap.ingest.fold import SHOPPER_PREFIX
from endcap.serving import Floor
from endcap.state import Shopper
from endcap.storefront.visitor import Visitor

MOST: Final = 24
_LOOKS: Final = (Kind.VIEW, Kind.CLICK)


def seen_lately(floor: Floor, visitor: Visitor) -> list[int]:
    """The listed rows that the visitor looked at, the latest first, one of a group; none without consent."""
    if not visitor.consent:
        return []
    shopper = floor.people.shopper(visitor.persona.user_id, visitor.persona.visitor_id)
    (packed,) = floor.ground.kv.get_many([SHOPPER_PREFIX + shopper])
    if packed is None:
        return []
    recent, shelf = Shopper.unpacked(packed).recent, floor.shelf
    found: dict[int, int] = {}
    for row, kind in zip(recent.row[::-1].tolist(), recent.kind[::-1].tolist(), strict=True):
        if kind in _LOOKS and shelf.listed[row]:
            found.setdefault(int(shelf.group[row]), row)
    return list(found.values())[:MOST]
