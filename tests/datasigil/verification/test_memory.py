"""What a process remembers of documents never replaces a judgement.

Here: `Memory` beside the same call without it. Not here: the registry's evidence (`tests/service/test_shortcuts.py`).
"""

import copy
from datetime import timedelta

import pytest
from simulator import World, signer_of

from datasigil.encoding import Instant
from datasigil.errors import DatasigilError
from datasigil.signing import add_proof
from datasigil.trust.policy import parse_policy
from datasigil.verification import verify
from datasigil.verification.memory import Memory


def test_reports_with_and_without_memory_are_the_same():
    world, memory = World(), Memory()
    bundle = world.publish(world.issue())
    policy = parse_policy(world.policy_toml().encode())
    for later in (timedelta(0), timedelta(hours=1), timedelta(days=400)):
        at = world.now + later
        plain = verify(bundle, policy=policy, at=at, offline=True).report
        for _ in range(2):
            assert verify(bundle, policy=policy, at=at, offline=True, memory=memory).report == plain


def test_a_document_that_takes_the_place_of_another_is_verified_itself():
    world, memory = World(), Memory()
    bundle = world.publish(world.issue())
    genuine = bundle.status_lists[0]
    assert memory.status_list(genuine).id == genuine["id"]
    forged = copy.deepcopy(genuine)
    forged["validFrom"] = "2020-01-01T00:00:00Z"
    issuer, at = genuine["issuer"], Instant.from_datetime(world.now)
    memory.signed(genuine, issuer, None, (), at)
    with pytest.raises(DatasigilError):
        memory.signed(forged, issuer, None, (), at)


def test_a_proof_that_has_expired_since_is_refused():
    world, memory, signer = World(), Memory(), signer_of("publisher")
    at = Instant.from_datetime(world.now)
    unsigned = {key: value for key, value in world.unsigned(world.subject()).items() if key != "proof"}
    signed = add_proof(
        {**unsigned, "issuer": signer.controller}, signer, created=world.now, expires=world.now + timedelta(hours=1)
    )
    assert memory.signed(signed, signer.controller, None, (), at).proofs
    with pytest.raises(DatasigilError, match="expired"):
        memory.signed(signed, signer.controller, None, (), at.plus(7_200))


def test_the_memory_is_bounded():
    world, memory = World(), Memory(entries=2)
    lists = [copy.deepcopy(world.publish(world.issue()).status_lists[0]) for _ in range(4)]
    parsed = [memory.status_list(one) for one in lists]
    assert memory.status_list(lists[-1]) is parsed[-1]
    assert memory.status_list(lists[0]) is not parsed[0]
