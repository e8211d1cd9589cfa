"""The shipped client: written from the document as it is now, and every method of it against a server."""

import ast
import http.server
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from endcap import client
from endcap.client import Client, EventCall, EventsSchema, ItemCall, RecommendationCall
from endcap.client.routes import Client as Routes
from endcap.serving.openapi import ROUTES
from servers import Server

ROOT = Path(__file__).parents[2]
NOW_MS = time.time_ns() // 1_000_000


@pytest.fixture
def endcap(server: Server) -> Iterator[Client]:
    token = server.http.headers["Authorization"].removeprefix("Bearer ")
    with Client(str(server.http.base_url), token) as connected:
        yield connected


def test_the_committed_client_is_what_the_document_gives_now(tmp_path: Path) -> None:
    folder = ROOT / "src" / "endcap" / "client"
    made = tmp_path / "src" / "client"
    made.mkdir(parents=True)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    subprocess.run([sys.executable, ROOT / "deploy" / "client.py", made], check=True)
    for name in ("shapes.py", "routes.py"):
        assert (made / name).read_text() == (folder / name).read_text(), "run `make client`"


def test_the_client_imports_nothing_else_of_endcap() -> None:
    for path in (ROOT / "src" / "endcap" / "client").glob("*.py"):
        imported = [
            node.module or "" for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)
        ]
        assert [name for name in imported if name.startswith("endcap") and not name.startswith("endcap.client")] == []


def test_every_method_is_answered(endcap: Client) -> None:
    asked = {name for name in vars(Routes) if not name.startswith("_")} - {"close"}
    assert asked == {name for name, route in ROUTES.items() if route.public}
    first = endcap.recommendations(RecommendationCall("home", visitor_id="v3", k=3))
    assert [item.position for item in first.items] == [1, 2, 3]
    after = endcap.following(first.recommendation_id, k=2)
    assert not {item.id for item in after.items} & {item.id for item in first.items}
    page = endcap.page(client.BatchCall([RecommendationCall("home", k=2), RecommendationCall("discovery", k=2)]))
    assert len({item.id for answer in page.answers for item in answer.items}) == 4
    view = EventCall("view_item", NOW_MS, items=[ItemCall("SKU-1")], visitor_id="client")
    assert endcap.events(EventsSchema([view])).results == ["accepted"]
    assert endcap.events(EventsSchema([view, EventCall("veiw_item", NOW_MS)])).results == ["duplicate", "refused"]
    assert endcap.offers(client.OffersSchema([client.OfferCall("SKU-1", price="4.44")])).accepted == 1
    assert endcap.items(client.CatalogItemsSchema([client.CatalogItemCall("SKU-1", title="Renamed")])).accepted == 1
    shown = endcap.recommendations(RecommendationCall("product", anchors=["SKU-4"], filter="price = 4.44", k=5))
    assert [(item.fields.title, item.fields.price) for item in shown.items] == [("Renamed", "4.44")]
    assert endcap.decision(first.recommendation_id).placement == "home"
    assert endcap.metrics().startswith("# HELP endcap_")
    assert (endcap.healthz().status, endcap.readyz().status) == ("ok", "ready")
    assert endcap.refresh().status == "asked"
    person = client.PersonCall(visitor_id="client")
    assert isinstance(endcap.exports(person), client.ExportAnswer)
    assert isinstance(endcap.erasures(person), client.ErasureAnswer)
    assert endcap.openapi()["openapi"] == "3.1.0"


def test_what_goes_wrong_has_a_type_and_says_why(server: Server, endcap: Client) -> None:
    with pytest.raises(client.InvalidCall) as caught:
        endcap.recommendations(RecommendationCall("home", k=0))
    assert (str(caught.value), caught.value.errors[0].field) == (
        "422 Invalid request: k: expected int >= 1, given 0", "k"
    )  # fmt: skip
    with pytest.raises(client.NotFound, match="did you mean home"):
        endcap.recommendations(RecommendationCall("hoem"))
    with pytest.raises(client.Unauthenticated), Client(str(server.http.base_url), "nobody") as nobody:
        nobody.metrics()
    with server.keyed("publishable") as keyed:
        time.sleep(1.1)
        token = keyed.headers["Authorization"].removeprefix("Bearer ")
        with (
            pytest.raises(client.WrongScope, match="this call needs secret"),
            Client(str(server.http.base_url), token) as one,
        ):
            one.decision("any")
    assert endcap.events(EventsSchema([]), idempotency_key="one").results == []
    with pytest.raises(client.Conflict):
        endcap.events(EventsSchema([EventCall("view_item", NOW_MS)]), idempotency_key="one")
    with (
        pytest.raises(client.Unavailable, match="cannot be reached"),
        Client("http://127.0.0.1:9", "", tries=1) as gone,
    ):
        gone.healthz()


def test_an_erasure_that_broke_off_is_not_sent_again() -> None:
    """The second answer would say that nothing was there to be erased."""
    came: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def break_off() -> None:
            while not came or came[-1]:
                connection, _ = listener.accept()
                with connection:
                    came.append(connection.recv(65_536))

        thread = threading.Thread(target=break_off)
        thread.start()
        with (
            Client(f"http://127.0.0.1:{listener.getsockname()[1]}", "key") as endcap,
            pytest.raises(client.Unavailable, match="may have been done"),
        ):
            endcap.erasures(client.PersonCall(user_id="ann"))
        socket.create_connection(listener.getsockname()).close()
        thread.join()
    assert [told.partition(b" HTTP")[0] for told in came] == [b"POST /v1/admin/erasures", b""]


@contextmanager
def _answering(*statuses: int) -> Iterator[tuple[str, list[str]]]:
    """A server that answers so, one after the other; its address, and the Idempotency-Keys that came."""
    left, keys = list(statuses), []

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            keys.append(self.headers.get("Idempotency-Key", ""))
            self.rfile.read(int(self.headers["Content-Length"]))
            status = left.pop(0)
            body = b'{"accepted":0,"duplicates":0,"problems":[],"results":[]}' if status == 200 else b"later"
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as serving_:
        thread = threading.Thread(target=serving_.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving_.server_port}", keys
        serving_.shutdown()
        thread.join()


def test_what_is_refused_for_now_is_tried_again_under_the_same_idempotency_key() -> None:
    with _answering(503, 429, 200) as (address, keys), Client(address, "key") as endcap:
        assert endcap.events(EventsSchema([])).accepted == 0
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert keys[0]
    with _answering(429, 503, 429, 200) as (address, keys), Client(address, "key") as endcap:
        with pytest.raises(client.TooMany):
            endcap.events(EventsSchema([]))
        assert len(keys) == 3
