"""Many registrations in one batch end as they would one after the other.

Here: the writer held back until several operations wait, then let go. Not here: what each refusal means (`test_registration.py`), kills
(`tests/durability`).
"""

import threading
from concurrent.futures import Future

import pytest

from datasigil.encoding import parse_json
from service.access_cache import Principal
from service.credentials.issuing import IssueHosted
from service.credentials.registration import Context, check
from service.credentials.repository import by_id
from service.credentials.storing import RegisterCredential
from service.fsck import check_everything
from service.status_lists.repository import indices_of, lists_of


class Held:
    """The writer of a registry, busy until `release`, so that everything given to it meanwhile is one batch."""

    def __init__(self, registry):
        self._registry = registry
        self._go = threading.Event()
        self._begun = threading.Event()
        registry.state.sequencer.enqueue(self._wait)
        assert self._begun.wait(10)

    def _wait(self, _batch):
        self._begun.set()
        assert self._go.wait(20)

    def give(self, *operations) -> list[Future]:
        return [self._registry.state.sequencer.enqueue(one) for one in operations]

    def release(self, futures: list[Future]) -> list[object]:
        before = self._registry.state.sequencer.batches
        self._go.set()
        found = [future.exception(20) or future.result(20) for future in futures]
        assert self._registry.state.sequencer.batches - before <= 2
        return found


def issuing(registry, **changes):
    state = registry.state
    wanted = {"type": ["VerifiableCredential", "DatasetCredential"], "credentialSubject": registry.world.subject()}
    return IssueHosted({**wanted, **changes}, state.keys.hosted, state.settings.log_url, None)


def registering(registry, publisher, document):
    row = registry.state.database.read_now(
        lambda connection: connection.exec_driver_sql("SELECT id, slug FROM publisher").first()
    )
    principal = Principal(
        row[0],
        publisher.did,
        publisher.reply["statusLists"]["revocation"].split("/")[-2],
        "publisher",
        "t",
        frozenset(),
        2**40,
    )
    state = registry.state
    context = Context(state.settings.public_url, state.keys.origin, state.keys.did, state.clock())
    return RegisterCredential(check(document, None, public=False, principal=principal, context=context))


def test_credentials_issued_together_are_logged_with_indices_of_their_own(registry):
    held = Held(registry)
    found = held.release(held.give(*(issuing(registry) for _ in range(20))))
    documents = [parse_json(one) for one in found]
    entries = [entry["statusListIndex"] for document in documents for entry in document["credentialStatus"]]
    assert len({one["id"] for one in documents}) == len(set(entries)) == 20
    assert len(entries) == 40
    rows = [registry.state.database.read_now(by_id, one["id"]) for one in documents]
    assert sorted(row.log_index for row in rows) == list(range(20))
    for document, row in zip(documents, rows, strict=True):
        assert len(registry.state.database.read_now(indices_of, row.seq)) == 2
        answer = registry.http.post("/credentials/verify", json={"verifiableCredential": document}).json()
        assert answer["decision"] == "VALID"
    assert registry.http.get("/credentials?q=clause&limit=100").json()["items"]
    assert check_everything(registry.state.settings).clean


def test_one_that_is_refused_leaves_the_others_alone(registry):
    held = Held(registry)
    bad = [
        issuing(registry, issuer="did:key:zNobody"),
        issuing(registry, credentialSubject={}),
        issuing(registry, type=["X"]),
    ]
    found = held.release(held.give(issuing(registry), bad[0], issuing(registry), *bad[1:], issuing(registry)))
    assert [getattr(one, "code", "stored") for one in found] == [
        "stored",
        "NOT_YOURS",
        "stored",
        "SCHEMA",
        "TYPE",
        "stored",
    ]
    assert registry.state.released.size == 3


def test_repetitions_and_conflicts_in_one_batch_are_told_apart(registry, publisher):
    first, second = publisher.issue(), publisher.issue()
    same_id = publisher.issue(id=first["id"])
    same_index = publisher.issue(credentialStatus=first["credentialStatus"])
    publisher.publish(second)
    held = Held(registry)
    given = [
        registering(registry, publisher, one) for one in (first, first, same_id, same_index, second, publisher.issue())
    ]
    found = held.release(held.give(*given))
    assert [one[1] if isinstance(one, tuple) else one.code for one in found] == [
        *(True, False, "ID_TAKEN", "STATUS_INDEX_TAKEN", False, True)
    ]
    assert found[0][0] == found[1][0]
    assert registry.state.released.size == 3


def test_a_fault_in_the_way_for_many_falls_back_to_one_by_one(registry, monkeypatch, caplog):
    def broken(*_arguments):
        raise RuntimeError("broken")

    monkeypatch.setattr("service.credentials.issuing.register_together", broken)
    held = Held(registry)
    found = held.release(held.give(*(issuing(registry) for _ in range(3))))
    assert all(isinstance(one, bytes) for one in found)
    assert registry.state.released.size == 3
    assert "operations failed together" in caplog.text


@pytest.mark.parametrize("together", [1, 3])
def test_a_full_pair_of_lists_gets_a_successor(registry, monkeypatch, together):
    monkeypatch.setattr("service.credentials.issuing.STATUS_LIST_BITS", 4)  # indices are drawn below 4
    documents = []
    for _ in range(9 // together):
        held = Held(registry)
        documents += [parse_json(one) for one in held.release(held.give(*(issuing(registry) for _ in range(together))))]
    lists = {entry["statusListCredential"] for document in documents for entry in document["credentialStatus"]}
    publisher = registry.state.database.read_now(by_id, documents[0]["id"]).publisher_id
    assert lists <= {
        url
        for purpose in ("revocation", "suspension")
        for url in registry.state.database.read_now(lists_of, publisher, purpose)
    }
    assert len(lists) >= 6
    for document in documents:
        assert (
            registry.http.post("/credentials/verify", json={"verifiableCredential": document}).json()["decision"]
            == "VALID"
        )


def test_an_issuer_with_as_many_lists_as_allowed_is_told_so(registry, monkeypatch):
    monkeypatch.setattr("service.credentials.issuing.STATUS_LIST_BITS", 1)
    monkeypatch.setattr("service.status_lists.signing.STATUS_LISTS_PER_PURPOSE_MAX", 2)
    codes = []
    for _ in range(3):
        held = Held(registry)
        codes += [getattr(one, "code", "stored") for one in held.release(held.give(issuing(registry)))]
    assert codes == ["stored", "stored", "STATUS_LIST_LIMIT"]
