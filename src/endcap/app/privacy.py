"""One person's data: erased or told, beside a running server through it, else from the files."""

from contextlib import closing
from typing import Any, NamedTuple

import msgspec

from endcap.app.imports import writing_ports
from endcap.app.shop import Shop, now_ms
from endcap.domain.instants import iso
from endcap.errors import BackendUnavailable, InvalidRequest


class Named(NamedTuple):
    """One person, by the shop's own id of a login or of a visitor; the other is empty."""

    user_id: str = ""
    visitor_id: str = ""


class Erasure(NamedTuple):
    """What an erasure removed: records of the log, lines of the lake; `visitors` were this person, up to `at`."""

    at: str
    records: int
    lines: int
    visitors: int


def erase(shop: Shop, named: Named) -> Erasure:
    """Forget a person for good, in every file, and refuse all older rows from now on. Raises: InvalidRequest."""
    from endcap import privacy
    from endcap.ingest.fold import FOLDED, project
    from endcap.serving.calls import ERASURES

    _check(named)
    try:
        log = shop.log()
    except BackendUnavailable:
        return Erasure(**_through_server(shop, ERASURES, named))
    with closing(log), writing_ports(shop, log) as ports:
        project(ports)
        people = privacy.open_identities(ports.secret, log)
        person = privacy.find_person(people, ports.secret, log, named)
        at = now_ms()
        log.append("events", [privacy.tombstone_entry(privacy.tombstone(people, person, at))])
        erased = privacy.finish(privacy.Stores(log, ports.kv, ports.tables.forget, FOLDED))
    return Erasure(iso(at), erased.records, erased.lines, len(person.stays))


def export(shop: Shop, named: Named) -> dict[str, Any]:
    """Everything that is held about a person. Raises: InvalidRequest."""
    from endcap import privacy
    from endcap.ingest.fold import project
    from endcap.serving.calls import EXPORTS

    _check(named)
    try:
        log = shop.log()
    except BackendUnavailable:
        return _through_server(shop, EXPORTS, named)
    with closing(log), writing_ports(shop, log) as ports:
        project(ports)
        person = privacy.find_person(privacy.open_identities(ports.secret, log), ports.secret, log, named)
        asked = privacy.Asked(now_ms(), shop.settings.shop.currency, ports.catalog.keys())
        return privacy.export(log, person, asked)


def _check(named: Named) -> None:
    if bool(named.user_id) == bool(named.visitor_id):
        raise InvalidRequest("name one person: --user ID or --visitor ID, and not both")


def _through_server(shop: Shop, path: str, named: Named) -> dict[str, Any]:
    """The answer of the server that has the shop open. Raises: BackendUnavailable where another command has it."""
    from endcap.app.remote import connected

    connection = connected(shop)
    if connection is None:
        raise BackendUnavailable(
            f"{shop.folder} is being written by another command, and no server answers; wait for it"
        )
    with closing(connection):
        given = {name: value for name, value in named._asdict().items() if value}
        answer = connection.call("POST", path, msgspec.json.encode(given), "application/json")
        told: dict[str, Any] = msgspec.json.decode(answer)
        return told
