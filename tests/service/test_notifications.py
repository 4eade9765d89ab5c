"""Webhooks that are signed, retried, given up and revived; addresses that are never reached; the Atom feed."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.etree import ElementTree as ET

import pytest

from datasigil.credentials.did import resolve_did_key
from datasigil.encoding import b64_decode
from datasigil.errors import ProofError
from service.limits import DELIVERY_RETRY_SECONDS

SERVER_POLL_SECONDS = 0.01
ATOM = "{http://www.w3.org/2005/Atom}"


class Receiver:
    """A webhook's other side on loopback, which answers as it is told."""

    def __init__(self):
        self.received, self.status = [], 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.received.append((dict(self.headers), body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.send_header("Location", "http://127.0.0.1:1/")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(SERVER_POLL_SECONDS,), daemon=True).start()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def registry(open_registry, receiver, monkeypatch):
    """A registry whose operator named the receiver's origin; messages are sent when the test says so."""
    monkeypatch.setattr("service.notifications.sending.Sender.start", lambda self: None)
    return open_registry(webhook_origins=(receiver.url,), dev=True)


def hook(publisher, url, **body):
    answer = publisher.registry.http.post("/webhooks", json={"url": url, **body}, headers=publisher.headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


def dead_letters(publisher, made):
    return publisher.registry.http.get(f"/webhooks/{made['id']}/dead-letters", headers=publisher.headers).json()[
        "items"
    ]


def test_a_change_of_status_is_told_with_a_signature_that_verifies(registry, publisher, receiver):
    made = hook(publisher, receiver.url + "/in", events=["status.changed", "credential.registered"])
    document = publisher.publish()
    publisher.change(document)
    assert registry.state.sender.round() == 2
    kinds = [json.loads(body)["type"] for _, body in receiver.received]
    assert kinds == ["credential.registered", "status.changed"]
    headers, body = receiver.received[1]
    assert json.loads(body)["data"]["status"] == "revoked"
    assert json.loads(body)["data"]["id"] == document["id"]
    sent = {name.lower(): value for name, value in headers.items()}
    signed = f"{sent['webhook-id']}.{sent['webhook-timestamp']}.".encode() + body
    (key,) = [method.key for method in resolve_did_key(made["key"]).methods.values()]
    version, _, signature = sent["webhook-signature"].partition(",")
    assert version == "v1a"
    key.verify(b64_decode(signature), signed)
    with pytest.raises(ProofError):
        key.verify(b64_decode(signature), signed + b" ")
    assert registry.state.sender.round() == 0


def test_what_was_not_asked_for_is_not_told(registry, publisher, receiver):
    other = registry.login()
    hook(publisher, receiver.url, events=["status.changed"], issuer=publisher.did)
    publisher.change(publisher.publish())
    other.change(other.publish())
    registry.state.sender.round()
    assert [json.loads(body)["issuer"] for _, body in receiver.received] == [publisher.did]


def test_what_is_rolled_back_is_not_told(registry, publisher, receiver):
    hook(publisher, receiver.url, events=["credential.registered"])
    document = publisher.publish()
    assert publisher.post(publisher.sign({**publisher.unsigned(), "id": document["id"]})).status_code == 409
    assert registry.state.sender.round() == 1


@pytest.mark.parametrize("status", [500, 404, 301, 307])
def test_a_failed_delivery_is_retried_then_dead_then_revived(registry, publisher, receiver, status):
    made = hook(publisher, receiver.url)
    publisher.change(publisher.publish())
    receiver.status = status
    for wait in DELIVERY_RETRY_SECONDS:
        registry.clock.turn(seconds=wait)
        assert registry.state.sender.round() == 1
        assert registry.state.sender.round() == 0, "tried again before its time"
    assert len(receiver.received) == len(DELIVERY_RETRY_SECONDS)
    assert len({headers["webhook-id"] for headers, _ in receiver.received}) == 1
    (letter,) = dead_letters(publisher, made)
    assert (letter["attempts"], letter["error"]) == (len(DELIVERY_RETRY_SECONDS), f"HTTP {status}")
    assert json.loads(letter["body"])["type"] == "status.changed"
    receiver.status = 204
    url = f"/webhooks/{made['id']}/dead-letters/{letter['id']}"
    assert registry.http.post(url, headers=publisher.headers).status_code == 202
    assert registry.state.sender.round() == 1
    assert dead_letters(publisher, made) == []
    assert registry.http.post(url, headers=publisher.headers).status_code == 404


def test_a_receiver_that_is_away_loses_nothing(registry, publisher, receiver):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    gone = f"http://127.0.0.1:{port}"
    made = hook(publisher, receiver.url)
    publisher.change(publisher.publish())
    with registry.state.database.writer.begin() as connection:
        connection.exec_driver_sql(f"UPDATE webhook SET url = '{gone}'")
    registry.state.sender.round()
    with registry.state.database.writer.begin() as connection:
        connection.exec_driver_sql(f"UPDATE webhook SET url = '{receiver.url}'")
    registry.clock.turn(days=1)
    registry.state.sender.round()
    assert len(receiver.received) == 1
    assert dead_letters(publisher, made) == []


PRIVATE = [
    "https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/", "https://0.0.0.0/",
    "https://localhost/", "https://10.0.0.1/", "https://192.168.0.1/", "https://172.16.0.1/", "https://169.254.169.254/latest/meta-data",
    "https://100.64.0.1/", "https://224.0.0.1/", "https://192.0.0.1/", "https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://[fe80::1]/", "https://[fd00::1]/", "https://[ff02::1]/",
]  # fmt: skip


@pytest.mark.parametrize("half", [0, 1])  # a publisher has twenty webhooks at most
def test_an_address_that_is_not_public_is_never_reached(registry, publisher, half):
    made = {url: hook(publisher, url) for url in PRIVATE[half::2]}
    publisher.change(publisher.publish())
    for wait in DELIVERY_RETRY_SECONDS:
        registry.clock.turn(seconds=wait)
        assert registry.state.sender.round() == len(made)
    for url, one in made.items():
        (letter,) = dead_letters(publisher, one)
        assert letter["error"] in ("FETCH_BLOCKED", "FETCH_FAILED"), url


@pytest.mark.parametrize(
    "url",
    ["http://example.com/", "ftp://example.com/", "https://user:secret@example.com/", "https://example.com/#x", "//example.com", "javascript:alert(1)",
     "https://", "https://exa mple.com/", "https://example.com:0/", "file:///etc/passwd", "https://example.com\\@10.0.0.1/", "http://127.0.0.1:1/"],
)  # fmt: skip
def test_an_address_of_another_form_is_refused_at_once(registry, publisher, url):
    answer = registry.http.post("/webhooks", json={"url": url}, headers=publisher.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "WEBHOOK_URL")
    assert answer.json()["pointer"] == "/url"
    assert "secret" not in answer.text


def test_webhooks_are_their_owners_alone(registry, publisher, receiver):
    made = hook(publisher, receiver.url)
    other = registry.login()
    assert registry.http.get("/webhooks", headers=other.headers).json()["items"] == []
    for method, path in (("DELETE", ""), ("GET", "/dead-letters"), ("POST", "/dead-letters/1")):
        answer = registry.http.request(method, f"/webhooks/{made['id']}{path}", headers=other.headers)
        assert answer.status_code == 404
        assert registry.http.request(method, f"/webhooks/{made['id']}{path}").status_code == 401
    assert registry.http.delete(f"/webhooks/{made['id']}", headers=publisher.headers).status_code == 204
    publisher.change(publisher.publish())
    assert registry.state.sender.round() == 0
    codes = [
        registry.http.post("/webhooks", json={"url": receiver.url}, headers=publisher.headers).status_code
        for _ in range(21)
    ]
    assert codes == [201] * 20 + [409]


def test_the_feed_tells_of_every_change_newest_first(registry, publisher):
    other = registry.login()
    mine, theirs = publisher.publish(publisher.issue(registry.world.subject(name="<b>& \U0001f9ea"))), other.publish()
    publisher.change(mine, "suspension")
    registry.clock.turn(minutes=1)
    other.change(theirs)
    publisher.change(mine, "suspension", value=False)
    answer = registry.http.get("/feed.atom")
    assert answer.headers["content-type"].startswith("application/atom+xml")
    feed = ET.fromstring(answer.content)
    terms = [one.find(f"{ATOM}category").get("term") for one in feed.findall(f"{ATOM}entry")]
    assert terms == ["resumed", "revoked", "suspended"]
    titles = [one.findtext(f"{ATOM}title") for one in feed.findall(f"{ATOM}entry")]
    assert titles[0] == "resumed: <b>& \U0001f9ea"
    slug = publisher.reply["statusLists"]["revocation"].split("/")[-2]
    only = ET.fromstring(registry.http.get(f"/feed.atom?publisher={slug}").content)
    assert len(only.findall(f"{ATOM}entry")) == 2
    assert registry.http.get("/feed.atom", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert len(ET.fromstring(registry.http.get("/feed.atom?publisher=nobody").content)) == 5
