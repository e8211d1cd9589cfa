"""A search for a training profile, on a shop or on a data set in a folder."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from endcap.app.learning import OF_DATA, PROTOCOLS, Sampled, corpus, cut_at
from endcap.app.shop import Report, Shop
from endcap.errors import InvalidRequest

if TYPE_CHECKING:
    from rich.console import RenderableType

    from endcap.training import Protocol
    from endcap.tuning import Task

TUNABLE = tuple(protocol for protocol in OF_DATA if protocol != "rerank")


class Sought(NamedTuple):
    """How long is searched, how many trials a study has at most (0: any number), and where what is found goes."""

    minutes: float
    trials: int
    out: Path
    study: Path | None = None

    @property
    def file(self) -> Path:
        """The study file."""
        return self.study or self.out.with_suffix(".study.sqlite")

    def check(self) -> None:
        """Raises: InvalidRequest where nothing could be written."""
        for option, path in (("--out", self.out), ("--study", self.file)):
            if path.is_dir() or not path.parent.is_dir():
                raise InvalidRequest(f"{option} {path} cannot be written: expected a file in a folder that exists")


class Found(NamedTuple):
    """What is printed, and whether Ctrl-C ended the search."""

    summary: "RenderableType"
    interrupted: bool


def tune(shop: Shop, cut: tuple[str, str], sought: Sought, report: Report) -> Found:
    """Search on what a shop knew before the split date of protocol and date `cut`.

    Raises: InvalidRequest, GateRefused.
    """
    sought.check()
    begin = cut_at(shop, cut)
    from endcap.tuning import time_task

    report("reading history")
    return _searched(time_task(corpus(shop), cast("Protocol", cut[0]), begin, shop.policy()), sought, report)


def tune_data(asked: Sampled, sought: Sought, report: Report) -> Found:
    """Search on the validation of a data set in a folder. Raises: InvalidRequest, InvalidFeed, GateRefused."""
    if asked.protocol not in TUNABLE:
        reason = "cannot be tuned on" if asked.protocol in OF_DATA else "is unknown"
        raise InvalidRequest(f"--protocol {asked.protocol} {reason}; expected one of {', '.join(TUNABLE)}")
    asked.check()
    sought.check()
    from endcap.backends.encoder.lexical import fit_lexical
    from endcap.evaluation import read_dataset
    from endcap.tuning import sequence_task, time_task

    report("reading events")
    dataset = read_dataset(asked.directory, cast("Protocol", asked.protocol), asked.split, fit_lexical)
    if asked.protocol in PROTOCOLS:
        task = time_task(dataset.corpus, dataset.protocol, dataset.split, None)
    else:
        task = sequence_task(dataset, exclude_current=asked.exclude_current)
    return _searched(task, sought, report)


def _searched(task: "Task", sought: Sought, report: Report) -> Found:
    from endcap.tuning import Budget, profile_text, tune, tuned_summary, verdict

    found = tune(task, sought.file, Budget(60 * sought.minutes, sought.trials), report)
    heading = "\n".join((f"endcap tune: {found.told}", *verdict(found)))
    sought.out.write_text(profile_text(found.profile, heading), encoding="utf-8")
    return Found(tuned_summary(found), found.interrupted)
