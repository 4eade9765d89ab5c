"""What is taken out of the router's hands or kept in memory answers as everything else does.

Here: endpoints called with and without the express way, and the registry's evidence at the moment when it changes. Not here: credentials in
memory (`test_reading.py`), what is answered (`test_vcalm_answers.py`).
"""

import itertools
import time
from datetime import timedelta

import pytest
from simulator import manifest_of
from subjects import lineage_subject, model_subject

from datasigil.bundle import bundle_bytes
from datasigil.canonical import document_digest
from datasigil.encoding import Instant
from service.credentials import endpoints, vcalm
from service.credentials.bundles import bundle_of
from service.credentials.evidence import EvidenceMemory
from service.credentials.repository import Registered, by_digest, lineage_about, registered
from service.lineage.repository import parents_of
from service.transparency_log.repository import first_checkpoint


def asked(registry, publisher, documents):
    """Answers to good and bad requests on every express path, without what differs from one request to the next."""
    signed, foreign, altered = documents
    bodies = {
        "/credentials/verify": [
            *({"verifiableCredential": one, "options": {}} for one in documents),
            {"verifiableCredential": {**signed, "proof": {**signed["proof"], "proofValue": "z1"}}},
            {"verifiableCredential": [], "more": 1},
            [],
        ],
        "/credentials/issue": [{"credential": {}}, {}],
        "/credentials": [
            {"credential": signed},
            {"credential": altered},
            {"credential": foreign, "manifest": {}},
            {"x": 1},
        ],
    }
    for path, given in bodies.items():
        for body in given:
            for headers, encoding in itertools.product(
                ({}, publisher.headers, {"Authorization": "Bearer nonsense"}), ("gzip", "identity")
            ):
                answer = registry.http.post(path, json=body, headers={**headers, "Accept-Encoding": encoding})
                content = {k: v for k, v in answer.json().items() if k not in ("requestId", "asOf")}
                lasting = {k: v for k, v in answer.headers.items() if k not in ("x-request-id", "content-length")}
                yield path, answer.status_code, content, lasting
        yield path, *(registry.http.post(path, content=b"{", headers=publisher.headers).status_code,)
        yield path, registry.http.get(path).status_code


def test_the_express_way_answers_as_the_router_does(open_registry, monkeypatch):
    registry = open_registry()
    publisher = registry.login()
    signed = publisher.publish()
    documents = signed, publisher.issue(), {**signed, "name": "altered"}
    short = list(asked(registry, publisher, documents))
    assert 'route="/credentials/verify"' in registry.http.get("/metrics").text
    registry.http.__exit__(None, None, None)
    for module in (endpoints, vcalm):
        monkeypatch.setattr(module, "EXPRESS", {})
    assert list(asked(open_registry(), publisher, documents)) == short


@pytest.mark.parametrize("purpose", ["revocation", "suspension"])
def test_a_change_of_status_is_decided_by_at_once(registry, publisher, purpose):
    document = publisher.publish()

    def decision() -> str:
        return registry.http.post("/credentials/verify", json={"verifiableCredential": document}).json()["decision"]

    assert [decision() for _ in range(3)] == ["VALID"] * 3
    publisher.change(document, purpose)
    assert [decision() for _ in range(3)] == ["INVALID"] * 3
    if purpose == "suspension":
        publisher.change(document, purpose, value=False)
        assert decision() == "VALID"


def test_the_same_bytes_are_answered_as_of_one_time_for_a_second_and_then_judged_again(registry, publisher):
    until = registry.clock.now + timedelta(seconds=10)
    document = publisher.publish(publisher.issue(validUntil=str(Instant.from_datetime(until))))
    bodies = [{"verifiableCredential": document}, {"verifiableCredential": document, "options": {}}]

    def answered(body) -> tuple[str, str]:
        answer = registry.http.post("/credentials/verify", json=body).json()
        return answer["asOf"], answer["decision"]

    first = answered(bodies[0])
    registry.clock.turn(milliseconds=999)
    assert answered(bodies[0]) == first
    assert answered(bodies[1])[0] != first[0]  # other bytes
    registry.clock.turn(milliseconds=1)
    assert answered(bodies[0])[0] != first[0]
    registry.clock.turn(seconds=-1)
    assert answered(bodies[0]) == first  # a clock set back is no reason to answer as of later
    registry.clock.turn(seconds=100)
    assert [answered(body)[1] for body in bodies] == ["INVALID"] * 2


def test_what_another_process_changes_is_seen_within_two_seconds(registry, publisher, monkeypatch):
    document = publisher.publish()

    def decision() -> str:
        return registry.http.post("/credentials/verify", json={"verifiableCredential": document}).json()["decision"]

    assert decision() == "VALID"
    with registry.state.database.writer.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE publisher SET active = false"
        )  # as an operator's command on another machine does
    later = time.monotonic() + 2.1
    monkeypatch.setattr("service.credentials.evidence.time.monotonic", lambda: later)
    assert decision() == "INVALID"


def test_an_altered_copy_of_a_credential_in_memory_is_refused(registry, publisher):
    document = publisher.publish()
    body = {"verifiableCredential": document}
    assert registry.http.post("/credentials/verify", json=body).json()["decision"] == "VALID"
    body["verifiableCredential"] = {**document, "validFrom": "2020-01-01T00:00:00Z"}
    assert registry.http.post("/credentials/verify", json=body).status_code == 400


def test_the_short_way_to_evidence_finds_what_the_bundle_holds(registry, publisher):
    dataset = publisher.publish()
    model = publisher.publish(publisher.issue(model_subject([dataset]), "ModelTrainingCredential"))
    manifest = manifest_of({"clean.txt": b"clean"})
    made = publisher.publish(publisher.issue(registry.world.subject(manifest)))
    publisher.publish(publisher.issue(lineage_subject([dataset], manifest), "DatasetLineageCredential"))
    state = registry.state
    with state.database.reading() as connection:
        for document, related in ((dataset, False), (model, True), (made, True)):
            digest = document_digest(document)
            found, row = registered(connection, digest), by_digest(connection, digest)
            assert found == Registered(
                row.log_index, row.manifest_public, related, first_checkpoint(connection, row.log_index)
            )
            assert related == bool(lineage_about(connection, row) or parents_of(connection, row.seq))
            whole = bundle_of(connection, state, digest, state.released)
            gathered = EvidenceMemory().gathered(
                connection, state, state.evidence.view(state), document, digest, publisher.did, lasting=True
            )
            assert bundle_bytes(gathered.bundle) == whole
        assert registered(connection, "0" * 64) is None


def test_strangers_documents_do_not_fill_the_memory(registry, publisher, monkeypatch):
    monkeypatch.setattr("service.credentials.evidence.EVIDENCE_ENTRIES", 4)
    evidence, held = registry.state.evidence, set()
    for _ in range(6):
        document = publisher.issue()
        for _ in range(2):  # what comes once is not kept at all
            registry.http.post("/credentials/verify", json={"verifiableCredential": document})
            registry.clock.turn(seconds=1)
        held.add(len(evidence.view(registry.state).bundles))
        assert len(evidence._asked) <= 4
    assert 1 < max(held) <= 4


@pytest.mark.parametrize("registered_here", [True, False])
def test_what_is_asked_about_once_is_not_kept_and_is_answered_as_what_is(registry, publisher, registered_here):
    document = publisher.publish() if registered_here else publisher.issue()
    evidence, answers = registry.state.evidence, []
    for kept in (0, 1, 1, 1):
        answer = registry.http.post("/credentials/verify", json={"verifiableCredential": document}).json()
        answers.append({"asOf": None, "checks": [one for one in answer["checks"] if one["name"] != "validity period"]})
        answers[-1] |= {name: answer[name] for name in ("verified", "decision", "headline", "policyDigest")}
        assert len(evidence.requests) == kept
        registry.clock.turn(seconds=1)
    assert all(one == answers[0] for one in answers)
    registry.http.post("/credentials/verify", json={"verifiableCredential": {**document, "validFrom": "x"}})
    registry.http.post("/credentials/verify", json={"verifiableCredential": {**document, "validFrom": "x"}})
    assert len(evidence.requests) == 1  # what is refused is not kept either
