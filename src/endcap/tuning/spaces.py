"""What is searched: per study the fields of a profile that are worth a look, and between which values.

Bounds are wide, so that every default lies within them. Does not know how a profile is judged.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple, TypeAlias, get_type_hints

from endcap.training.profile import Profile

Values: TypeAlias = Mapping[str, float]
"""Numbers by the names of fields."""

RANKER: Final = "ranker"
NEAR: Final = "near"


class Knob(NamedTuple):
    """A field by its dotted name, its bounds, and whether its scale is logarithmic."""

    field: str
    low: float
    high: float
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether the field holds whole numbers."""
        kind: Any = Profile
        for name in self.field.split("."):
            kind = get_type_hints(kind)[name]
        return kind is int


def _memory(field: str) -> tuple[Knob, ...]:
    return (
        Knob(f"{field}.step_decay", 0.1, 1),
        Knob(f"{field}.half_life_days", 0.1, 5_000, log=True),
        Knob(f"{field}.most", 2, 64, log=True),
    )


def _pairs(field: str) -> tuple[Knob, ...]:
    return (
        Knob(f"{field}.window", 0 if field == "cooccurrence" else 1, 16),
        Knob(f"{field}.reach", 4, 150, log=True),
        Knob(f"{field}.decay", 0.2, 1),
        Knob(f"{field}.backward", 0, 1),
        Knob(f"{field}.half_life_days", 2, 5_000, log=True),
        Knob(f"{field}.size_power", 0, 2),
        Knob(f"{field}.popularity_power", 0, 1),
        Knob(f"{field}.own_power", 0, 1),
        Knob(f"{field}.shrinkage", 0.1, 300, log=True),
    )


KNOBS: Final[Mapping[str, tuple[Knob, ...]]] = {
    "sessions": (
        Knob("sessions.neighbours", 30, 3_000, log=True),
        Knob("sessions.size_power", 0, 2),
        Knob("sessions.idf_power", 0, 2),
        Knob("sessions.half_life", 0.05, 50, log=True),
        Knob("sessions.decay", 0.2, 1),
        Knob("sessions.backward", 0, 2),
        Knob("sessions.again", 0, 4),
        *_memory("session_memory"),
    ),
    "cooccurrence": _pairs("cooccurrence"),
    "transitions": _pairs("transitions"),
    "personal": (Knob("personal_basket_decay", 0.4, 1), Knob("personal_half_life", 2, 2_000, log=True)),
    "sequel": (
        Knob("sequel.epochs", 1, 16),
        Knob("sequel.reach", 1, 30, log=True),
        Knob("sequel.rate", 0.01, 0.5, log=True),
    ),
    NEAR: _memory(NEAR),
    RANKER: (
        Knob("ranker.trees", 40, 1_000, log=True),
        Knob("ranker.learning_rate", 0.02, 0.4, log=True),
        Knob("ranker.leaves", 4, 16),
        Knob("ranker.l2", 1, 500, log=True),
        Knob("quota", 20, 300, log=True),
    ),
}
"""By study: one for each source, one for what all tables of neighbours remember of a shopper, one for the ranker."""


def values_of(profile: Profile, knobs: tuple[Knob, ...]) -> dict[str, float]:
    """What `profile` holds in the fields of `knobs`."""
    return {knob.field: _at(profile, knob.field) for knob in knobs}


def with_values(profile: Profile, values: Values) -> Profile:
    """`profile` with `values`, of fractions four digits."""
    for field, value in values.items():
        profile = _with(profile, field, value if isinstance(value, int) else float(f"{value:.4g}"))
    return profile


def _at(owner: Any, field: str) -> float:
    for name in field.split("."):
        owner = getattr(owner, name)
    number: float = owner
    return number


def _with(owner: Any, field: str, value: float) -> Any:
    name, _, rest = field.partition(".")
    return replace(owner, **{name: _with(getattr(owner, name), rest, value) if rest else value})
