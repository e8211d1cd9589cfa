"""`endcap keys`: made, listed, rotated and revoked by commands alone."""

import os
import re
import subprocess
import sys
from pathlib import Path

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("ENDCAP_")}


def _keys(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "endcap", *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, env=ENVIRONMENT)


def test_keys_are_made_listed_rotated_and_revoked(tmp_path: Path) -> None:
    shop = str(tmp_path / "shop")
    made = _keys("init", "--shop", shop)
    printed = re.findall(r"^  (publishable|secret|admin) +(ec_(?:pub|sec|adm)_\w+)$", made.stdout, re.MULTILINE)
    assert [scope for scope, _ in printed] == ["publishable", "secret", "admin"]
    created = _keys("keys", "create", "--scope", "secret", "--label", "till", "--shop", shop)
    token = created.stdout.strip()
    number = token.split("_")[2]
    assert re.fullmatch(r"ec_sec_[0-9a-f]{8}_[0-9a-f]{48}", token)
    listed = _keys("keys", "list", "--shop", shop).stdout
    assert re.search(rf"^{number} +secret +\d{{4}}-\d\d-\d\d \d\d:\d\d +never +- +till$", listed, re.MULTILINE)
    assert token.rpartition("_")[2] not in listed
    rotated = _keys("keys", "rotate", number, "--grace-hours", "2", "--shop", shop)
    assert f"takes the place of {number}, which ends in 2 hours." in rotated.stderr
    assert _keys("keys", "list", "--shop", shop).stdout.count(" till") == 2
    revoked = _keys("keys", "revoke", number, "--shop", shop)
    assert revoked.stdout == f"Key {number} (secret) is revoked; a running server refuses it within a second.\n"
    again = _keys("keys", "revoke", number, "--shop", shop)
    assert (again.returncode, again.stderr.startswith(f"endcap: there is no key '{number}'; known are ")) == (2, True)
