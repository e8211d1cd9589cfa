"""What the columns of a recognised file mean: mappings that need no file, over the names that formats give.

A format of the catalog gives Merchant names, one of events GA4 names. Binding, checks and quarantine are those of any
mapping. Does not know how a format is read.
"""

from pathlib import Path
from typing import Any, Final

from endcap.formats import Table
from endcap.ingest.mapping import CatalogMapping, EventFields, EventsMapping, ItemFields

_BUILT_IN: Final = Path("(built in)")


def events_mapping(table: Table) -> EventsMapping:
    """The mapping of a table whose columns have the names of events' fields."""
    return EventsMapping.model_validate(
        {"path": _BUILT_IN, "kind": "events", "fields": _own(table, EventFields.model_fields)}
    )


def catalog_mapping(table: Table) -> CatalogMapping:
    """The mapping of a table of Merchant names."""
    return CatalogMapping.model_validate(
        {"path": _BUILT_IN, "kind": "catalog", "fields": _own(table, ItemFields.model_fields)}
    )


def _own(table: Table, fields: dict[str, Any]) -> dict[str, str]:
    return {name: name for name in table.schema if name in fields}
