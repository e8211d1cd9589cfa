"""Training profiles: read from and written to files, and searched for on the validation stage of an evaluation.

Knows which settings are worth a look, and how good a profile is. Does not know how sources or rankers are fitted, nor
how cases are cut: both come from `endcap.training` and `endcap.evaluation`.
"""

from endcap.tuning.profiles import differences, parse_profile, profile_text
from endcap.tuning.search import Budget, Gain, Tuned, tune
from endcap.tuning.task import Task, sequence_task, time_task
from endcap.tuning.terminal import tuned_summary, verdict

__all__ = [
    "Budget",
    "Gain",
    "Task",
    "Tuned",
    "differences",
    "parse_profile",
    "profile_text",
    "sequence_task",
    "time_task",
    "tune",
    "tuned_summary",
    "verdict",
]
