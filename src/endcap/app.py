"""The composition root: the only module that names concrete adapters and reads settings.

Knows a shop's folder, opens what a command needs of it, and hands it to the code that does the work. Adapters are
imported where they are opened, so that serving loads no training library.
"""

import os
import secrets
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from endcap import ingest
from endcap.backends.db import Catalog
from endcap.backends.kv import KV
from endcap.backends.log import Log
from endcap.backends.log.bodies import unpack
from endcap.backends.registry import Registry
from endcap.backends.tables import Tables
from endcap.domain.catalog import Assignment, Change
from endcap.domain.instants import parse_day
from endcap.errors import BackendUnavailable, InvalidRequest, InvalidSettings, SnapshotRejected
from endcap.policy import DEFAULT_POLICY, Policy
from endcap.settings import Settings, read_settings

if TYPE_CHECKING:
    from rich.console import RenderableType

    from endcap.serving import Floor
    from endcap.serving.calls import DecisionAnswer, RecommendationAnswer
    from endcap.training import Corpus, Protocol

SETTINGS: Final = "endcap.toml"
POLICY: Final = "policy.toml"
SHOPPER_KEY: Final = "keys/shopper.key"
SIGNING_KEY: Final = "keys/signing.key"
PUBLIC_KEY: Final = "keys/signing.pub"
CURRENT: Final = "current"
PROTOCOLS: Final = ("next-basket", "time-split")

Report = Callable[[str], None]


def now_ms() -> int:
    """The wall clock, ms UTC."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop's folder and settings; each method opens one part of it."""

    folder: Path
    settings: Settings

    def secret(self) -> bytes:
        """The key of the shoppers' hashes."""
        return self.read_key(SHOPPER_KEY)

    def read_key(self, name: str) -> bytes:
        """The 32 bytes of a key file. Raises: InvalidSettings."""
        try:
            key = (self.folder / name).read_bytes()
        except OSError as error:
            raise InvalidSettings(
                f"the key {self.folder / name} cannot be read: {error.strerror}; restore it from a backup"
            ) from None
        if len(key) != 32:
            raise InvalidSettings(
                f"the key {self.folder / name} has {len(key)} bytes, expected 32; restore it from a backup"
            )
        return key

    def policy(self) -> Policy:
        """What `policy.toml` says now. Raises: InvalidPolicy."""
        from endcap.serving.watch import read_policy

        return read_policy(self.folder / POLICY)

    def log(self, *, readonly: bool = False) -> Log:
        """The event log; one process may write."""
        from endcap.backends.log.sqlite import SqliteLog

        return SqliteLog(self.folder / "log.sqlite", readonly=readonly)

    def kv(self) -> KV:
        """Shopper state and checkpoints."""
        from endcap.backends.kv.memory import MemoryKV

        return MemoryKV(self.folder / "state.sqlite", now_ms)

    def catalog(self) -> Catalog:
        """Rows and the history of their changes."""
        from endcap.backends.db.sqlalchemy_catalog import SqlCatalog

        return SqlCatalog(f"sqlite:///{self.folder / 'catalog.sqlite'}")

    def registry(self) -> Registry:
        """Snapshots and policies."""
        from endcap.backends.registry.directory import DirectoryRegistry

        return DirectoryRegistry(self.folder / "registry")

    def tables(self) -> Tables:
        """The lake; loads a training library."""
        from endcap.backends.tables.duckdb_lake import DuckLake

        return DuckLake(self.folder / "lake")


def settings_of(folder: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings of the shop in `folder` (None: the defaults), overlaid by `environ`. Raises: InvalidSettings."""
    if folder is None:
        return read_settings("", environ)
    try:
        toml = (folder / SETTINGS).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InvalidSettings(
            f"{folder} is no shop: it has no {SETTINGS}; make one with `endcap init --shop {folder}`, or name another"
        ) from None
    return read_settings(toml, environ, str(folder / SETTINGS))


def open_shop(folder: Path, environ: Mapping[str, str]) -> Shop:
    """The shop in `folder`. Raises: InvalidSettings."""
    return Shop(folder, settings_of(folder, environ))


def initialise(folder: Path, currency: str, timezone: str) -> None:
    """Make a shop in `folder`. Raises: InvalidSettings where one stands there, or a value is impossible."""
    from endcap.releases import new_signing_key, public_key_of

    toml = f'[shop]\ncurrency = "{currency}"\ntimezone = "{timezone}"\n'
    read_settings(toml, {}, "init")
    for name in (SETTINGS, POLICY, SHOPPER_KEY, SIGNING_KEY):
        if (folder / name).exists():
            raise InvalidSettings(f"{folder / name} exists; expected a folder without a shop: choose another --shop")
    try:
        (folder / "keys").mkdir(parents=True, exist_ok=True, mode=0o700)
        signing = new_signing_key()
        _write_key(folder / SHOPPER_KEY, secrets.token_bytes(32), 0o600)
        _write_key(folder / SIGNING_KEY, signing, 0o600)
        _write_key(folder / PUBLIC_KEY, public_key_of(signing), 0o644)
        (folder / POLICY).write_text(DEFAULT_POLICY, encoding="utf-8")
        (folder / SETTINGS).write_text(toml, encoding="utf-8")
    except OSError as error:
        raise InvalidSettings(f"{folder} cannot be written: {error.strerror}; choose another --shop") from None
    shop = Shop(folder, read_settings(toml, {}))
    shop.log().close()
    shop.catalog().close()


def _write_key(path: Path, key: bytes, mode: int) -> None:
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags | os.O_EXCL, mode)) as file:
        file.write(key)


@contextmanager
def importing(shop: Shop) -> Iterator[ingest.Ports]:
    """What an import works on; at the end texts and state are made durable."""
    from endcap.ingest.fold import open_shelf
    from endcap.serving.items import open_texts

    with ExitStack() as stack:
        log = stack.enter_context(closing(shop.log()))
        catalog = stack.enter_context(closing(shop.catalog()))
        kv = stack.enter_context(closing(shop.kv()))
        terms = shop.settings.shop
        yield ingest.Ports(
            log=log,
            kv=kv,
            catalog=catalog,
            tables=shop.tables(),
            shelf=open_shelf(kv),
            secret=shop.secret(),
            quarantine=shop.folder / "quarantine",
            currency=terms.currency,
            timezone=terms.timezone,
        )
        texts = open_texts(kv)
        texts.catch_up(log)
        texts.save(kv)


def import_catalog(shop: Shop, file: Path, mapping: Path, report: ingest.Report) -> ingest.Summary:
    """Read items from `file` through `mapping`. Raises: InvalidFeed."""
    from endcap.ingest.catalog import import_catalog as read
    from endcap.ingest.mapping import CatalogMapping, read_mapping

    meaning = read_mapping(mapping, CatalogMapping)
    with importing(shop) as ports:
        return read(ports, file, meaning, now_ms(), report)


def import_events(shop: Shop, file: Path, mapping: Path, report: ingest.Report) -> ingest.Summary:
    """Read events from `file` through `mapping`. Raises: InvalidFeed."""
    from endcap.ingest.events import import_events as read
    from endcap.ingest.mapping import EventsMapping, read_mapping

    meaning = read_mapping(mapping, EventsMapping)
    with importing(shop) as ports:
        return read(ports, file, meaning, now_ms(), report)


def corpus(shop: Shop) -> "Corpus":
    """All that training reads, up to the log's end; also while a server holds the log and folds it later."""
    import pyarrow as pa
    import pyarrow.compute

    from endcap.backends.db import Recorded
    from endcap.backends.encoder.lexical import fit_lexical
    from endcap.backends.tables import Window
    from endcap.ingest.fold import CATALOG, LAKE, lake_lines
    from endcap.serving.floor import batches
    from endcap.training import Corpus

    with closing(shop.log(readonly=True)) as log, closing(shop.catalog()) as catalog:
        end, known, in_lake = log.end("events"), log.committed(CATALOG), log.committed(LAKE)
        keys = catalog.keys()
        changes = [recorded for recorded in catalog.changes() if recorded.offset <= known]
        in_files = shop.tables().interactions(Window())
        lines = [in_files.filter(pa.compute.less_equal(in_files["offset"], in_lake))]
        for records in batches(log, min(known, in_lake)):
            tail = [record for record in records if record.offset <= end]
            nouns = [(at, unpack(entry.kind, entry.version, entry.body)) for at, entry in tail if at > known]
            keys += [noun.key for _, noun in nouns if isinstance(noun, Assignment) and noun.row >= len(keys)]
            changes += [Recorded(at, noun) for at, noun in nouns if isinstance(noun, Change)]
            lines.append(lake_lines([record for record in tail if record.offset > in_lake]))
    return Corpus(pa.concat_tables(lines).unify_dictionaries(), tuple(changes), tuple(keys), end, fit_lexical)


def train(shop: Shop, report: Report) -> str:
    """Learn from all history; the version that is current now. Raises: GateRefused where there is too little."""
    from endcap.releases import write_snapshot
    from endcap.training import train as learn

    report("reading history")
    snapshot = learn(corpus(shop), None, report)
    registry = shop.registry()
    with tempfile.TemporaryDirectory(prefix=".snapshot-", dir=shop.folder) as staging:
        written = write_snapshot(snapshot, Path(staging) / "files", shop.read_key(SIGNING_KEY))
        registry.publish("snapshot", written.version, Path(staging) / "files")
    registry.label("snapshot", CURRENT, written.version)
    return written.version


class Outputs(NamedTuple):
    """The files that an evaluation writes, None: not."""

    json: Path | None = None
    predictions: Path | None = None
    chart: Path | None = None


def evaluate(shop: Shop, cut: tuple[str, str], outputs: Outputs, report: Report) -> "RenderableType":
    """The layer ladder of protocol and split date `cut`, fit to be printed. Raises: InvalidRequest, GateRefused."""
    from endcap import evaluation

    protocol, date = cut
    if protocol not in PROTOCOLS:
        raise InvalidRequest(f"--protocol {protocol} is unknown; expected {' or '.join(PROTOCOLS)}")
    try:
        split = evaluation.Split(date, parse_day(date, shop.settings.shop.timezone))
    except ValueError:
        raise InvalidRequest(f"--split {date} is no date; expected one such as 2011-10-01") from None
    report("reading history")
    history = corpus(shop)
    found = evaluation.evaluate(history, cast("Protocol", protocol), split, shop.policy(), report)
    if outputs.json:
        outputs.json.write_bytes(evaluation.to_json(found))
    if outputs.predictions:
        evaluation.write_predictions(found.predictions, history.keys, outputs.predictions)
    if outputs.chart:
        evaluation.draw_chart(found, outputs.chart)
    return evaluation.summary(found)


def open_floor(shop: Shop, *, readonly: bool = False) -> "Floor":
    """The shop with everything that the log holds folded in. `readonly` leaves all files as they are."""
    from endcap.backends.kv.memory import MemoryKV
    from endcap.releases import read_snapshot
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
            secret=shop.secret(),
            currency=terms.currency,
            timezone=terms.timezone,
            readonly=readonly,
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

    from endcap.serving import journal
    from endcap.serving.answers import recommendation
    from endcap.serving.calls import RecommendationCall
    from endcap.serving.desk import Chosen, decide
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
            floor.ground.log.append("decisions", [journal.entry(chosen.recommendation_id, decision)])
        return Listed(recommendation(chosen.recommendation_id, decision, floor.showcase), not_logged)


def explain(shop: Shop, recommendation_id: str) -> "DecisionAnswer":
    """What was decided under `recommendation_id`, also while a server runs. Raises: InvalidRequest."""
    from endcap.serving import journal
    from endcap.serving.answers import explanation

    with closing(open_floor(shop, readonly=True)) as floor:
        decision = journal.find(floor.ground.log, floor.ground.recent, recommendation_id)
        if decision is None:
            raise InvalidRequest(
                f"no decision has the id {recommendation_id!r}; expected a recommendation_id that `endcap recommend` "
                "or the HTTP interface gave (one given in the last second may not be in the log yet)"
            )
        snapshot = None
        with suppress(SnapshotRejected):
            snapshot = floor.snapshot(decision.snapshot)
        return explanation(recommendation_id, decision, floor.showcase, snapshot)


def serve(shop: Shop, announce: Callable[[str], None], ready: Callable[[str], None]) -> None:
    """Answer over HTTP until SIGINT or SIGTERM. `announce` gets the first line, `ready` the address, both once.

    Raises: InvalidSettings where the address may not be used; what `open_floor` raises.
    """
    import uvicorn

    from endcap.serving import Clocks, Hooks, Options, application
    from endcap.serving.web import listening, log_to_stderr

    serving = shop.settings.serving
    listener = listening(serving.host, serving.port)
    address = f"http://{serving.host}:{listener.getsockname()[1]}"
    announce(f"{shop.folder} on {address}, loopback only: there are no API keys")
    failures: list[BaseException] = []

    def failed(error: BaseException) -> None:
        failures.append(error)
        server.should_exit = True

    options = Options(*(getattr(serving, each.name) for each in fields(Options)))
    clocks = Clocks(now_ms, time.perf_counter, lambda: secrets.token_urlsafe(16))
    asgi = application(lambda: open_floor(shop), options, clocks, Hooks(lambda: ready(address), failed))
    config = uvicorn.Config(asgi, loop="uvloop", http="httptools", lifespan="on", log_config=None, access_log=False)
    config.timeout_graceful_shutdown = serving.drain_s
    server = uvicorn.Server(config)
    log_to_stderr()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with listener, suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    if failures:
        raise failures[0]
