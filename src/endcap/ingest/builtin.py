"""What the columns of a recognised file mean: mappings that need no file, over the names that formats give.

A format of the catalog gives Merchant names, one of events GA4 names. Binding, checks and quarantine are those of any
mapping. Does not know how a format is read.
"""

from pathlib import Path
from typing import Any, Final

from endcap.formats import Table
from endcap.formats.ga4 import FLAT
from endcap.formats.merchant import TEXTS
from endcap.ingest.mapping import CatalogMapping, EventFields, EventsMapping, ItemFields

_BUILT_IN: Final = Path("(built in)")
_PATHS: Final = ("product_type", "google_product_category")
_STAMP: Final = "CAST(event_timestamp AS number)"
_MICROSECONDS: Final = (
    f"CASE WHEN {_STAMP} >= 100000000000000 THEN CAST({_STAMP} / 1000 AS time) "
    f"WHEN {_STAMP} >= 100000000000 THEN CAST({_STAMP} AS time) ELSE CAST({_STAMP} * 1000 AS time) END"
)
"""Microseconds, or milliseconds or seconds by their size."""
_WINDOW: Final = "sale_price_effective_date"


def events_mapping(table: Table) -> EventsMapping:
    """The mapping of a table whose columns have the names of events' fields, or those of a flat export of GA4."""
    fields = _own(table, EventFields.model_fields)
    if "clock" in table.schema:
        fields["time"] = "coalesce(CAST(clock AS time), CAST(time AS time))"
    if "event_name" in table.schema:
        named = {name: [f'"{each}"' for each in columns if each in table.schema] for name, columns in FLAT.items()}
        fields = {name: columns[0] for name, columns in named.items() if columns}
        fields["time"] = _MICROSECONDS
        if {"visitor_id", "session_id"} <= fields.keys():
            session, visitor = fields["session_id"], fields["visitor_id"]
            whole = f"concat({visitor}, '.', CAST({session} AS text))"
            fields["session_id"] = f"CASE WHEN {session} IS NOT NULL THEN {whole} END"
    return EventsMapping.model_validate({"path": _BUILT_IN, "kind": "events", "fields": fields})


def catalog_mapping(table: Table) -> CatalogMapping:
    """The mapping of a table of Merchant names. A price without a sale's price ends a sale, whatever was before."""
    columns = table.schema.keys()
    fields = _own(table, ItemFields.model_fields)
    paths = [name for name in _PATHS if name in columns]
    if paths:
        fields["category"] = f"coalesce({', '.join(paths)})"
    if "price" in columns:
        fields.setdefault("sale_price", "NULL")
    if _WINDOW in columns and "sale_price" in fields:
        fields["sale_start"] = f"nullif(trim(split_part({_WINDOW}, '/', 1)), '')"
        fields["sale_end"] = f"nullif(trim(split_part({_WINDOW}, '/', 2)), '')"
    if "quantity" in columns:
        fields["stock"] = "quantity"
    if "cost_of_goods_sold" in columns:
        fields["cost"] = "cost_of_goods_sold"
    text = {name: name for name in (_PATHS[1], *TEXTS) if name in columns}
    return CatalogMapping.model_validate({"path": _BUILT_IN, "kind": "catalog", "fields": fields, "text": text})


def _own(table: Table, fields: dict[str, Any]) -> dict[str, str]:
    return {name: name for name in table.schema if name in fields}
