"""HTTP in, slate out, decision logged: the edge around the pure recommender, and the only async orchestration.

Knows calls, deadlines and the degradation ladder. Does not know adapters or settings: the composition root opens a
`Floor` and hands it over.
"""

from endcap.serving.desk import Clocks, Desk
from endcap.serving.floor import Floor, Options
from endcap.serving.routes import Doors
from endcap.serving.web import Hooks, Pages, application

__all__ = ["Clocks", "Desk", "Doors", "Floor", "Hooks", "Options", "Pages", "application"]
