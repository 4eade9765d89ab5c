"""Load on a registry process, and what must be true afterwards.

Here: two issuers and a revoker, what they were told, and the checks that all of it is still there. Not here: what goes wrong meanwhile.
"""

import threading
import time
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
from registry_process import LivePublisher, RegistryProcess

from datasigil.canonical import document_digest
from datasigil.credentials.status_list import parse_status_list
from datasigil.encoding import b64_decode
from datasigil.merkle import verify_consistency
from datasigil.transparency.checkpoint import Checkpoint, open_checkpoint
from datasigil.transparency.note import parse_vkey


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

    def wait(self, seconds: float) -> None:
        """Go on until clients were told of another credential and have been of some revocation, however slow the machine is."""
        known = len(self._told.credentials)
        deadline = time.monotonic() + seconds
        while not (len(self._told.credentials) > known and self._told.revoked):
            assert time.monotonic() < deadline, f"nothing was acknowledged in {seconds} s"
            time.sleep(0.01)

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


def check_the_log(registry: RegistryProcess, seen: list[Checkpoint], keys: dict[str, str]) -> None:
    """Hold checkpoints seen before against the one of now, which may grow meanwhile: every ten minutes the audit trail is anchored."""
    last = checkpoint_of(registry, keys)
    for old in seen:
        assert old.size <= last.size, "the log shrank"
        if old.size == 0:
            continue
        answer = httpx.get(f"{registry.url}/log/consistency", params={"old": old.size}, timeout=20).json()
        if answer["size"] > last.size:
            last = checkpoint_of(registry, keys)
        assert answer["size"] == last.size
        verify_consistency(old.size, last.size, old.root, last.root, [b64_decode(one) for one in answer["hashes"]])


def check_the_acknowledged(
    registry: RegistryProcess, publishers: list[LivePublisher], told: Acknowledged, first: int = 0
) -> None:
    """Hold what clients were told, credentials from the `first` on, against what the registry has."""
    indices = [index for _, index in told.credentials] + [index for _, index in told.revoked]
    assert len(set(indices)) == len(indices), "two answers name one log index"
    with httpx.Client(base_url=registry.url, timeout=20) as client:
        for document, _ in told.credentials[first:]:
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
