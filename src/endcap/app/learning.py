"""What a shop's history teaches: training and evaluation."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast

from endcap.app.shop import CURRENT, SIGNING_KEY, Report, Shop
from endcap.app.truth import Beyond
from endcap.backends.log import Log
from endcap.domain.catalog import Assignment, Change
from endcap.domain.instants import parse_day
from endcap.domain.people import Link, forgotten
from endcap.errors import InvalidRequest, InvalidSettings

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import RenderableType

    from endcap.domain.ids import ItemKey
    from endcap.evaluation import Evaluation
    from endcap.snapshot import Snapshot
    from endcap.training import Corpus, Protocol
    from endcap.training.profile import Profile

ENCODER: Final = "encoder."
"""Before the names of the encoder's arrays, beside a snapshot's own."""

PROFILE: Final = "training.toml"
"""The shop's own training profile, if it has one."""

PROTOCOLS: Final = ("next-basket", "time-split")
OF_DATA: Final = (*PROTOCOLS, "next-item", "leave-one-out", "rerank")
"""The protocols for a data set in a folder."""


def corpus(shop: Shop) -> "Corpus":
    """All that training reads, up to the log's end; also while a server holds the log and folds it later."""
    import pyarrow as pa
    import pyarrow.compute

    from endcap.backends.db import Recorded
    from endcap.backends.encoder.lexical import fit_lexical
    from endcap.backends.log.bodies import unpack
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
        links = _links(log, end)
        interactions = _without_erased(log, pa.concat_tables(lines).unify_dictionaries())
    return Corpus(interactions, tuple(changes), tuple(keys), end, fit_lexical, links)


def _without_erased(log: Log, lines: "pa.Table") -> "pa.Table":
    """`lines` without those that an erasure under way, or interrupted, has not removed yet."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from endcap.privacy import unfinished

    for offset, erasure in unfinished(log):
        gone = [key for key in pc.unique(lines["shopper"]).to_pylist() if forgotten(key) in erasure.people]
        theirs = pc.is_in(lines["shopper"], value_set=pa.array(gone, pa.binary(16)))
        lines = lines.filter(pc.invert(pc.and_(theirs, pc.less_equal(lines["offset"], offset))))
    return lines


def _links(log: Log, end: int) -> tuple[Link, ...]:
    from endcap.backends.log.bodies import unpack

    records = [record for record in log.of_kind("events", "link") if record.offset <= end]
    return tuple(unpack("link", entry.version, entry.body) for _, entry in records)


def profile_of(shop: Shop | None, named: Path | None, report: Report) -> "Profile | None":
    """The training profile in the file `named`, else in the shop's folder; None where there is neither.

    Raises: InvalidSettings.
    """
    from endcap.tuning import differences, parse_profile

    path = named or (shop.folder / PROFILE if shop is not None else None)
    if path is None or (named is None and not path.exists()):
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text in UTF-8"
        raise InvalidSettings(f"the training profile {path} cannot be read: {reason}") from None
    profile = parse_profile(text, str(path))
    found = differences(profile)
    report(f"training profile {path}: {profile.shape}, {found} setting{'s' if found != 1 else ''} of its own")
    return profile


def train(shop: Shop, report: Report) -> str:
    """Learn from all history; the version that is current now.

    Raises: GateRefused where there is too little, InvalidSettings where the shop's training profile is wrong.
    """
    from endcap.releases import sealed
    from endcap.training import learn

    report("reading history")
    learned = learn(corpus(shop), None, None, report, profile_of(shop, None, report))
    sides = {} if learned.encoder is None else {ENCODER + name: each for name, each in learned.encoder.arrays().items()}
    version = published(shop, learned.snapshot, sealed(learned.sessions, shop.secret()), sides)
    shop.registry().label("snapshot", CURRENT, version)
    return version


def published(shop: Shop, snapshot: "Snapshot", whose: bytes, sides: Mapping[str, Any]) -> str:
    """The version under which `snapshot` stands in the registry now, with `whose` sealed and the arrays `sides`.

    No label points to it.
    """
    from endcap.releases import write_snapshot

    with tempfile.TemporaryDirectory(prefix=".snapshot-", dir=shop.folder) as staging:
        written = write_snapshot(snapshot, Path(staging) / "files", shop.read_key(SIGNING_KEY), whose, sides)
        shop.registry().publish("snapshot", written.version, Path(staging) / "files")
    return written.version


def evaluate_data(asked: "Sampled", outputs: "Outputs", report: Report) -> "RenderableType":
    """The ladder of a data set in a folder, fit to be printed. Raises: InvalidRequest, InvalidFeed, GateRefused."""
    asked.check()
    from endcap import evaluation  # loads all that trains, which takes seconds: a wrong call is told before
    from endcap.backends.encoder.lexical import fit_lexical
    from endcap.training.fit import quota_policy

    chosen = profile_of(None, asked.profile, report)
    report("reading events")
    dataset = evaluation.read_dataset(asked.directory, cast("Protocol", asked.protocol), asked.split, fit_lexical)
    if asked.protocol in PROTOCOLS:
        split = evaluation.Split(asked.split, dataset.split)
        policy = quota_policy(chosen) if chosen else evaluation.open_policy()
        found = evaluation.evaluate(dataset.corpus, dataset.protocol, split, policy, report, evaluation.Given(chosen))
        found = replace(found, predictions=found.predictions.renamed(dataset.named))
    else:
        terms = evaluation.Terms(asked.stage, asked.fold_validation, asked.exclude_current)
        lists = evaluation.read_lists(asked.candidates, dataset, report) if asked.candidates else None
        found = evaluation.evaluate_dataset(dataset, terms, chosen, report, lists)
    return _written(found, dataset.corpus.keys, outputs)


class Sampled(NamedTuple):
    """A folder with a data set, and how it is asked; `endcap evaluate` says what the fields mean."""

    directory: Path
    protocol: str
    split: str = ""
    candidates: Path | None = None
    stage: Literal["test", "validation"] = "test"
    fold_validation: bool = False
    exclude_current: bool = False
    profile: Path | None = None

    def check(self) -> None:
        """Raises: InvalidRequest where an option does not go with the protocol."""
        if self.protocol not in OF_DATA:
            raise InvalidRequest(f"--protocol {self.protocol} is unknown; expected one of {', '.join(OF_DATA)}")
        for option, given, protocols in (
            ("--exclude-current", self.exclude_current, ("next-item",)),
            ("--fold-validation", self.fold_validation, ("leave-one-out",)),
            ("--candidates", self.candidates is not None, ("rerank",)),
            ("--stage validation", self.stage == "validation", ("next-item", "leave-one-out", "rerank")),
        ):
            if given and self.protocol not in protocols:
                remedy = "leave it out"
                if option == "--stage validation":
                    remedy = "give an earlier --split"
                raise InvalidRequest(f"{option} is for {', '.join(protocols)}, not for {self.protocol}; {remedy}")
        if self.protocol == "rerank" and self.candidates is None:
            raise InvalidRequest(
                "--protocol rerank needs --candidates FILE: Parquet with case_id and item_ids (a list)"
            )
        if self.fold_validation and self.stage == "validation":
            raise InvalidRequest("--fold-validation learns from what --stage validation asks; leave one of them out")


class Outputs(NamedTuple):
    """The files that an evaluation writes, None: not."""

    json: Path | None = None
    predictions: Path | None = None
    chart: Path | None = None


def evaluate(  # noqa: PLR0913 - what is known, how it is cut, where it goes, and two files that may be named
    shop: Shop,
    cut: tuple[str, str],
    outputs: Outputs,
    report: Report,
    profile: Path | None = None,
    world: Path | None = None,
) -> "RenderableType":
    """The layer ladder of protocol and split date `cut`, fit to be printed; `profile` instead of the shop's own.

    `world` is the `world.json` of a simulated shop: its truth stands beside the figures.

    Raises: InvalidRequest, InvalidSettings, GateRefused.
    """
    begin = cut_at(shop, cut)
    if world is not None and cut[0] != "time-split":
        raise InvalidRequest(f"--world goes with --protocol time-split, not with {cut[0]}; leave one of them out")
    from endcap import evaluation  # loads all that trains, which takes seconds: a wrong call is told before

    chosen = profile_of(shop, profile, report)
    report("reading history")
    history, split = corpus(shop), evaluation.Split(cut[1], begin)
    truth = None if world is None else Beyond(world, shop.secret(), history, begin)
    given = evaluation.Given(chosen, truth)
    found = evaluation.evaluate(history, cast("Protocol", cut[0]), split, shop.policy(), report, given)
    return _written(found, history.keys, outputs)


def cut_at(shop: Shop, cut: tuple[str, str]) -> int:
    """The instant of the split date of protocol and date `cut`, ms UTC. Raises: InvalidRequest."""
    protocol, date = cut
    if protocol not in PROTOCOLS:
        known = "is for data sets in a folder (--data)" if protocol in OF_DATA else "is unknown"
        raise InvalidRequest(f"--protocol {protocol} {known}; expected {' or '.join(PROTOCOLS)}")
    if not date:
        raise InvalidRequest(f"--protocol {protocol} needs --split DATE")
    try:
        return parse_day(date, shop.settings.shop.timezone)
    except ValueError:
        raise InvalidRequest(f"--split {date} is no date; expected one such as 2011-10-01") from None


def _written(found: "Evaluation", keys: "Sequence[ItemKey]", outputs: Outputs) -> "RenderableType":
    from endcap import evaluation

    if outputs.json:
        outputs.json.write_bytes(evaluation.to_json(found))
    if outputs.predictions:
        evaluation.write_predictions(found.predictions, keys, outputs.predictions)
    if outputs.chart:
        from endcap.evaluation.chart import draw_chart

        draw_chart(found, outputs.chart)
    return evaluation.summary(found)
