"""The search for a training profile: sources one by one, then all together, then the ranker; as long as time is left.

Knows the order of work and when a finding counts. Does not know what is fitted, or how lists are judged.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Final, NamedTuple

import optuna

from endcap.training import Learned
from endcap.training.fit import ranked
from endcap.training.profile import Profile
from endcap.tuning.profiles import profile_text
from endcap.tuning.scores import REMEMBERING, Alone, whole_score
from endcap.tuning.spaces import KNOBS, NEAR, RANKER, Knob, Values, values_of, with_values
from endcap.tuning.study import Study, open_studies
from endcap.tuning.task import Task

Report = Callable[[str], None]

ALONE_SHARE: Final = 0.6
"""This much of the time is for sources alone, at most; what is left is for whole hybrids."""
LEAST_GAIN: Final = 0.005
"""A finding counts if it is better by so large a share: less is chance, for the best of many is taken."""
SILENCE_S: Final = 5.0


class Budget(NamedTuple):
    """How long, and, of each study, how many trials (0: as many as there is time for)."""

    seconds: float
    trials: int = 0


class Gain(NamedTuple):
    """What a study found: what the default is worth on validation, and what the best of `trials` is."""

    name: str
    trials: int
    default: float
    tuned: float

    @property
    def counts(self) -> bool:
        """Whether the best is better than by chance."""
        return self.tuned > self.default * (1 + LEAST_GAIN)


class Tuned(NamedTuple):
    """The profile that was found, and how.

    `whole` compares hybrids, the default's and this profile's; None where there was no time for them.
    """

    profile: Profile
    base: Profile
    gains: tuple[Gain, ...]
    whole: Gain | None
    told: str
    interrupted: bool


def tune(task: Task, file: Path, budget: Budget, report: Report) -> Tuned:
    """Search until the budget is spent, or Ctrl-C; what the study file at `file` holds already is not done again.

    Raises: InvalidRequest where the file is not of this task.
    """
    search = _Search(task, open_studies(file, task.digest()), budget, report)
    try:
        search.alone()
        search.together()
    except KeyboardInterrupt:
        return search.found(interrupted=True)
    return search.found(interrupted=False)


@dataclass(slots=True)
class _Whole:
    """A hybrid's settings but for its ranker, their study, and what was learned with them, once it was."""

    profile: Profile
    study: Study
    learned: Learned | None = None


class _Search:
    def __init__(self, task: Task, storage: optuna.storages.BaseStorage, budget: Budget, report: Report) -> None:
        self._task, self._storage, self._budget, self._report = task, storage, budget, report
        self._began, self._told_at = perf_counter(), 0.0
        self._studies = {
            name: Study(storage, name, knobs, values_of(task.base, knobs))
            for name, knobs in KNOBS.items()
            if name != RANKER and not _left_out(name, task.base)
        }
        self._wholes: dict[str, _Whole] = {}

    def _spent(self) -> float:
        return perf_counter() - self._began

    def alone(self) -> None:
        """Trials of the study that had the least time, while the sources' share lasts; the defaults first."""
        sources = Alone(self._task)
        self._report(f"{len(sources):,} cases of {self._task.told}; the shape is {self._task.base.shape}")
        while self._spent() < ALONE_SHARE * self._budget.seconds:
            open_ones = [study for study in self._studies.values() if self._open(study)]
            if not open_ones:
                return
            study = min(open_ones, key=lambda study: (len(study) > 0, study.seconds))
            self._step(study, partial(self._alone_worth, sources, study.name))

    def _alone_worth(self, sources: Alone, name: str, values: Values) -> float:
        return sources.score(name, with_values(self._task.base, values))

    def _open(self, study: Study) -> bool:
        """Whether more trials are wanted: a source whose default finds nothing has nothing to find."""
        done = len(study)
        return not done or (study.first > 0 and (not self._budget.trials or done < self._budget.trials))

    def _step(self, study: Study, worth: Callable[[Values], float]) -> None:
        before = study.best[0] if len(study) else -1.0
        value = study.step(worth)
        if value > before or self._spent() - self._told_at > SILENCE_S:
            self._told_at = self._spent()
            known = f"best {study.best[0]:.4f}, default {study.first:.4f}"
            minutes = f"{self._spent() / 60:.1f} of {self._budget.seconds / 60:g} min"
            self._report(f"{study.name.split()[0]}, trial {len(study)}: {value:.4f}, {known}; {minutes}")

    def together(self) -> None:
        """Hybrids with the default and with the sources' findings; then the ranker of the better one."""
        for profile in (self._task.base, self._sources()):
            whole = self._whole(profile)
            if not len(whole.study) and not self._late():
                self._step(whole.study, partial(self._whole_worth, whole))
        better = self._better()
        while better is not None and not self._late() and self._open(better.study):
            self._step(better.study, partial(self._whole_worth, better))
        found = self._ranker(better) if better is not None else None
        if better is not None and found is not None and found.quota != better.profile.quota and not self._late():
            confirmed = self._whole(found)
            if not len(confirmed.study):
                self._step(confirmed.study, partial(self._whole_worth, confirmed))

    def _late(self) -> bool:
        return self._spent() >= self._budget.seconds

    def _whole(self, profile: Profile) -> _Whole:
        name = f"hybrid {hashlib.sha256(profile_text(profile).encode()).hexdigest()[:16]}"
        if name not in self._wholes:
            knobs = self._ranker_knobs()
            self._wholes[name] = _Whole(profile, Study(self._storage, name, knobs, values_of(profile, knobs)))
        return self._wholes[name]

    def _ranker_knobs(self) -> tuple[Knob, ...]:
        return tuple(knob for knob in KNOBS[RANKER] if knob.field != "quota" or self._task.quotas)

    def _whole_worth(self, whole: _Whole, values: Values) -> float:
        """Examples are those of the profile's own quota: another one changes what is listed, until it is confirmed."""
        for other in self._wholes.values():
            if other is not whole:
                other.learned = None  # a hybrid of a large shop is gigabytes
        if whole.learned is None:
            whole.learned = self._task.learn(whole.profile, self._report)
        profile = with_values(whole.profile, values)
        return whole_score(self._task, ranked(whole.learned.snapshot, whole.learned.examples, profile), profile)

    def _sources(self) -> Profile:
        """The default with what was found for each source."""
        profile = self._task.base
        for study in self._studies.values():
            if len(study) and _gain(study).counts:
                profile = with_values(profile, study.best[1])
        return profile

    def _better(self) -> _Whole | None:
        """The whole with the sources' findings if it is better than the default's; None where one is not known."""
        base, tuned = self._whole(self._task.base), self._whole(self._sources())
        if not len(base.study) or not len(tuned.study):
            return None
        return tuned if Gain("", 0, base.study.first, tuned.study.first).counts else base

    def _ranker(self, better: _Whole) -> Profile | None:
        gain = _gain(better.study)
        return with_values(better.profile, better.study.best[1]) if gain.counts else None

    def found(self, *, interrupted: bool) -> Tuned:
        """All that was found so far."""
        gains = tuple(_gain(study) for study in self._studies.values() if len(study))
        profile, whole, better = self._sources(), None, self._better()
        if better is not None:
            profile, worth = better.profile, better.study.first
            tuned = self._ranker(better)
            if tuned is not None and tuned.quota == profile.quota:
                profile, worth = tuned, better.study.best[0]
            elif tuned is not None:
                confirmed = self._whole(tuned).study
                if len(confirmed) and Gain("", 0, worth, confirmed.first).counts:
                    profile, worth = tuned, confirmed.first
            trials = sum(len(each.study) for each in self._wholes.values())
            whole = Gain("all together", trials, self._whole(self._task.base).study.first, worth)
        return Tuned(profile, self._task.base, gains, whole, self._task.told, interrupted)


def _gain(study: Study) -> Gain:
    return Gain(study.name.split()[0], len(study), study.first, study.best[0])


def _left_out(name: str, base: Profile) -> bool:
    return name in base.left_out or (name == NEAR and base.left_out.issuperset(REMEMBERING))
