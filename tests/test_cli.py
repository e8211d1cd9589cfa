"""Every command on a tiny shop, with the lines that a user sees."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from itertools import product
from pathlib import Path

import httpx2
import pytest

from endcap.policy import DEFAULT_POLICY, parse_policy

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("ENDCAP_")}

CATALOG_MAP = """\
kind = "catalog"
[fields]
id = "sku"
title = "name"
price = "price"
stock = "stock"
brand = "brand"
category = "category"
[types]
price = "number"
stock = "number"
"""
EVENTS_MAP = """\
kind = "events"
[fields]
name = "event"
time = "at"
visitor_id = "who"
item_id = "sku"
quantity = "1"
[types]
at = "time"
"""

PLACEMENTS = ", ".join(parse_policy(DEFAULT_POLICY).placements)


def endcap(*words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run one command."""
    command = [sys.executable, "-m", "endcap", *words]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=120, env={**ENVIRONMENT, **variables}
    )


def done(*words: str, **variables: str) -> str:
    """What a command that succeeds prints."""
    ran = endcap(*words, **variables)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of 30 items, 600 events of 60 visitors, and their mappings."""
    folder = tmp_path_factory.mktemp("files")
    items = [f"S{n},Lamp {n},{n}.50,5,Lumen,Home > Light" for n in range(30)]
    (folder / "catalog.csv").write_text(
        "sku,name,price,stock,brand,category\n" + "\n".join(items) + "\nS99,Odd,-1,5,,\n"
    )
    events = []
    for who, day, step in product(range(60), range(2), range(5)):
        date = f"2026-{8 + day:02}-{1 + who % 28:02}T10:{step:02}:00Z"
        kind = "purchase" if step == 4 else "view_item"
        events.append(f"{kind},{date},v{who},S{(who * 3 + day + step * 2) % 30}")
    (folder / "events.csv").write_text("event,at,who,sku\n" + "\n".join(events) + "\n")
    (folder / "catalog.toml").write_text(CATALOG_MAP)
    (folder / "events.toml").write_text(EVENTS_MAP)
    return folder


@pytest.fixture(scope="module")
def shop(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop made, filled and trained by commands alone."""
    folder = tmp_path_factory.mktemp("made") / "shop"
    done("init", "--shop", str(folder), "--currency", "EUR")
    printed = done(
        "import", "catalog", str(files / "catalog.csv"), "--map", str(files / "catalog.toml"), "--shop", str(folder)
    )
    assert printed.startswith(
        "31 rows read: 30 new changes, 0 known already, 0 left out by the mapping, 1 quarantined; 30 new items."
    )
    assert "quarantine" in printed.splitlines()[1]
    printed = done(
        "import", "events", str(files / "events.csv"), "--map", str(files / "events.toml"), "--shop", str(folder)
    )
    assert printed.startswith("600 rows read: 600 new events, 0 known already")
    assert re.match(r"snapshot [0-9a-f]+ is published and current", done("train", "--shop", str(folder)))
    return folder


def test_the_same_file_twice_changes_nothing(shop: Path, files: Path) -> None:
    printed = done(
        "import", "events", str(files / "events.csv"), "--map", str(files / "events.toml"), "--shop", str(shop)
    )
    assert printed.startswith("600 rows read: 0 new events, 600 known already")


def test_init_overwrites_nothing(shop: Path) -> None:
    again = endcap("init", "--shop", str(shop))
    assert (again.returncode, again.stdout) == (2, "")
    assert (
        again.stderr == f"endcap: {shop}/endcap.toml exists; expected a folder without a shop: choose another --shop\n"
    )


def test_keys_are_readable_by_their_owner_only(shop: Path) -> None:
    assert [oct((shop / "keys" / name).stat().st_mode)[-3:] for name in ("shopper.key", "signing.key")] == ["600"] * 2


def test_a_list_can_be_judged_and_explained(shop: Path) -> None:
    printed = done("recommend", "--visitor", "v3", "--k", "5", ENDCAP_SHOP=str(shop))
    assert len(re.findall(r"^ +\d +S\d+ +Lamp \d+ +\d+\.50 EUR +\w+", printed, re.MULTILINE)) == 5
    made = re.search(r"recommendation (\S+) \(rung R0\)", printed)
    assert made
    explained = done("explain", made[1], "--shop", str(shop))
    for words in ("snapshot", "policy", "log offsets: shopper", "seed", "votes", "popularity"):
        assert words in explained


def test_json_is_the_answer_of_the_http_interface(shop: Path) -> None:
    answer = json.loads(
        done("recommend", "--item", "S3", "--placement", "product", "--k", "3", "--json", "--shop", str(shop))
    )
    assert [item["position"] for item in answer["items"]] == [1, 2, 3]
    decision = json.loads(done("explain", answer["recommendation_id"], "--json", "--shop", str(shop)))
    assert decision["anchors"] == ["S3"]


def test_the_doctor_finds_a_healthy_shop_healthy(shop: Path) -> None:
    lines = done("doctor", "--shop", str(shop)).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        f"PASS  {check}" for check in ("python", "settings", "keys", "policy", "log", "in step", "snapshot", "disk")
    ]


def test_the_doctor_names_what_is_wrong_and_the_remedy(shop: Path) -> None:
    key, policy = shop / "keys" / "shopper.key", shop / "policy.toml"
    text = policy.read_text()
    try:
        key.chmod(0o644)
        policy.write_text("[placements.home]\nqouta = 3\n")
        found = endcap("doctor", "--shop", str(shop))
    finally:
        key.chmod(0o600)
        policy.write_text(text)
    assert found.returncode == 1
    assert f"FAIL  keys: {key} has mode 644, so others may read it; expected 600: chmod 600 {key}" in found.stdout
    assert "FAIL  policy: policy: placements.home has no key 'qouta'; did you mean 'quota'?" in found.stdout


def test_evaluate_writes_what_it_is_asked_for(shop: Path, tmp_path: Path) -> None:
    json_file, predictions, chart = tmp_path / "e.json", tmp_path / "p.parquet", tmp_path / "c.png"
    outputs = ("--json", str(json_file), "--predictions", str(predictions), "--chart", str(chart))
    printed = done("evaluate", "--protocol", "next-basket", "--split", "2026-09-01", *outputs, "--shop", str(shop))
    assert "Layer ladder: next-basket, split 2026-09-01" in printed
    assert json.loads(json_file.read_text())["protocol"] == "next-basket"
    assert predictions.stat().st_size
    assert chart.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("recommend", "--shop", "nowhere"),
            (
                "nowhere is no shop: it has no endcap.toml; make one with `endcap init --shop nowhere`, "
                "or name another"
            ),
        ),
        (
            ("recommend", "--placement", "hoem", "--shop", "{shop}"),
            f"there is no placement 'hoem'; did you mean home? Known are {PLACEMENTS}.",
        ),
        (
            ("recommend", "--user", "a", "--visitor", "b", "--shop", "{shop}"),
            "--user a and --visitor b are given; expected one of them: leave one out",
        ),
        (
            ("explain", "nothing", "--shop", "{shop}"),
            (
                "no decision has the id 'nothing'; expected a recommendation_id that `endcap recommend` or the HTTP "
                "interface gave (one given in the last second may not be in the log yet)"
            ),
        ),
        (
            ("evaluate", "--protocol", "next", "--split", "2026-09-01", "--shop", "{shop}"),
            "--protocol next is unknown; expected next-basket or time-split",
        ),
        (
            ("evaluate", "--protocol", "next-basket", "--split", "soon", "--shop", "{shop}"),
            "--split soon is no date; expected one such as 2011-10-01",
        ),
        (
            ("evaluate", "--protocol", "leave-one-out", "--data", "visits", "--shop", "{shop}"),
            "--data visits and --shop {shop} are given; expected one of them: leave one out",
        ),
        (
            ("evaluate", "--protocol", "next-basket", "--stage", "validation", "--shop", "{shop}"),
            "--stage is for a data set in a folder; name one with --data, or leave it out",
        ),
        (
            ("evaluate", "--protocol", "leave-one-out", "--data", "nowhere"),
            (
                "nowhere/events.parquet is missing; expected events with item_id and shopper_id or session_id; "
                "see docs/evaluation.md"
            ),
        ),
    ],
)  # fmt: skip
def test_an_error_is_one_line_and_exit_code_2(shop: Path, words: tuple[str, ...], message: str) -> None:
    failed = endcap(*(word.format(shop=shop) for word in words))
    assert (failed.returncode, failed.stdout) == (2, "")
    said = [line for line in failed.stderr.splitlines() if not line.startswith("  ")]  # without how far it had come
    assert said == [f"endcap: {message.format(shop=shop)}"]


def test_without_a_snapshot_recommend_says_what_to_do(tmp_path: Path) -> None:
    done("init", "--shop", str(tmp_path / "new"))
    failed = endcap("recommend", "--shop", str(tmp_path / "new"))
    assert (failed.returncode, failed.stderr) == (2, "endcap: no snapshot is published yet; run `endcap train`\n")


def test_a_finished_demo_shop_is_shown_again_and_half_a_one_is_refused(shop: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(shop, tmp_path / "demo"))
    refused = endcap("demo", "--once", "--shop", str(copy))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "no finished demo shop" in refused.stderr
    (copy / "files").mkdir()
    (copy / "files" / "guests.json").write_text(json.dumps([[f"{n}. Somebody", f"v{n}", ""] for n in (1, 2, 3)]))
    printed = done("demo", "--once", "--shop", str(copy))
    assert printed.startswith(f"{copy} holds a finished demo shop, shown again")
    assert len(re.findall(r"recommendation \S+ \(rung R0\)", printed)) == 3
    command = [sys.executable, "-m", "endcap", "demo", "--shop", str(copy)]
    environ = {**ENVIRONMENT, "ENDCAP_SERVING__PORT": "0", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environ, text=True, stdout=subprocess.PIPE) as serving:
        assert serving.stdout
        address = next(found[1] for line in serving.stdout if (found := re.fullmatch(r" +(http://\S+)\n", line)))
        page = httpx2.get(address + "as/guest-0", follow_redirects=True).text
        serving.send_signal(signal.SIGINT)
    assert "1. Somebody" in page
    assert serving.returncode == 0


def test_the_demo_finds_its_port_taken_before_it_does_any_work(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        failed = endcap("demo", "--shop", str(tmp_path / "demo"), ENDCAP_SERVING__PORT=str(port))
    assert (failed.returncode, failed.stdout) == (2, "")
    assert f"127.0.0.1:{port} cannot be listened on" in failed.stderr
    assert not (tmp_path / "demo").exists()


def test_while_a_server_holds_the_log_a_list_is_printed_but_not_logged(shop: Path) -> None:
    command = [sys.executable, "-m", "endcap", "serve", "--shop", str(shop), "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**ENVIRONMENT, "PYTHONUNBUFFERED": "1"}
    ) as server:
        assert server.stdout
        server.stdout.readline()
        assert server.stdout.readline().startswith("ready: http://127.0.0.1:")
        printed = done("recommend", "--visitor", "v3", "--shop", str(shop))
        server.terminate()
    assert server.returncode == 0
    assert "This list was not logged and cannot be explained: " in printed
    assert "send the events to its HTTP interface" in " ".join(printed.split())
