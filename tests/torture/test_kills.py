"""`endcap serve`, killed over and over under load: what it acknowledged is there, once, and folds to the same state.

Each fault that this is there to see is planted in a server, and must be seen.
"""

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from torture.lanes import Lane
from torture.mutants import FAULTS
from torture.run import Run

pytestmark = pytest.mark.torture

SERVER: Final = ("-m", "endcap")
MUTANT: Final = str(Path(__file__).with_name("mutants.py"))
SEEN_AS: Final = {
    "acknowledge_before_commit": {"lost", "not found by its key"},
    "no_dedupe": {"twice"},
    "calls_in_halves": {"in part"},
    "checkpoint_without_shoppers": {"state"},
}
MUTANT_CYCLES: Final = 12


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    """Set at the end of the test, however it ends."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def lane(tmp_path: Path, run_of: Run, stop: threading.Event) -> Callable[..., Lane]:
    """Makes lanes that end with the test, each on its own copy of a shop."""

    def make(name: str, shop: Path, program: Sequence[str] = SERVER) -> Lane:
        (tmp_path / name).mkdir()
        shutil.copytree(shop, tmp_path / name / "shop")
        return Lane(tmp_path / name, f"{run_of.seed} {name}", program, stop, asks=(shop / "registry").exists())

    return make


def test_nothing_acknowledged_is_lost_or_doubled_by_kill_9(
    plain: Path, trained: Path, lane: Callable[..., Lane], stop: threading.Event, run_of: Run
) -> None:
    """Two shops at a time, one of them with lists; every batch is sent twice, those in flight after the restart too."""
    cycles, say = run_of.cycles, run_of.say
    say(f"{cycles} kill -9 cycles, seed {run_of.seed}")
    lanes = [lane("plain", plain), lane("trained", trained)]
    numbers = iter(range(1, cycles + 1))
    turn = threading.Lock()
    smallest: list[int] = []

    def run(each: Lane) -> None:
        while True:
            with turn:
                number = next(numbers, None)
            if number is None:
                break
            started = time.monotonic()
            smallest.append(each.cycle())
            took = time.monotonic() - started
            say(f"{number:4}/{cycles}  {each.folder.name:8} {smallest[-1]:5} events acknowledged  {took:4.1f} s  "
                f"{dict(each.findings.faults) or ''}")  # fmt: skip
        each.finish()

    _all_of([partial(run, each) for each in lanes], stop)
    for each in lanes:
        say(figures(each))
    assert {each.folder.name: each.findings.examples for each in lanes} == {"plain": {}, "trained": {}}
    assert min(smallest) >= 100
    assert len(smallest) == cycles


def test_each_planted_fault_is_seen(plain: Path, lane: Callable[..., Lane], stop: threading.Event, run_of: Run) -> None:
    """A mutant server must be found out, and by the finding that is there for it."""
    assert set(SEEN_AS) == set(FAULTS)

    def hunt(fault: str) -> None:
        mutant = lane(fault, plain, (MUTANT, fault))
        for number in range(1, MUTANT_CYCLES + 1):
            mutant.cycle()
            if SEEN_AS[fault] <= mutant.findings.faults.keys():
                run_of.say(f"mutant {fault}: seen after {number} cycles, {dict(mutant.findings.faults)}")
                return
        pytest.fail(f"the mutant {fault} was not seen in {MUTANT_CYCLES} cycles: {mutant.findings}")

    _all_of([partial(hunt, fault) for fault in FAULTS], stop)


def figures(lane: Lane) -> str:
    """One line for the end of a run."""
    ledger, findings = lane.ledger, lane.findings
    sent = sum(batch.sent for batch in ledger.batches)
    return (
        f"{lane.folder.name}: {lane.cycles} kills, {ledger.acknowledged_events():,} events acknowledged in "
        f"{len(ledger.batches):,} batches, each sent {sent / max(len(ledger.batches), 1):.2f} times; "
        f"{len(ledger.offers):,} offers, {lane.lists:,} lists; "
        f"lost {findings.faults['lost']}, twice {findings.faults['twice']}, state differs {findings.faults['state']}"
    )


def _all_of(jobs: Sequence[Callable[[], None]], stop: threading.Event) -> None:
    """Run `jobs` two at a time; the first that fails, or Ctrl-C, stops all."""
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(job) for job in jobs]
        try:
            for each in as_completed(running):
                each.result()
        except BaseException:
            stop.set()
            for each in running:
                each.cancel()
            raise
