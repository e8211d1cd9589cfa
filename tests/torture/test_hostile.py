"""Thousands of requests that nobody should send, many at once: no failure, no stack trace, no secret, no one's id."""

import shutil
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import hostile
from endcap import app
from endcap.access import SCOPES
from servers import serving
from torture.run import Run

pytestmark = pytest.mark.torture

AT_ONCE = 16


def test_no_hostile_request_draws_an_error_or_a_secret_out_of_the_server(
    trained: Path, tmp_path: Path, run_of: Run
) -> None:
    shop = Path(shutil.copytree(trained, tmp_path / "shop"))
    opened = app.open_shop(shop, {})
    keys = {str(scope): app.create_key(opened, scope, "hostile").token for scope in SCOPES}
    secrets = [*(token.rpartition("_")[2] for token in keys.values()), str(shop), "shopper.key"]
    run_of.say(f"{run_of.requests} hostile requests, seed {run_of.seed}")
    started, statuses, found = time.monotonic(), Counter[str](), list[str]()
    turn = threading.Lock()
    with serving(shop, access_log="all", body_timeout_s=1) as server:
        address = (server.http.base_url.host, server.http.base_url.port or 80)

        def attack(each: hostile.Hostile) -> None:
            answer = hostile.send(address, each)
            wrong = hostile.faults(each, answer, secrets)
            with turn:
                found.extend(wrong)
                statuses[answer[9:12].decode("latin-1") or "none"] += 1
                if statuses.total() % 1_000 == 0:
                    took = time.monotonic() - started
                    run_of.say(f"{statuses.total():6} sent  {took:5.0f} s  {len(found)} faults")

        with ThreadPoolExecutor(AT_ONCE) as pool:
            for each in [pool.submit(attack, each) for each in hostile.requests(run_of.seed, run_of.requests, keys)]:
                each.result()
        assert len(server.listed(visitor_id="v3", k=5)) == 5
        log = server.stop()
    run_of.say(f"answers by status: {dict(sorted(statuses.items()))}")
    assert found == []
    assert statuses.total() == run_of.requests
    assert [secret for secret in [*secrets[:3], hostile.CANARY] if secret in log] == []
    assert "Traceback" not in log
    files = [path for path in shop.rglob("*") if path.is_file()]
    assert [path.name for path in files if hostile.CANARY.encode() in path.read_bytes()] == []
