"""What was acknowledged survives `kill -9` at any moment (R1 of the reliability targets).

Here: a served registry under load of two issuers and one revoker, killed at random points, restarted, and derived again by `fsck`.
Not here: power cuts (a killed process leaves the page cache behind).
"""

import os
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from registry_process import LivePublisher, RegistryProcess

from datasigil.canonical import document_digest
from datasigil.credentials.status_list import parse_status_list
from datasigil.encoding import b64_decode
from datasigil.merkle import verify_consistency
from datasigil.transparency.checkpoint import Checkpoint, open_checkpoint
from datasigil.transparency.note import parse_vkey

KILLS_IN_CI = 20
KILLS_AT_LENGTH = 1_000
LOAD_SECONDS = (0.05, 0.6)
SEED = int(os.environ.get("DATASIGIL_TEST_SEED", "20261125"))


@dataclass
class Acknowledged:
    """What clients were told; each member is appended to only after the answer arrived."""

    credentials: list[tuple[dict[str, Any], int]] = field(default_factory=list)
    revoked: list[tuple[str, int]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


class Load:
    """Two issuers and a revoker that ask without pause until told to stop; a broken connection acknowledges nothing."""

    def __init__(self, publishers: list[LivePublisher], told: Acknowledged) -> None:
        self._told = told
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._issue, args=(one,)) for one in publishers]
        self._threads.append(threading.Thread(target=self._revoke, args=(publishers[0],)))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _post(self, client: httpx.Client, url: str, body: Any, headers: dict[str, str]) -> dict[str, Any] | None:
        try:
            answer = client.post(url, json=body, headers=headers)
        except httpx.TransportError:
            return None
        if answer.status_code not in (200, 201):
            self._told.refused.append(answer.text)
            return None
        return dict(answer.json())

    def _issue(self, publisher: LivePublisher) -> None:
        with httpx.Client(timeout=20) as client:
            while not self._stop.is_set():
                document = publisher.credential()
                reply = self._post(
                    client, f"{publisher.registry.url}/credentials", {"credential": document}, publisher.headers
                )
                if reply is not None:
                    self._told.credentials.append((document, reply["logIndex"]))

    def _revoke(self, publisher: LivePublisher) -> None:
        with httpx.Client(timeout=20) as client:
            done: set[str] = set()
            while not self._stop.is_set():
                mine = [
                    document
                    for document, _ in list(self._told.credentials)
                    if document["issuer"] == publisher.signer.controller and document["id"] not in done
                ]
                if not mine:
                    self._stop.wait(0.01)
                    continue
                document = mine[-1]
                request = publisher.status_request(document, "revocation")
                reply = self._post(client, f"{publisher.registry.url}/credentials/status", request, {})
                done.add(document["id"])
                if reply is not None and reply["changed"]:
                    self._told.revoked.append((document["id"], reply["logIndex"]))


def checkpoint_of(registry: RegistryProcess, keys: dict[str, str]) -> Checkpoint:
    note = httpx.get(f"{registry.url}/log/checkpoint", timeout=20).content
    return open_checkpoint(note, parse_vkey(keys["key"]), [parse_vkey(keys["timeKey"])], allow_empty=True).checkpoint


def check_the_log(registry: RegistryProcess, seen: list[Checkpoint], last: Checkpoint) -> None:
    for old in seen:
        assert old.size <= last.size, "the log shrank"
        if old.size == 0:
            continue
        answer = httpx.get(f"{registry.url}/log/consistency", params={"old": old.size}, timeout=20).json()
        assert answer["size"] == last.size
        verify_consistency(old.size, last.size, old.root, last.root, [b64_decode(one) for one in answer["hashes"]])


def check_the_acknowledged(registry: RegistryProcess, publishers: list[LivePublisher], told: Acknowledged) -> None:
    indices = [index for _, index in told.credentials] + [index for _, index in told.revoked]
    assert len(set(indices)) == len(indices), "two answers name one log index"
    with httpx.Client(base_url=registry.url, timeout=20) as client:
        for document, _ in told.credentials:
            answer = client.get(f"/credentials/{document_digest(document)}")
            assert answer.status_code == 200, f"{document['id']} was acknowledged and is gone"
            assert answer.json() == document
        lists = {
            one.signer.controller: parse_status_list(client.get(one.reply["statusLists"]["revocation"]).json())
            for one in publishers
        }
    by_id = {document["id"]: document for document, _ in told.credentials}
    for identifier, _ in told.revoked:
        document = by_id[identifier]
        index = int(document["credentialStatus"][0]["statusListIndex"])  # both purposes have the same
        assert lists[document["issuer"]].value(index) == 1, f"{identifier} was revoked and is not"


def survive(registry: RegistryProcess, kills: int) -> Acknowledged:
    """Load, kill, restart, as often as asked; every restart starts with the log consistent with all that was seen."""
    chance = random.Random(SEED)
    told, seen = Acknowledged(), []
    with registry.start():
        publishers = [LivePublisher(registry), LivePublisher(registry)]
        keys = publishers[0].reply["log"]
        for round_ in range(kills):
            with Load(publishers, told):
                time.sleep(chance.uniform(*LOAD_SECONDS))
                seen.append(checkpoint_of(registry, keys))
                registry.kill()
            registry.start()
            last = checkpoint_of(registry, keys)
            check_the_log(registry, seen[-3:], last)
            if round_ % 50 == 49:
                assert (found := registry.run("fsck")).returncode == 0, found.stdout + found.stderr
        check_the_log(registry, seen, checkpoint_of(registry, keys))
        check_the_acknowledged(registry, publishers, told)
        assert (found := registry.run("fsck")).returncode == 0, found.stdout + found.stderr
    return told


@pytest.fixture
def killable(tmp_path: Path, database_url: str | None) -> Iterator[RegistryProcess]:
    """An initialised registry that is not running yet."""
    registry = RegistryProcess(tmp_path / "data", database_url).initialise()
    yield registry
    registry.__exit__()


@pytest.mark.timeout(600)  # a minute on two free cores
def test_nothing_acknowledged_is_lost_when_the_process_is_killed(killable: RegistryProcess) -> None:
    told = survive(killable, KILLS_IN_CI)
    assert len(told.credentials) >= KILLS_IN_CI
    assert told.revoked
    assert told.refused == []


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
def test_nothing_acknowledged_is_lost_in_a_thousand_kills(killable: RegistryProcess) -> None:
    told = survive(killable, KILLS_AT_LENGTH)
    print(f"{KILLS_AT_LENGTH} kills: {len(told.credentials)} credentials and {len(told.revoked)} revocations, 0 lost")
    assert told.revoked
