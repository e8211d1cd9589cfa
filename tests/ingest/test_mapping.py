"""Mapping files: what is wrong with one is said all at once, with file, key, what was given and what is expected."""

from collections.abc import Callable
from pathlib import Path

import pytest

from endcap.errors import InvalidFeed
from endcap.expressions import parse
from endcap.ingest.mapping import CatalogMapping, EventsMapping, read_mapping

Write = Callable[[str, str], Path]

GOOD = """
kind = "events"
timezone = "Europe/London"
[fields]
name = "'purchase'"
time = "bought at"
item_id = "sku"
visitor_id = '"visitor id"'
quantity = 1
"""


def complaint(write: Write, text: str) -> str:
    path = write("m.toml", text)
    with pytest.raises(InvalidFeed) as error:
        read_mapping(path, EventsMapping)
    assert str(path) in str(error.value)
    return str(error.value)


def test_values_are_expressions_and_constants(written: Write) -> None:
    mapping = read_mapping(written("m.toml", GOOD.replace("bought at", "at")), EventsMapping)
    assert {name: formula.tree for name, formula in mapping.formulas().items()} == {
        "name": parse("'purchase'"),
        "time": parse("at"),
        "item_id": parse("sku"),
        "visitor_id": parse('"visitor id"'),
        "quantity": parse("1"),
    }


def test_all_mistakes_are_told_at_once(written: Write) -> None:
    says = complaint(written, GOOD.replace("item_id", "itemid").replace("London", "Londn") + "keep = []\n")
    for part in (
        "timezone is 'Europe/Londn': no such time zone",
        "fields.time is 'bought at': expected an operator or the end, not 'at'",
        "fields.item_id is missing",
        "fields.itemid is not known; did you mean item_id?",
        "fields.keep is not known",
    ):
        assert part in says


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind = ", "is no TOML"),
        ("kind = 'events'\nfields = 3", "fields"),
        (GOOD.replace("quantity = 1", "quantity = [1]"), "fields.quantity is [1]: expected a column's name"),
        (GOOD.replace("kind = ", "keeps = 'x'\nkind = "), "keeps is not known; did you mean keep?"),
        (GOOD.replace('"events"', '"catalog"'), "kind is 'catalog', and a mapping with kind = 'events' is needed here"),
        ("currency = 'pounds'\n" + GOOD, "currency is 'pounds'"),
        (GOOD + "[types]\nsku = 'string'\n", "types.sku is 'string'"),
    ],
)
def test_a_mapping_of_another_shape_is_refused(written: Write, text: str, says: str) -> None:
    assert says in complaint(written, text)


def test_a_mapping_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidFeed, match=r"nowhere\.toml cannot be read: No such file"):
        read_mapping(tmp_path / "nowhere.toml", CatalogMapping)


def test_the_names_of_text_attributes_are_checked(written: Write) -> None:
    path = written("m.toml", 'kind = "catalog"\n[fields]\nid = "a"\n[text]\n"Color!" = "b"\n')
    with pytest.raises(InvalidFeed, match="Color!"):
        read_mapping(path, CatalogMapping)
