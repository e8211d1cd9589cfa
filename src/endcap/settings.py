"""The settings tree: how this installation runs. Knows names, units and defaults, not who reads them.

Values come from `endcap.toml` in the shop's folder and from the environment, which wins:
`ENDCAP_SERVING__DEADLINE_MS=80` sets `deadline_ms` of `[serving]`. What merchandisers decide is in the policy instead.
"""

import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from endcap.errors import InvalidSettings

PREFIX: Final = "ENDCAP_"


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("expected an IANA time zone such as Europe/Berlin") from None
    return name


def _listed(given: Any) -> Any:
    return [part.strip() for part in given.split(",") if part.strip()] if isinstance(given, str) else given


def _origins(origins: list[str]) -> list[str]:
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or origin != f"{parts.scheme}://{parts.netloc}" or "*" in origin:
            raise ValueError("expected origins such as https://www.example.com, without path and wildcard")
    return origins


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ShopSettings(_Section):
    """What is true of the whole shop; set when the shop is made and never changed after the first import."""

    currency: str = Field(default="EUR", pattern="^[A-Z]{3}$", description="ISO 4217 code of the base currency")
    timezone: Annotated[str, AfterValidator(_known_zone)] = Field(
        default="UTC", description="IANA zone in which times without an offset are read"
    )


class ServingSettings(_Section):
    """The HTTP server."""

    host: str = Field(default="127.0.0.1", description="address to listen on; without keys loopback only")
    port: int = Field(default=8765, ge=0, le=65535, description="TCP port; 0 takes a free one")
    keys: Literal["required", "off"] = Field(
        default="required", description="whether calls need an API key; off is for trying out, on loopback only"
    )
    storefront: bool = Field(
        default=False, description="whether the server shows the shop's pages, for trying out: on loopback only"
    )
    deadline_ms: int = Field(
        default=100, ge=1, le=60_000,
        description="milliseconds a request may wait: after half of them no ranker, after all popularity alone",
    )  # fmt: skip
    max_in_flight_requests: int = Field(
        default=64, ge=1, le=100_000, description="requests in progress at once; more are answered 503 with Retry-After"
    )
    max_body_bytes: int = Field(
        default=4_000_000, ge=1_000, description="bytes of the largest request body; a larger one is answered 413"
    )
    body_timeout_s: int = Field(
        default=10, ge=1, le=600, description="seconds a caller has for a whole request; a slower one is answered 408"
    )
    publishable_requests_per_s: int = Field(
        default=2_000, ge=1, description="requests a second of one publishable key; more are answered 429"
    )
    publishable_events_per_s: int = Field(
        default=10_000, ge=1, description="lines of events a second of one publishable key"
    )
    secret_requests_per_s: int = Field(default=2_000, ge=1, description="requests a second of one secret key")
    secret_events_per_s: int = Field(
        default=20_000, ge=1, description="lines of events, or items, a second of one secret key"
    )
    admin_requests_per_s: int = Field(default=5_000, ge=1, description="requests a second of one admin key")
    admin_events_per_s: int = Field(
        default=500_000, ge=1, description="lines of events, or items, a second of one admin key"
    )
    cors_origins: Annotated[list[str], BeforeValidator(_listed), AfterValidator(_origins)] = Field(
        default=[], description="origins whose pages may call from browsers; as a variable parted by commas"
    )
    access_log: Literal["failures", "all", "none"] = Field(
        default="failures", description="which requests get a log line; lines hold no ids, queries or bodies"
    )
    snapshot_poll_ms: int = Field(
        default=1_000, ge=50, description="milliseconds between looks at the registry's current label"
    )
    decision_flush_ms: int = Field(
        default=500, ge=10, le=1_000, description="milliseconds a decision may wait before it is in the log"
    )
    decision_kept_s: int = Field(default=600, ge=0, description="seconds a decision is kept in memory beside the log")
    checkpoint_s: int = Field(default=60, ge=1, description="seconds between checkpoints of shelf and shopper state")
    refresh_after_s: int = Field(
        default=20, ge=0, le=86_400,
        description="seconds from a new or changed item to the refresh that brings it into the lists; 0 turns it off",
    )  # fmt: skip
    drain_s: int = Field(default=10, ge=1, description="seconds that requests in progress get to end at shutdown")


class Settings(_Section):
    """The tree; every leaf has a line in `docs/settings.md`."""

    shop: ShopSettings = ShopSettings()
    serving: ServingSettings = ServingSettings()


def leaves() -> Iterator[str]:
    """The dotted name of every setting.

    >>> {"shop.currency", "serving.deadline_ms"} <= set(leaves())
    True
    """
    for section, branch in Settings():
        yield from (f"{section}.{leaf}" for leaf, _ in branch)


def read_settings(toml: str, environ: Mapping[str, str], source: str = "endcap.toml") -> Settings:
    """The settings in `toml`, overlaid by `environ`; `source` names the file in messages.

    >>> read_settings("", {"ENDCAP_SERVING__DEADLINE_MS": "80"}).serving.deadline_ms
    80

    Raises: InvalidSettings.
    """
    try:
        tree: dict[str, Any] = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise InvalidSettings(f"{source} is not TOML: {error}; correct that line") from None
    origins: dict[str, str] = {}
    for variable, text in sorted(environ.items()):
        section, separator, leaf = variable.removeprefix(PREFIX).lower().partition("__")
        if not variable.startswith(PREFIX) or not separator:
            continue
        branch = tree.setdefault(section, {})
        if isinstance(branch, dict):
            branch[leaf] = text
        origins[f"{section}.{leaf}"] = variable
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise InvalidSettings(_complaint(error, source, origins)) from None


def _complaint(error: ValidationError, source: str, origins: Mapping[str, str]) -> str:
    """The first thing that is wrong, with where it stands, what was expected and the nearest name."""
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    origin = origins.get(name, source)
    if first["type"] == "extra_forbidden":
        known = list(leaves()) if "." in name else list(Settings.model_fields)
        near = get_close_matches(name, known, 1, 0.5)
        remedy = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        return f"{origin}: there is no setting {name}; {remedy}"
    expected = str(first["msg"]).removeprefix("Value error, ")
    return f"{origin}: {name} is {first['input']!r}; {expected[0].lower() + expected[1:]} (see docs/settings.md)"
