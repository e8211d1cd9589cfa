"""What moves the shoppers of a simulated shop: each effect can be there or not. Knows no formula."""

from dataclasses import dataclass, fields
from typing import Final


@dataclass(frozen=True, slots=True)
class Effects:
    """Which effects the truth of a shop has; a claim about one is tried on two shops that differ in it.

    `appeal`: some products please everybody. `taste`: each person likes other styles and prices. `habit`: people come
    for other categories. `mission`: what one came for and looked at last decides what one looks at next. `season`,
    `novelty`, `promotion`, `stock`: of category, product, price and sold-out products. `repeat`: what runs out is
    bought again, other things are not. `position`: the eye tires down a list. `context`: referrer, hour, region.
    """

    appeal: bool = True
    taste: bool = True
    habit: bool = True
    mission: bool = True
    season: bool = True
    novelty: bool = True
    promotion: bool = True
    stock: bool = True
    repeat: bool = True
    position: bool = True
    context: bool = True


EVERY_EFFECT: Final = Effects()
NO_EFFECT: Final = Effects(*(False for _ in fields(Effects)))
"""The null shop: all products are alike to everybody, always and everywhere, so nothing can be learned there."""
