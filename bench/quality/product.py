"""The product as a user runs it: `endcap evaluate --data` in a process of its own, and what it told."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PROFILES: Final = Path(__file__).with_name("profiles")
"""Stored training profiles, one a data set where it has one."""


class Failed(Exception):
    """The command ended with an error, which it said itself."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The command's JSON and the file of its predictions; seconds by the clock, the most memory in MB."""

    command: tuple[str, ...]
    told: Mapping[str, Any]
    predictions: Path
    wall_s: float
    peak_mb: float


def evaluate(directory: Path, source: str, options: Sequence[str], out: Path) -> Evaluated:
    """Run the command on `directory`; files are named by `out`, the profile by the data set `source`.

    Raises: Failed.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    told, predictions = out.with_suffix(".json"), out.with_suffix(".parquet")
    profile = PROFILES / f"{source}.toml"
    candidates = directory / "candidates.parquet"
    given = ["evaluate", "--data", str(directory), *options]
    given += ["--profile", str(profile)] if profile.exists() else []
    given += ["--candidates", str(candidates)] if candidates.exists() else []
    files = ["--json", str(told), "--predictions", str(predictions)]
    began = time.perf_counter()
    ended = subprocess.run([sys.executable, "-m", "endcap", *given, *files], check=False, stdout=subprocess.DEVNULL)  # noqa: S603
    if ended.returncode:
        raise Failed(f"endcap {' '.join(given)}: exit code {ended.returncode}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1_024
    figures = json.loads(told.read_text(encoding="utf-8"))
    return Evaluated(("endcap", *given), figures, predictions, time.perf_counter() - began, peak)
