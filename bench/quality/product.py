"""The product as a user runs it: `endcap evaluate --data` in a process of its own, and what it told."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PROFILES: Final = Path(__file__).with_name("profiles")
"""Stored training profiles, one a data set where it has one."""
_RANKED: Final = "cases ranked"
"""What the command says once it has learned, every so many cases."""


class Failed(Exception):
    """The command ended with an error, which it said itself."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The command's JSON, the file of its predictions, and what it says of its own times.

    Seconds by the clock of all, and of what came before cases were ranked (reading, fitting); the most memory in MB.
    """

    command: tuple[str, ...]
    told: Mapping[str, Any]
    predictions: Path
    times: str
    wall_s: float
    learned_s: float
    peak_mb: float


def evaluate(directory: Path, source: str, options: Sequence[str], out: Path) -> Evaluated:
    """Run the command on `directory`; files are named by `out`, the profile by the data set `source`.

    Raises: Failed.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    told, predictions, summary = (out.with_suffix(suffix) for suffix in (".json", ".parquet", ".txt"))
    profile, candidates = PROFILES / f"{source}.toml", directory / "candidates.parquet"
    given = ["evaluate", "--data", str(directory), *options]
    given += ["--profile", str(profile)] if profile.exists() else []
    given += ["--candidates", str(candidates)] if candidates.exists() else []
    files = ["--json", str(told), "--predictions", str(predictions)]
    wall_s, learned_s, peak_mb = _timed([sys.executable, "-m", "endcap", *given, *files], summary)
    figures = json.loads(told.read_text(encoding="utf-8"))
    times = re.search(r"^Fitted in .*?\.$", summary.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    said = " ".join(times[0].split()) if times else ""
    return Evaluated(("endcap", *given), figures, predictions, said, wall_s, learned_s, peak_mb)


def _timed(command: Sequence[str], summary: Path) -> tuple[float, float, float]:
    """Run `command` into `summary`, passing on its progress; seconds in all, seconds before it ranked, most MB."""
    began, learned_s = time.perf_counter(), None
    with summary.open("w", encoding="utf-8") as output:
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.PIPE, text=True)  # noqa: S603
    assert child.stderr is not None  # noqa: S101 - it is a pipe
    for line in child.stderr:
        if learned_s is None and _RANKED in line:
            learned_s = time.perf_counter() - began
        print(f"{time.perf_counter() - began:7.1f} s {line.rstrip()}", file=sys.stderr, flush=True)
    child.stderr.close()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise Failed(f"{' '.join(command)}: exit code {child.returncode}")
    wall_s = time.perf_counter() - began
    return wall_s, wall_s if learned_s is None else learned_s, usage.ru_maxrss / 1_024
