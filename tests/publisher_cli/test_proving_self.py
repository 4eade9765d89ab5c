"""`key prove-self`: a trust file is signed by the one whose it is, or left as it was.

Not here: what the signature is good for (`tests/adversarial/group_y.py`).
"""

import tomllib
from pathlib import Path

import pytest
from simulator import World

from datasigil.encoding import Instant
from datasigil.errors import PolicyError
from datasigil.trust.owner import require_owner
from datasigil.trust.policy import explain_policy, parse_policy

WORLD = World()
AT = Instant.from_datetime(WORLD.now)
WEB = "did:web:me.example"
TEXT = "# Whose word counts for me.\n" + WORLD.policy_toml(
    extra='[requirements]\nuse = "research"   # and nothing else\n'
)


@pytest.fixture
def key(run):
    return run.json("key", "new", "--name", "me")


def file_of(text):
    path = Path("datasigil.toml")
    path.write_text(text, encoding="utf-8", newline="")
    return path


def parsed(path):
    return parse_policy(path.read_bytes())


def proven(path):
    try:
        require_owner(parsed(path), at=AT)
    except PolicyError as error:
        return error.code != "SELF_UNPROVEN"
    return True


def test_it_says_whose_the_file_is_and_proves_it_and_the_rest_stays(run, key):
    path = file_of(TEXT)
    shown = run.json("key", "prove-self", path, "--key", "me")
    assert (shown["self"], shown["digest"]) == (key["did"], parsed(path).digest)
    assert proven(path)
    lines = path.read_text().splitlines()
    stated = [one for one in TEXT.splitlines() if one]
    assert [one for one in lines if one in stated] == stated
    assert "has signed this trust file" in explain_policy(parsed(path))


def test_after_a_change_it_is_signed_again_and_holds_one_proof(run, key):
    path = file_of(TEXT)
    run("key", "prove-self", path, "--key", "me")
    path.write_text(
        path.read_text().replace('use = "research"', 'use = "evaluation"')
        + "\n# Added later\n[freshness]\nonlineHours = 2\n"
    )
    assert not proven(path)
    assert "which nothing proves" in explain_policy(parsed(path))
    for _ in range(2):
        run("key", "prove-self", path, "--key", "me")
        assert proven(path)
    assert path.read_text().count("[selfProof]") == 1
    assert "# Added later\n[freshness]" in path.read_text()
    assert tomllib.loads(path.read_text())["freshness"] == {"onlineHours": 2}


@pytest.mark.parametrize("kind", ["p256", "p384"])
def test_every_kind_of_key_proves_it_and_line_ends_do_not_matter(run, kind):
    run("key", "new", "--name", "me", "--kind", kind, "-q")
    path = file_of(TEXT.replace("\n", "\r\n"))
    run("key", "prove-self", path, "--key", "me")
    assert proven(path)


def test_a_did_web_is_proven_by_the_key_that_the_file_pins_for_it(run, key):
    path = file_of(TEXT)
    error = run.refused(
        "key", "prove-self", path, "--key", "me", "--did-web", "me.example", code="NOT_YOURS", exit_code=2
    )
    assert key["publicKeyMultibase"] in error["nextAction"]
    assert path.read_text() == TEXT
    file_of(
        f'{TEXT}\n[[issuers]]\ndid = "{WEB}"\nname = "Me"\ntypes = []\nkeys = [{{ multibase = "{key["publicKeyMultibase"]}" }}]\n'
    )
    assert run.json("key", "prove-self", path, "--key", "me", "--did-web", "me.example")["self"] == WEB
    assert proven(path)
    run("key", "new", "--name", "other", "-q")
    run.refused("key", "prove-self", path, "--key", "other", "--did-web", "me.example", code="NOT_YOURS", exit_code=2)
    assert proven(path)


@pytest.mark.parametrize(
    "text",
    [
        "", "formatVersion = 2\n", "\ufeffformatVersion = 1\n", '"formatVersion" = 1\n', 'self = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"\n' + TEXT,
        TEXT + "surprise = 1\n", 'self = "me"\n' + TEXT,
        'formatVersion = 1\nself = "{did}"\nselfProof = {{ verificationMethod = "did:key:a#a", created = "2026-11-02T09:30:00Z", proofValue = "z1" }}\n',
        'formatVersion = 1\nself = "{did}"\nselfProof.created = "2026-11-02T09:30:00Z"\nselfProof.proofValue = "z1"\nselfProof.verificationMethod = "did:key:a#a"\n',
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_changed_so_stays_as_it_was(run, key, text):
    path = file_of(text.format(did=key["did"]) if "{did}" in text else text)
    before = path.read_bytes()
    error = run.refused("key", "prove-self", path, "--key", "me", code="POLICY_FILE", exit_code=2)
    assert error["nextAction"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("place", ["nowhere.toml", "."])
def test_a_place_without_a_file_is_named(run, key, place):
    assert run.refused("key", "prove-self", place, "--key", "me", code="POLICY_FILE", exit_code=2)["place"] == place
