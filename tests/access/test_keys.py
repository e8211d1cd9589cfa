"""Keys: what is kept of them, who holds them and how long."""

import json
import stat
from pathlib import Path

import pytest

from endcap import app
from endcap.access import KeyFile, change_keys, mint, read_keys, read_uses
from endcap.access.allowances import MOST_KEYS, Allowances, Rate
from endcap.access.keys import Key
from endcap.errors import InvalidRequest, InvalidSettings


@pytest.fixture
def shop(tmp_path: Path) -> app.Shop:
    app.initialise(tmp_path / "shop", "EUR", "UTC")
    return app.open_shop(tmp_path / "shop", {})


def test_a_new_shop_has_one_key_of_each_scope_and_keeps_no_token(tmp_path: Path) -> None:
    minted = app.initialise(tmp_path / "shop", "EUR", "UTC")
    assert [(key.scope, token[:7]) for key, token in minted] == [
        ("publishable", "ec_pub_"), ("secret", "ec_sec_"), ("admin", "ec_adm_"),
    ]  # fmt: skip
    path = tmp_path / "shop" / app.API_KEYS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    files = [file.read_bytes() for file in (tmp_path / "shop").rglob("*") if file.is_file()]
    secrets = [token.rpartition("_")[2].encode() for _, token in minted]
    assert [secret for secret in secrets for file in files if secret in file] == []


def test_a_key_holds_until_it_is_revoked_and_a_rotated_one_until_its_grace_ends(shop: app.Shop) -> None:
    key, token = app.create_key(shop, "secret", "till")
    path, now, seconds = shop.folder / app.API_KEYS, app.now_ms(), [0.0]
    file = KeyFile(path, lambda: seconds[0])
    assert file.find(token, now) == key
    fresh, fresh_token = app.rotate_key(shop, key.id, 2.0)
    assert (fresh.scope, fresh.label) == ("secret", "till")
    assert file.find(fresh_token, now) is None
    seconds[0] = 1.0
    assert file.find(fresh_token, now) == fresh
    assert file.find(token, now + 3_600_000) is not None
    assert file.find(token, now + 2 * 3_600_000 + 60_000) is None
    app.revoke_key(shop, fresh.id)
    seconds[0] = 2.0
    assert file.find(fresh_token, now) is None


def test_an_unknown_key_is_named_with_those_that_are_known(shop: app.Shop) -> None:
    known = ", ".join(key.id for key, _ in app.list_keys(shop))
    with pytest.raises(InvalidRequest) as caught:
        app.revoke_key(shop, "nothing")
    assert str(caught.value) == f"there is no key 'nothing'; known are {known}: see `endcap keys list`"


def test_a_damaged_file_leaves_the_last_keys_and_stops_a_start(shop: app.Shop) -> None:
    path, seconds = shop.folder / app.API_KEYS, [0.0]
    _, token = app.create_key(shop, "admin", "")
    file = KeyFile(path, lambda: seconds[0])
    path.write_bytes(b"[")
    seconds[0] = 5.0
    assert file.find(token, 1) is not None
    with pytest.raises(InvalidSettings, match=r"api\.json cannot be read: .* `endcap keys create`"):
        KeyFile(path, lambda: 0.0)


def test_uses_are_kept_apart_from_keys_and_only_of_keys_in_the_file(shop: app.Shop) -> None:
    path = shop.folder / app.API_KEYS
    key, token = app.create_key(shop, "admin", "")
    local = mint("admin", "this start", 0)
    file = KeyFile(path, lambda: 0.0, [local.key])
    before = path.read_bytes()
    assert file.find(local.token, 5) == local.key
    assert file.find(token, 7) == key
    file.save_uses()
    assert read_uses(path) == {key.id: 7}
    assert path.read_bytes() == before
    assert [each.used for each in app.list_keys(shop)] == [None, None, None, 7]


def test_keys_of_a_later_format_are_not_guessed_at(shop: app.Shop) -> None:
    path = shop.folder / app.API_KEYS
    path.write_text(json.dumps({"format": 2, "keys": []}))
    with pytest.raises(InvalidSettings, match="have format 2, expected 1; upgrade endcap"):
        read_keys(path)


def test_a_change_that_fails_changes_nothing(shop: app.Shop) -> None:
    path = shop.folder / app.API_KEYS
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError):
        change_keys(path, lambda keys: keys[: 1 // 0])
    assert path.read_bytes() == before


def test_buckets_are_forgotten_the_fullest_first() -> None:
    allowances = Allowances({"publishable": Rate(1, 10)})
    spender = Key("spender", "publishable", "", 0, "")
    allowances.spend(spender, 10, 0.0)
    for number in range(MOST_KEYS + 5):
        allowances.spend(Key(str(number), "publishable", "", 0, ""), 1, 0.0)
    assert len(allowances._buckets) <= MOST_KEYS
    assert not allowances.spend(spender, 1, 0.0).allowed
