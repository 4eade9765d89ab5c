"""`login`: proof of control of a DID, what is stored, and what is never signed."""

import dataclasses
import json
import os
import shutil
import stat
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from web_site import serving


@pytest.fixture
def key(run):
    run("key", "new", "--name", "me")
    return run.json("key", "show", "me")["did"]


def stored():
    folder = Path(os.environ["XDG_CONFIG_HOME"]) / "datasigil/registries"
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


def test_the_token_is_stored_for_its_owner_alone_and_never_shown(run, registry, key):
    answer = run("login", "--registry", registry.url, "--key", "me", "--json", "-v")
    (path,) = stored()
    token = json.loads(path.read_text())["token"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token not in answer.out + answer.err
    assert answer.json["publisher"] == key
    assert set(answer.json["statusLists"]) == {"revocation", "suspension"}


def test_logging_in_again_replaces_the_login(run, registry, key):
    run("login", "--registry", registry.url)
    first = stored()[0].read_text()
    run("login", "--registry", registry.url + "/")
    assert len(stored()) == 1
    assert stored()[0].read_text() != first


@pytest.mark.parametrize("kind", ["p256", "p384"])
def test_elliptic_curve_keys_log_in_and_issue(run, registry, data, kind):
    run("key", "new", "--name", kind, "--kind", kind)
    run("login", "--registry", registry.url)
    run("init", data, "--yes")
    run("issue", data, "-o", "c.json")
    assert run.json("publish", "c.json")["checkedAs"] == "VALID"


def test_the_registry_may_come_from_the_environment(run, registry, key, monkeypatch):
    monkeypatch.setenv("DATASIGIL_REGISTRY", registry.url)
    assert run.json("login")["url"] == registry.url


def test_without_a_registry_the_command_asks_for_one(run, key):
    assert run.refused("login", code="USAGE", exit_code=2)["nextAction"].startswith("add --registry URL")


def test_a_registry_that_is_away_can_be_had_later(run, key):
    run.refused("login", "--registry", "http://127.0.0.1:9", code="FETCH_FAILED", exit_code=3)
    assert stored() == []


def test_a_registry_on_this_machine_needs_development_mode(run, registry, key, monkeypatch):
    monkeypatch.delenv("DATASIGIL_DEV")
    error = run.refused("login", "--registry", registry.url, code="FETCH_BLOCKED", exit_code=2)
    assert "--dev" in error["nextAction"]
    run("login", "--registry", registry.url, "--dev")


@pytest.mark.parametrize(
    "url",
    ["registry", "ftp://registry.example", "http://", "http://a b", "https://me:secret@registry.example", "http://x\n"],
)
def test_what_is_no_address_is_wrong_usage(run, key, url):
    run.refused("login", "--registry", url, code="FETCH_URL", exit_code=2)


def test_a_challenge_for_another_domain_is_not_signed(run, registry, key):
    other = registry.url.replace("127.0.0.1", "localhost")
    error = run.refused("login", "--registry", other, code="REGISTRY_ANSWER", exit_code=1)
    assert (error["place"], error["expected"], error["found"]) == ("/domain", other, registry.url)
    assert stored() == []


def test_a_key_logs_in_as_the_address_that_vouches_for_it_and_issues_by_that_name(run, initialised, tmp_path, data):
    shutil.copytree(initialised.folder, tmp_path / "registry")
    with serving() as site:
        address = f"http://localhost:{site.port}/maker"
        more = {"DATASIGIL_DEV": "1", "DATASIGIL_DID_WEB_ORIGINS": json.dumps([f"http://localhost:{site.port}"])}
        registry = dataclasses.replace(initialised, folder=tmp_path / "registry", more=more)
        registry.start()
        try:
            run("key", "new", "--name", "me")
            login = ("login", "--registry", registry.url, "--key", "me")
            assert (
                "did.json"
                in run.refused(*login, "--did-web", f"{address}/x", code="DID_DOCUMENT", exit_code=1)["nextAction"]
            )
            run("key", "did-web", address, "--key", "me", "-o", "did.json")
            site.document = json.loads(Path("did.json").read_text())
            assert run.json(*login)["publisher"].startswith("did:key:")
            time.sleep(1)  # tokens end at whole seconds: the later one counts
            assert run.json(*login, "--did-web", address)["publisher"] == site.did
            run("init", data, "--yes")
            run("issue", data, "--key", "me", "-o", "c.json")
            assert json.loads(Path("c.json").read_text())["issuer"] == site.did
            assert run.json("publish", "c.json")["checkedAs"] == "VALID"
            assert run.json("revoke", "c.json", "--key", "me", "--reason", "an error")["status"] == "revoked"
        finally:
            registry.kill()


@pytest.fixture
def impostor():
    """A web server that is no registry; `body` is what it answers to everything."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            self.send_response(self.server.status)
            self.end_headers()
            self.wfile.write(self.server.body)

        def do_GET(self):
            self.answer()

        def do_POST(self):
            self.answer()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.status, server.body = 200, b"<html>"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield server
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "body", "exit_code"),
    [
        (200, b"<html>", 1),
        (200, b"", 1),
        (200, b"[]", 1),
        (200, b'{"did": "x", "did": "y"}', 1),
        (200, b'{"did": null, "log": null, "challenge": null, "domain": null}', 1),
        (200, b"\xff\xfe", 1),
        (404, b"not found", 1),
        (503, b"later", 3),
        (429, b'{"code": "RATE", "detail": "slow down"}', 3),
        (302, b"", 3),
    ],
)
def test_what_is_no_registry_is_refused_and_nothing_is_stored(run, key, impostor, status, body, exit_code):
    impostor.status, impostor.body = status, body
    answer = run("login", "--registry", impostor.url, "--json", expect=exit_code)
    assert answer.json["type"] == "Error"
    assert stored() == []


def test_an_answer_without_end_is_cut_off(run, key, impostor):
    impostor.body = b"x" * (5 * 1024 * 1024)
    assert run("login", "--registry", impostor.url, "--json", expect=3).json["code"] == "FETCH_SIZE"


def test_a_registry_that_does_not_know_the_default_scopes_is_asked_for_the_older_ones(run, registry, key, monkeypatch):
    monkeypatch.setattr("publisher_cli.logins.SCOPES", ("publish", "status", "later"))
    answer = run("login", "--registry", registry.url)
    assert "knows no scope train: logged in without it" in answer.err
    assert len(stored()) == 1
