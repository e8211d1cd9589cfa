"""`endcap keys`: who may call the HTTP interface."""

import os
from enum import StrEnum
from typing import Annotated

import typer

from endcap.cli.options import SHOP, ShopOption

keys = typer.Typer(
    help="Make, list, rotate and revoke API keys; a running server follows within a second.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class ScopeOption(StrEnum):
    """What a key may do; each may do what those before it may."""

    publishable = "publishable"
    secret = "secret"  # noqa: S105 - the name of a scope
    admin = "admin"


KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="The key's id, as `endcap keys list` shows it.")]


@keys.command("create")
def create(
    scope: Annotated[
        ScopeOption,
        typer.Option(
            help="publishable: lists and events, for browsers and apps; secret: also catalog, decisions and figures, "
            "for the shop's servers; admin: everything."
        ),
    ],
    label: Annotated[str, typer.Option(help="What it is for, to know it again.")] = "",
    shop: ShopOption = SHOP,
) -> None:
    """Make a key and print its token, which is shown this once."""
    from endcap import app as root

    key, token = root.create_key(root.open_shop(shop, os.environ), scope.value, label)
    typer.echo(token)
    typer.echo(f"Key {key.id} is {key.scope}; only its digest is kept, so note the token now.", err=True)


@keys.command("list")
def list_all(shop: ShopOption = SHOP) -> None:
    """List the keys that hold: id, scope, label, when made, last used and when they end."""
    from endcap import app as root

    found = root.list_keys(root.open_shop(shop, os.environ))
    typer.echo(f"{'id':<10}{'scope':<13}{'made':<18}{'last used':<18}{'ends':<18}label")
    for key, used in found:
        ends = _minute(key.expires, "-")
        made = _minute(key.created, "-")
        typer.echo(f"{key.id:<10}{key.scope:<13}{made:<18}{_minute(used, 'never'):<18}{ends:<18}{key.label}".rstrip())


@keys.command("rotate")
def rotate(
    key: KeyArgument,
    grace_hours: Annotated[
        float, typer.Option(min=0, max=8_760, help="Hours for which the old key still holds.")
    ] = 24.0,
    shop: ShopOption = SHOP,
) -> None:
    """Make a new key of the same scope and label; the old one holds for the grace given."""
    from endcap import app as root

    fresh, token = root.rotate_key(root.open_shop(shop, os.environ), key, grace_hours)
    typer.echo(token)
    typer.echo(f"Key {fresh.id} takes the place of {key}, which ends in {grace_hours:g} hours.", err=True)


@keys.command("revoke")
def revoke(key: KeyArgument, shop: ShopOption = SHOP) -> None:
    """Take a key away at once."""
    from endcap import app as root

    gone = root.revoke_key(root.open_shop(shop, os.environ), key)
    typer.echo(f"Key {gone.id} ({gone.scope}) is revoked; a running server refuses it within a second.")


def _minute(at: int | None, absent: str) -> str:
    from endcap.domain.instants import iso

    return absent if at is None else iso(at)[:16].replace("T", " ")
