"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Final

import typer

SHOP_VARIABLE: Final = "ENDCAP_SHOP"
SHOP: Final = Path("shop")
ShopOption = Annotated[Path, typer.Option("--shop", envvar=SHOP_VARIABLE, help="The shop's folder.")]
