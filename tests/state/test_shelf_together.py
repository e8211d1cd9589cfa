"""Changes applied together leave the shelf that they leave one by one."""

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings
from msgspec import structs

from endcap.domain.catalog import Change
from endcap.ingest.checkpoint import pack_shelf
from endcap.state import Shelf

ROWS = 90
GROUPS = 6

told = st.builds(
    Change,
    row=st.just(0),
    at=st.integers(0, 4),
    group=st.none() | st.integers(ROWS, ROWS + GROUPS - 1),
    listed=st.none() | st.booleans(),
    price=st.none() | st.integers(-1, 3),
    sale_price=st.none() | st.integers(-1, 3),
    stock=st.none() | st.integers(-1, 2),
    brand=st.none() | st.sampled_from(["", "Acme", "Brook"]),
    category=st.none() | st.sampled_from([(), ("A",), ("A", "B")]),
    text=st.dictionaries(st.sampled_from(["color", "size", "title"]), st.sampled_from(["", "x", "y"])),
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.large_base_example, HealthCheck.data_too_large])
@given(st.lists(st.lists(told, min_size=70, max_size=ROWS), min_size=1, max_size=3))
def test_changes_of_many_rows_together_are_the_same_as_one_by_one(batches: list[list[Change]]) -> None:
    together, alone = Shelf(), Shelf()
    for shelf in (together, alone):
        shelf.reserve(ROWS + GROUPS)
    for batch in batches:
        changes = [structs.replace(change, row=row) for row, change in enumerate(batch)]
        together.apply_all(changes)
        for change in changes:
            alone.apply(change)
        assert pack_shelf(together) == pack_shelf(alone)


def test_changes_of_one_row_together_count_in_their_order() -> None:
    shelf = Shelf()
    shelf.apply_all([Change(row % 3, 1, price=row) for row in range(200)])
    assert shelf.price[:3].tolist() == [198, 199, 197]
