"""Training profiles as TOML: a shape, and the fields in which a profile differs from that shape's default.

Knows what a field may hold, by its type and name. Does not know what the fields do, nor which of them are worth a look.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from difflib import get_close_matches
from math import isfinite
from typing import Any, Final, Literal, NamedTuple, get_args, get_origin, get_type_hints

from endcap.errors import InvalidSettings
from endcap.ranking.trees import MOST_LEAVES
from endcap.training.profile import BASKETS, REVIEWS, SESSIONS, Profile
from endcap.training.sources import ATTENTION, LAYERS

SHAPES: Final = {profile.shape: profile for profile in (SESSIONS, BASKETS, REVIEWS)}
SPACES: Final = ("factors", "vectors", "content")
SOURCES: Final = tuple(name for added in LAYERS.values() for name in added)
NAMES: Final = (*SOURCES, ATTENTION, *(f"near_{space}" for space in SPACES))
"""What `left_out` may name."""

_LARGEST: Final = 1_000_000
_MOST: Final = {"leaves": MOST_LEAVES, "parts": 20}
_SHARES: Final = frozenset({"decay", "step_decay", "personal_basket_decay", "learning_rate", "rate", "kept"})
_MAY_BE_NOTHING: Final = frozenset({
    "window", "decay", "backward", "size_power", "popularity_power", "shrinkage", "least_steps", "idf_power", "again",
    "negatives", "quotas", "l2", "regularization", "step_decay", "own_power", "decay_days",
})  # fmt: skip
"""Numbers that may be 0; all others are above it."""


def parse_profile(text: str, named: str) -> Profile:
    """The profile of a TOML text; `named` says in messages where it stands. Raises: InvalidSettings."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidSettings(f"{named} is not TOML: {error}; correct that line") from None
    shape = document.pop("shape", None)
    if not isinstance(shape, str) or shape not in SHAPES:
        given = "is missing" if shape is None else f"is {shape!r}"
        raise InvalidSettings(f"{named}: shape {given}; expected one of {', '.join(SHAPES)}")
    profile: Profile = _overlaid(SHAPES[shape], document, f"{named}: ")
    return profile


def profile_text(profile: Profile, heading: str = "") -> str:
    """`profile` as TOML that `parse_profile` reads back; `heading` stands above as a comment."""
    lines = [f"# {line}".rstrip() for line in heading.splitlines()]
    lines.append(f'shape = "{profile.shape}"')
    tables: list[str] = []
    for name, value in _differing(profile, SHAPES[profile.shape]):
        if isinstance(value, Mapping):
            tables += ["", f"[{name}]", *(f"{key} = {_written(each)}" for key, each in value.items())]
        else:
            lines.append(f"{name} = {_written(value)}")
    return "\n".join([*lines, *tables]) + "\n"


def differences(profile: Profile) -> int:
    """In how many fields `profile` differs from the default of its shape."""
    found = _differing(profile, SHAPES[profile.shape])
    return sum(len(value) if isinstance(value, Mapping) and name != "quotas" else 1 for name, value in found)


def _differing(profile: Any, default: Any) -> Iterator[tuple[str, Any]]:
    """Fields that differ; of a nested configuration a mapping of its own."""
    for field in fields(profile):
        value, usual = getattr(profile, field.name), getattr(default, field.name)
        if field.name == "shape" or value == usual:
            continue
        nested = is_dataclass(value) and is_dataclass(usual)
        yield field.name, dict(_differing(value, usual)) if nested else value


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, frozenset | tuple):
        return f"[{', '.join(map(_written, sorted(value) if isinstance(value, frozenset) else value))}]"
    return repr(value)


def _overlaid(default: Any, table: Mapping[str, Any], where: str) -> Any:
    """`default`, a configuration, with the fields that `table` names."""
    types = get_type_hints(type(default))
    types.pop("shape", None)
    found = {}
    for name, value in table.items():
        if name not in types:
            raise InvalidSettings(f"{where}{name} is unknown{_nearest(name, tuple(types))}")
        found[name] = _read(_Field(name, where + name, types[name]), value, getattr(default, name))
    return replace(default, **found)


class _Field(NamedTuple):
    """A field's own name, where it stands, and its type."""

    name: str
    where: str
    kind: Any

    def refused(self, value: Any, expected: str) -> InvalidSettings:
        return InvalidSettings(f"{self.where} is {value!r}; expected {expected}")


def _read(field: _Field, value: Any, default: Any) -> Any:
    """`value` as the field holds it, refused where it is of another type or beyond what the field may hold."""
    if is_dataclass(default):
        return _overlaid(default, _table(field, value), f"{field.where}.")
    if isinstance(default, Mapping):
        _known(field, _table(field, value), SOURCES)
        return {
            name: _number(field._replace(where=f"{field.where}.{name}", kind=int), each) for name, each in value.items()
        }
    if field.kind is bool or get_origin(field.kind) is Literal:
        return _chosen(field, value)
    if get_origin(field.kind) is frozenset:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise field.refused(value, "a list of names")
        _known(field, value, NAMES)
        return frozenset(value)
    if get_origin(field.kind) is tuple:
        if not isinstance(value, list) or not value:
            raise field.refused(value, "a list of whole numbers")
        return tuple(_number(field._replace(kind=int), each) for each in value)
    return _number(field, value)


def _table(field: _Field, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise field.refused(value, "a table")
    return value


def _chosen(field: _Field, value: Any) -> Any:
    expected = (False, True) if field.kind is bool else get_args(field.kind)
    if type(value) not in {type(each) for each in expected} or value not in expected:
        raise field.refused(value, f"one of {', '.join(map(_written, expected))}")
    return value


def _known(field: _Field, given: Iterable[str], names: tuple[str, ...]) -> None:
    for name in given:
        if name not in names:
            raise InvalidSettings(f"{field.where} names {name!r}, which is no source{_nearest(name, names)}")


def _number(field: _Field, value: Any) -> int | float:
    """A number that the field may be: a whole one where its type is int."""
    nothing, most = field.name in _MAY_BE_NOTHING, 1 if field.name in _SHARES else _MOST.get(field.name, _LARGEST)
    right = type(value) is int or (field.kind is float and type(value) is float and isfinite(value))
    if not right or not 0 <= value <= most or not (value or nothing):
        noun = "a whole number" if field.kind is int else "a number"
        raise field.refused(value, f"{noun} {'from 0' if nothing else 'above 0,'} to {most:,}")
    number: int | float = field.kind(value)
    return number


def _nearest(name: str, names: tuple[str, ...]) -> str:
    near = get_close_matches(name, names, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; expected one of {', '.join(sorted(names))}"
