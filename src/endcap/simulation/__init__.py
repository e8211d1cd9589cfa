"""A synthetic shop with known truth: what it sells, who comes, what they do, and what a look at an item is worth.

Files leave here in the form in which a user's files arrive, and take the same way in. No clock, no global randomness:
the same seed and end give the same bytes.
"""

from endcap.simulation.choices import Choice
from endcap.simulation.effects import EVERY_EFFECT, NO_EFFECT, Effects
from endcap.simulation.figures import REAL, Figures, figures
from endcap.simulation.shop import Guest, Size, Written, read_world, showcase, write_shop
from endcap.simulation.truth import Gain, Scene, Truth
from endcap.simulation.world import World, open_world

__all__ = [
    "EVERY_EFFECT",
    "NO_EFFECT",
    "REAL",
    "Choice",
    "Effects",
    "Figures",
    "Gain",
    "Guest",
    "Scene",
    "Size",
    "Truth",
    "World",
    "Written",
    "figures",
    "open_world",
    "read_world",
    "showcase",
    "write_shop",
]
