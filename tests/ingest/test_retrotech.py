"""The example on its own data: a catalog of names alone, with ids that come twice."""

from pathlib import Path

import pytest

from endcap.ingest import Ports
from endcap.ingest.catalog import import_catalog
from endcap.ingest.mapping import CatalogMapping, read_mapping

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "retrotech_catalog" / "products.parquet"


@pytest.mark.skipif(not DATA.exists(), reason="the RetroTech catalogue is not beside the repository")
def test_of_products_with_one_code_the_last_counts(shop: Ports, now: int) -> None:
    mapping = read_mapping(ROOT / "examples" / "retrotech" / "catalog.toml", CatalogMapping)
    summary = import_catalog(shop, DATA, mapping, now)
    assert (summary.rows, summary.new_items, summary.repeated, summary.quarantined) == (48_194, 46_156, 2_038, 0)
    assert int(shop.shelf.listed.sum()) == summary.fresh == 46_156
    assert (shop.shelf.price == -1).all()
    assert import_catalog(shop, DATA, mapping, now).fresh == 0
