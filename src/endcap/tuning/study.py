"""One search in a study file: what was tried, what it was worth, what to try next; goes on where it was left.

Knows trials. Does not know what a profile is, nor how it is judged. Values are proposed by TPE (Bergstra et al. 2011)
as Optuna has it; which, depends on the trials before alone, so an interrupted search ends like one that was not.
"""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from endcap.errors import InvalidRequest
from endcap.tuning.spaces import Knob, Values

SEED: Final = 2_024
AT_FIRST: Final = 8
"""So many trials are drawn by lot before any is learned from."""
_SECONDS: Final = "seconds"
_DIGEST: Final = "digest"
_SQLITE: Final = b"SQLite format 3\x00"


def open_studies(path: Path, digest: str) -> optuna.storages.BaseStorage:
    """The studies in the file at `path`, made if there is none.

    Raises: InvalidRequest where the file is none of studies, or holds those of other data (another `digest`).
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if path.exists() and path.stat().st_size:
        with path.open("rb") as file:
            if file.read(len(_SQLITE)) != _SQLITE:
                raise InvalidRequest(f"--study {path} is no study file; name another")
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    mark = optuna.create_study(storage=storage, study_name=_DIGEST, load_if_exists=True)
    if mark.user_attrs.setdefault(_DIGEST, digest) != digest:
        raise InvalidRequest(
            f"--study {path} is of other data, another protocol or other defaults; delete it, or name another"
        )
    mark.set_user_attr(_DIGEST, digest)
    return storage


class Study:
    """The trials of `knobs`, of which the first is `usual`."""

    def __init__(
        self, storage: optuna.storages.BaseStorage, name: str, knobs: tuple[Knob, ...], usual: dict[str, float]
    ) -> None:
        self.name = name
        self._knobs: dict[str, BaseDistribution] = {knob.field: _distribution(knob) for knob in knobs}
        self._usual = usual
        self._study = optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)

    def step(self, worth: Callable[[Values], float]) -> float:
        """One more trial; what ends it early leaves no trace in later ones."""
        began, done = perf_counter(), len(self)
        if not done:
            value = worth(self._usual)
            spent = {_SECONDS: perf_counter() - began}
            first = create_trial(value=value, params=self._usual, distributions=self._knobs, user_attrs=spent)
            self._study.add_trial(first)
            return value
        self._study.sampler = optuna.samplers.TPESampler(
            seed=SEED + done, n_startup_trials=AT_FIRST, constant_liar=False
        )
        trial = self._study.ask(self._knobs)
        try:
            value = worth(trial.params)
        except BaseException:
            self._study.tell(trial, state=TrialState.FAIL)
            raise
        trial.set_user_attr(_SECONDS, perf_counter() - began)
        self._study.tell(trial, value)
        return value

    def __len__(self) -> int:
        return len(self._done())

    @property
    def seconds(self) -> float:
        """How long its trials took."""
        return sum(float(trial.user_attrs.get(_SECONDS, 0)) for trial in self._done())

    @property
    def first(self) -> float:
        """What the usual values are worth."""
        return self._value(self._done()[0])

    @property
    def best(self) -> tuple[float, dict[str, Any]]:
        """The largest worth, and the values that first had it."""
        best = max(self._done(), key=self._value)
        return self._value(best), dict(best.params)

    def _done(self) -> list[optuna.trial.FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))

    @staticmethod
    def _value(trial: optuna.trial.FrozenTrial) -> float:
        assert trial.value is not None  # noqa: S101 - complete trials have one
        return trial.value


def _distribution(knob: Knob) -> BaseDistribution:
    if knob.whole:
        return IntDistribution(int(knob.low), int(knob.high), log=knob.log)
    return FloatDistribution(knob.low, knob.high, log=knob.log)
