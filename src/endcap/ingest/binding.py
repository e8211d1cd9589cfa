"""A mapping bound to the columns of one file: batches of its rows become typed fields, misfits go to the quarantine.

Knows types, names and what may be shown of a misfit. Does not know what a field means.
"""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Mapping_
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from endcap.errors import InvalidFeed
from endcap.expressions import Expression, InvalidExpression, Type, columns_of, type_of
from endcap.expressions.nodes import Column
from endcap.expressions.parser import suggestion
from endcap.formats import Table
from endcap.formats.columns import Layout, canonical, compiled, converted, integral, stored_type
from endcap.ingest.mapping import Formula, Mapping
from endcap.ingest.quarantine import WITHHELD, Quarantine

ROW: Final = "\0row"
"""The column of row numbers beside the fields; a zero character begins no field's or column's name."""

_WRONG: Final = "\0wrong"
_TYPES: Final = "types."
"""Begins the name of a column that the mapping declares the type of, checked like a field."""


class Check(NamedTuple):
    """A row of which `bad` is true does not fit, for its value of `field`."""

    field: str
    bad: pl.Expr
    reason: str


class Fields(NamedTuple):
    """What a mapping's fields are to be: their types, text unless named, and which ones are about a person."""

    types: dict[str, Type]
    personal: frozenset[str] = frozenset()


class Fitting(NamedTuple):
    """What a batch came to: the fields of the rows that fit and of those that do not, rows read, rows left out.

    `beside` counts rows that are not of `Among`, by what they have instead; `last` is the number of the last row, and
    `torn` says how many rows that cannot be read were told until then.
    """

    fields: pl.DataFrame
    misfits: pl.DataFrame
    rows: int
    left_out: int
    beside: Mapping_[str, int] = {}
    last: int = 0
    torn: int = 0


class Past(NamedTuple):
    """What was read before: the rows up to `row`, but for those that were `waiting`, and so many that are `torn`."""

    row: int = 0
    torn: int = 0
    waiting: Sequence[int] = ()


NOTHING_READ: Final = Past()


class Among(NamedTuple):
    """Rows of which `fits` is false are left out before they are checked, and counted by their `field`."""

    field: str
    fits: pl.Expr


@dataclass(frozen=True, slots=True)
class _Field:
    """One field: its value in the wanted type, whether it failed to convert, and its text before, or "(withheld)"."""

    name: str
    wanted: Type
    value: pl.Expr
    failed: pl.Expr | None
    text: pl.Expr


@dataclass(frozen=True, slots=True)
class Binding:
    """How to read the fields from `file`; made by `bind`. `stored` are the needed columns in canonical form."""

    file: Table
    stored: dict[str, pl.Expr]
    keep: pl.Expr
    fields: tuple[_Field, ...]

    def batches(
        self, checks: Sequence[Check], quarantine: Quarantine, among: Among | None = None, past: Past = NOTHING_READ
    ) -> Iterator[Fitting]:
        """The fields of the fitting rows, batch by batch, a `ROW` number beside them; misfits go to `quarantine`.

        What is `past` is passed over. `checks` see the fields; the first that is bad names the reason,
        failed conversions before all.
        """
        failed = {f"\0{field.name}": field.failed for field in self.fields if field.failed is not None}
        unread = (Check(field.name, pl.col(f"\0{field.name}"), f"is not a {field.wanted}") for field in self.fields)
        checks = [*(check for check in unread if f"\0{check.field}" in failed), *checks]
        told = [field.name for field in self.fields if not field.name.startswith(_TYPES)]
        last, torn = past.row, past.torn
        for all_numbers, whole in self.file.batches(tuple(self.stored)):
            coming = all_numbers > past.row
            if past.waiting:
                coming |= np.isin(all_numbers, past.waiting)
            numbers, frame = all_numbers[coming], whole.filter(coming) if past.row else whole
            if not len(numbers) and len(self.file.torn) <= torn:
                continue
            stored = frame.select(**self.stored).with_columns(pl.Series(ROW, numbers))
            kept = stored.filter(self.keep)
            fields = kept.select(ROW, **{field.name: field.value for field in self.fields}, **failed)
            beside: dict[str, int] = {}
            if among is not None:
                strange = ~among.fits.fill_null(True)
                beside = dict(fields.filter(strange)[among.field].value_counts().iter_rows())
                kept = kept.filter(fields.select(~strange).to_series()) if beside else kept
                fields = fields.filter(~strange) if beside else fields
            wrong = _first_bad(fields, checks)
            self._put_away(kept.with_columns(wrong), checks, quarantine)
            news = self.file.torn[torn:]
            torn += len(news)
            for number, reason in news:
                quarantine.add(number, "", WITHHELD, reason)
            fitting, misfits = (
                fields.filter(chosen).select(ROW, *told) for chosen in (wrong.is_null(), wrong.is_not_null())
            )
            left_out = len(stored) - len(kept) - sum(beside.values())
            last = max(last, int(numbers[-1])) if len(numbers) else last
            yield Fitting(fitting, misfits, len(frame) + len(news), left_out, beside, last, torn)

    def told(self, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        """These fields of all rows, fitting or not, for a look ahead; what is torn is told when they are imported."""
        chosen = {field.name: field.value for field in self.fields if field.name in names}
        for _, frame in self.file.batches(tuple(self.stored)):
            yield frame.select(**self.stored).select(**chosen)
        self.file.torn.clear()

    def _put_away(self, kept: pl.DataFrame, checks: Sequence[Check], quarantine: Quarantine) -> None:
        misfits = kept.filter(pl.col(_WRONG).is_not_null())
        if misfits.is_empty():
            return
        texts = {field.name: field.text for field in self.fields}
        for misfit in misfits.select(ROW, _WRONG, **texts).iter_rows(named=True):
            field, _, reason = checks[misfit[_WRONG]]
            quarantine.add(misfit[ROW], field, misfit.get(field), reason)


def _first_bad(fields: pl.DataFrame, checks: Sequence[Check]) -> pl.Series:
    bad = [pl.when(check.bad).then(pl.lit(place, pl.Int16)) for place, check in enumerate(checks)]
    return fields.select(pl.coalesce([*bad, pl.repeat(None, pl.len(), dtype=pl.Int16)]).alias(_WRONG)).to_series()


def bind(mapping: Mapping, file: Table, timezone: str, fields: Fields) -> Binding:
    """`mapping` over the columns of `file`; naive times are meant in `timezone`.

    Raises: InvalidFeed where a column is missing or cannot be read, or an expression has the wrong type for it.
    """
    formulas = mapping.formulas()
    if mapping.keep:
        formulas["keep"] = mapping.keep
    needed = _columns(formulas.values())
    layout = _layout(mapping, file, timezone, needed)
    for name, formula in formulas.items():
        _check(mapping, file, name, formula, layout)
    keep = formulas.pop("keep", None)
    personal = _columns(formula for name, formula in formulas.items() if name in fields.personal)
    declared = replace(layout, declared={})
    bound = [
        *(
            _field(_TYPES + name, Column(name), type_, declared, name in personal)
            for name, type_ in layout.declared.items()
        ),
        *(
            _field(name, formula.tree, fields.types.get(name, "text"), layout, bool(_columns([formula]) & personal))
            for name, formula in formulas.items()
        ),
    ]
    names = [name for name in file.schema if name in needed] or list(layout.types)[:1]
    stored = {name: canonical(name, file.schema[name], layout.timezone) for name in names}
    binding = Binding(file, stored, compiled(keep.tree, layout) if keep else pl.lit(True), tuple(bound))
    _try_out(mapping, binding)
    return binding


def _columns(formulas: Iterable[Formula]) -> frozenset[str]:
    return frozenset[str]().union(*(columns_of(formula.tree) for formula in formulas))


def _layout(mapping: Mapping, file: Table, timezone: str, needed: frozenset[str]) -> Layout:
    types = {name: stored_type(dtype) for name, dtype in file.schema.items()}
    for name in needed & types.keys():
        if types[name] is None:
            raise InvalidFeed(
                f"{file.path}: the column {name!r} holds {file.schema[name]}, which expressions cannot read"
            )
    for name in mapping.types.keys() - types.keys():
        raise InvalidFeed(f"{mapping.path}: types.{name} is no column of {file.path}; {suggestion(name, file.schema)}")
    return Layout(
        {name: type_ for name, type_ in types.items() if type_ is not None},
        frozenset(name for name, dtype in file.schema.items() if dtype.is_integer()),
        mapping.timezone or timezone,
        mapping.time_format,
        {name: type_ for name, type_ in mapping.types.items() if name in needed},
    )


def _check(mapping: Mapping, file: Table, name: str, formula: Formula, layout: Layout) -> None:
    try:
        given = type_of(formula.tree, layout.readable(), formula.source)
    except InvalidExpression as error:
        raise InvalidFeed(f"{mapping.path}: {name} does not fit {file.path}: {error}") from error
    if name == "keep" and given not in {None, "boolean"}:
        raise InvalidFeed(f"{mapping.path}: keep is a {given}; expected a condition such as price > 0")


def _field(name: str, tree: Expression, wanted: Type, layout: Layout, hidden: bool) -> _Field:
    given = type_of(tree, layout.readable())
    raw = compiled(tree, layout)
    text = converted(raw, given, "text", layout, integral(tree, layout))
    shown = pl.lit(WITHHELD) if hidden else text
    if wanted == "text":
        stripped = text.str.strip_chars()
        return _Field(name, wanted, pl.when(stripped != "").then(stripped), None, shown)
    value = converted(raw, given, wanted, layout)
    return _Field(name, wanted, value, None if given == wanted else raw.is_not_null() & value.is_null(), shown)


def _try_out(mapping: Mapping, binding: Binding) -> None:
    """Evaluate over one empty row, so that what polars refuses, such as a too large pattern, is refused at once."""
    row = pl.DataFrame(
        {name: [None] for name in binding.stored}, schema={name: binding.file.schema[name] for name in binding.stored}
    )
    try:
        row.select(**binding.stored).select(
            binding.keep.alias("keep"), *(field.value.alias(field.name) for field in binding.fields)
        )
    except PolarsError as error:
        raise InvalidFeed(
            f"{mapping.path}: an expression cannot be evaluated: {error}; simplify its patterns"
        ) from error
