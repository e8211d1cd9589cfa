"""Lists: a shop opened for business, one list, why it was as it was, and a server of lists."""

import secrets
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from endcap.app.shop import API_KEYS, CURRENT, LAKE, POLICY, PUBLIC_KEY, Shop, now_ms
from endcap.errors import BackendUnavailable, InvalidRequest, InvalidSettings, SnapshotRejected

if TYPE_CHECKING:
    from endcap.backends.encoder import Encoder
    from endcap.serving import Floor, Pages
    from endcap.serving.answers import DecisionAnswer
    from endcap.serving.calls import RecommendationAnswer


GUESTS: Final = "files/guests.json"
"""Beside a simulated shop's files: whom to show."""


def query_encoder(directory: Path, public_key: bytes) -> "Encoder | None":
    """What makes vectors of queries for the snapshot in `directory`; None where no item has a text."""
    from endcap.app.learning import ENCODER
    from endcap.backends.encoder.queries import lexical_queries
    from endcap.releases import read_sides

    sides = read_sides(directory, public_key)
    arrays = {name.removeprefix(ENCODER): each for name, each in sides.items() if name.startswith(ENCODER)}
    return lexical_queries(arrays) if arrays else None


def open_floor(shop: Shop, *, readonly: bool = False) -> "Floor":
    """The shop with everything that the log holds folded in. `readonly` leaves all files as they are."""
    from endcap.backends.kv.memory import MemoryKV
    from endcap.backends.tables.lake_files import forget
    from endcap.releases import hidden_in, read_snapshot
    from endcap.serving import Floor
    from endcap.serving.floor import Ground
    from endcap.serving.watch import PolicyFile

    terms, registry = shop.settings.shop, shop.registry()
    with ExitStack() as opened:
        log = opened.enter_context(closing(shop.log(readonly=readonly)))
        catalog = opened.enter_context(closing(shop.catalog()))
        ground = Ground(
            log=log,
            kv=shop.kv(),
            recent=MemoryKV(None, now_ms),
            catalog=catalog,
            policy=shop.policy if readonly else PolicyFile(shop.folder / POLICY, registry, time.monotonic).current,
            current_snapshot=lambda: registry.current("snapshot", CURRENT),
            read_snapshot=lambda version, keys: read_snapshot(
                registry.fetch("snapshot", version), shop.read_key(PUBLIC_KEY), keys
            ),
            read_encoder=lambda version: query_encoder(registry.fetch("snapshot", version), shop.read_key(PUBLIC_KEY)),
            hidden_sessions=lambda version, erasures: hidden_in(
                registry.fetch("snapshot", version), shop.secret(), erasures
            ),
            forget_lines=partial(forget, shop.folder / LAKE),
            secret=shop.secret(),
            currency=terms.currency,
            timezone=terms.timezone,
            readonly=readonly,
            refresh=(sys.executable, "-m", "endcap", "refresh", "--shop", str(shop.folder)),
        )
        floor = Floor(ground)
        opened.pop_all()
    return floor


class Listed(NamedTuple):
    """A list, and why its decision is not in the log (empty: it is)."""

    answer: "RecommendationAnswer"
    not_logged: str = ""


def recommend(shop: Shop, wanted: Mapping[str, Any]) -> Listed:
    """One list for a call of the HTTP interface's shape. Raises: InvalidRequest."""
    import msgspec

    from endcap.serving import writing
    from endcap.serving.answers import recommendation
    from endcap.serving.calls import RecommendationCall
    from endcap.serving.lists import Chosen, decide
    from endcap.serving.problems import Refusal

    not_logged = ""
    try:
        floor = open_floor(shop)
    except BackendUnavailable as error:
        floor, not_logged = open_floor(shop, readonly=True), str(error)
    with closing(floor):
        chosen = Chosen(secrets.token_urlsafe(16), now_ms())
        try:
            decision = decide(floor, floor.current(), msgspec.convert(wanted, RecommendationCall), chosen)
        except Refusal as refused:
            raise InvalidRequest(refused.problem.detail) from None
        except msgspec.ValidationError as error:
            raise InvalidRequest(str(error)) from None
        if not not_logged:
            floor.ground.log.append("decisions", [writing.entry(chosen.recommendation_id, decision)])
        return Listed(recommendation(chosen.recommendation_id, decision, floor.showcase), not_logged)


def explain(shop: Shop, recommendation_id: str) -> "DecisionAnswer":
    """What was decided under `recommendation_id`, also while a server runs. Raises: InvalidRequest."""
    from endcap.serving import writing
    from endcap.serving.answers import explanation

    with closing(open_floor(shop, readonly=True)) as floor:
        decision = writing.find(floor.ground.log, floor.ground.recent, recommendation_id)
        if decision is None:
            raise InvalidRequest(
                f"no decision has the id {recommendation_id!r}; expected a recommendation_id that `endcap recommend` "
                "or the HTTP interface gave (one given in the last second may not be in the log yet)"
            )
        snapshot = None
        with suppress(SnapshotRejected):
            snapshot = floor.snapshot(decision.snapshot)
        return explanation(recommendation_id, decision, floor.showcase, snapshot)


def address_of(host: str, port: int) -> str:
    """Where a server is reached.

    >>> address_of("127.0.0.1", 8765), address_of("::1", 8765)
    ('http://127.0.0.1:8765', 'http://[::1]:8765')
    """
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def pages_of(shop: Shop, token: str) -> "list[Pages]":
    """What is served beside the API, as the shop's settings say; `token` is the key of the tracker in the pages."""
    import msgspec

    from endcap.console import console_routes
    from endcap.storefront import Persona, Terms, storefront, tracker_routes

    if not shop.settings.serving.storefront:
        return [tracker_routes, console_routes]
    guests = shop.folder / GUESTS
    try:
        personas = msgspec.json.decode(guests.read_bytes(), type=list[Persona]) if guests.exists() else []
    except msgspec.MsgspecError as error:
        raise InvalidSettings(
            f"{guests} cannot be read: {error}; expected a list of people, each a list of label, visitor id and user id"
        ) from None
    terms = Terms(personas, token, now_ms)
    return [tracker_routes, console_routes, storefront(terms)]


def serve(shop: Shop, announce: Callable[[str], None], ready: Callable[[str], None]) -> None:
    """Answer over HTTP until SIGINT or SIGTERM. `announce` gets the first line, `ready` the address, both once.

    Raises: InvalidSettings where the address may not be used; what `open_floor` raises.
    """
    import uvicorn

    from endcap.access import KeyFile, mint
    from endcap.app.keys import announced
    from endcap.serving import Clocks, Hooks, Options, application
    from endcap.serving.web import bounded_heads, listening, log_to_stderr

    serving = shop.settings.serving
    keyed = serving.keys == "required"
    local, tracker = mint("admin", "this start", now_ms()), mint("publishable", "this start", now_ms())
    keys = KeyFile(shop.folder / API_KEYS, time.monotonic, [local.key, tracker.key]) if keyed else None
    if keys is not None and not len(keys):
        raise InvalidSettings(
            f"{shop.folder / API_KEYS} holds no API key; make one: endcap keys create --scope secret "
            f"--shop {shop.folder}"
        )
    listener = listening(serving.host, serving.port, keyed=keyed, pages=serving.storefront)
    address = address_of(serving.host, listener.getsockname()[1])
    announce(f"{shop.folder} on {address}, {'API keys required' if keyed else 'loopback only: API keys are off'}")
    failures: list[BaseException] = []

    def failed(error: BaseException) -> None:
        failures.append(error)
        server.should_exit = True

    options = Options(*(getattr(serving, each.name) for each in fields(Options)))
    clocks = Clocks(now_ms, time.perf_counter, lambda: secrets.token_urlsafe(16))

    def opened() -> None:
        write_running()
        ready(address)

    hooks = Hooks(opened, failed, pages_of(shop, tracker.token))
    asgi = application(lambda: open_floor(shop), keys, options, clocks, hooks)
    protocol = bounded_heads(serving.body_timeout_s)
    config = uvicorn.Config(asgi, loop="uvloop", http=protocol, ws="none", lifespan="on", log_config=None)
    config.access_log = config.server_header = False
    config.timeout_graceful_shutdown = serving.drain_s
    server = uvicorn.Server(config)
    log_to_stderr()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with listener, announced(shop, address, local.token) as write_running, suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    if failures:
        raise failures[0]
