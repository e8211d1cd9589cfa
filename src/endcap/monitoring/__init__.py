"""How healthy what a shop runs on is: how complete and plausible its data is, and what each gap costs.

It reads lines of events and catalog changes as they are stored, and nothing of training: a shop that cannot be trained
is the one whose health is asked for.
"""

from endcap.monitoring.gaps import Gap, gaps_of, percent
from endcap.monitoring.health import Health, Surroundings, examine, to_json
from endcap.monitoring.sections import gap_section, health_page, health_section
from endcap.monitoring.terminal import summary

__all__ = [
    "Gap",
    "Health",
    "Surroundings",
    "examine",
    "gap_section",
    "gaps_of",
    "health_page",
    "health_section",
    "percent",
    "summary",
    "to_json",
]
