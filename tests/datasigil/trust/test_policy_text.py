"""Explaining a trust file in sentences, and adding to it without touching what is there."""

import pytest
from simulator import World, signer_of, vkey_of

from datasigil.encoding import Instant
from datasigil.errors import MalformedError
from datasigil.transparency.checkpoint import Witness
from datasigil.transparency.log_keys import EarlierKey
from datasigil.trust.policy import (
    IssuerRule,
    KeyPin,
    LogRule,
    add_issuer,
    add_log,
    add_witness,
    default_policy,
    explain_policy,
    parse_policy,
)
from datasigil.trust.profiles import PROFILES, policy_template
from datasigil.trust.rules import Compromise

WORLD = World(witnesses=2)
KEY = signer_of("pinned").public_key
RULE = IssuerRule(
    "did:web:publisher.example",
    'Ann "A" O\'Neil \\ \u00e9',
    ("DatasetCredential",),
    ("publisher",),
    (KeyPin(KEY, "did:web:publisher.example#key-1", compromised=Compromise("registry.example/log", 9)),),
    (signer_of("recovery").public_key,),
)
EARLIER = (
    EarlierKey(vkey_of(WORLD.log.origin, signer_of("old")), 7),
    EarlierKey(vkey_of(WORLD.log.time_key.name, signer_of("old"), 4), 8, Instant.parse("2026-06-01T00:00:00Z")),
)
LOG = LogRule(WORLD.log.origin, WORLD.log.key, WORLD.log.time_key, "https://registry.example/log", EARLIER)


def test_what_is_added_reads_back_and_what_was_there_stays():
    text = "# mine\nformatVersion = 1   # keep\n"
    for change in (
        lambda t: add_issuer(t, RULE),
        lambda t: add_log(t, LOG),
        lambda t: add_witness(t, Witness("W", vkey_of("w", signer_of("w"), 4))),
    ):
        longer = change(text)
        assert longer.startswith(text.rstrip("\n"))
        text = longer
    policy = parse_policy(text.encode())
    assert policy.issuer(RULE.did) == RULE
    assert policy.log(LOG.origin) == LOG
    explained = explain_policy(policy)
    assert "for checkpoints of at most 7 entries" in explained
    assert "for times until 2026-06-01T00:00:00Z of at most 8 entries" in explained
    assert (policy.witnesses[0].principal, policy.quorum) == ("W", 0)


def test_a_new_file_is_started_from_nothing():
    assert parse_policy(add_issuer("", RULE).encode()).issuer(RULE.did) == RULE


@pytest.mark.parametrize("add", [lambda text: add_issuer(text, RULE), lambda text: add_log(text, LOG)])
def test_nothing_is_added_twice(add):
    with pytest.raises(MalformedError) as caught:
        add(add(""))
    assert caught.value.code == "POLICY_FILE"


@pytest.mark.parametrize("add", [lambda text: add_issuer(text, RULE), lambda text: add_log(text, LOG)])
def test_nothing_is_added_to_a_file_that_cannot_be_read(add):
    with pytest.raises(MalformedError):
        add("formatVersion = 7\n")


def test_a_file_that_ends_inside_a_table_still_gets_a_table_of_its_own():
    text = add_issuer("formatVersion = 1\n[freshness]\nonlineHours = 2", RULE)
    policy = parse_policy(text.encode())
    assert (policy.online_seconds, policy.issuer(RULE.did)) == (7200, RULE)


def test_names_cannot_break_out_of_their_string():
    sly = IssuerRule("did:web:a.example", 'x"\n[[issuers]]\ndid = "did:web:evil.example"', (), ())
    with pytest.raises(MalformedError):
        add_issuer("", sly)


def test_the_default_is_explained_as_trusting_nobody_and_asking_no_witness():
    text = explain_policy(default_policy())
    assert "You trust no issuer" in text
    assert "No witness has to cosign" in text
    assert "an unknown licence is refused" in text
    assert text.endswith("\n")


def test_every_requirement_is_explained():
    extra = """
[requirements]
use = "ai-training"
commercial = true
roles = ["publisher"]
profile = "full"
sector = "law"
maxAgeDays = 30
provenBefore = 2026-11-02T00:00:00Z
personalData = ["absent"]
geography = "DE"
digest = "sha256"
lineage = "computed"
[requirements.licenses]
allow = ["MIT"]
deny = ["CC-BY-NC-4.0"]
unknown = "warn"
evidence = "text"
[requirements.regulations]
phi = ["absent"]
[[requirements.quality]]
metric = "completeness"
minimum = "0.9"
maximum = "1"
assurance = ["computed"]
"""
    policy = parse_policy(
        WORLD.policy_toml(quorum=2, extra=extra).replace("formatVersion = 1", 'formatVersion = 1\nself = "did:web:me.example"\napprovals = "publisher AND auditor"\nmirrors = ["https://m.example"]').encode()
    )  # fmt: skip
    text = explain_policy(policy)
    for words in (
        "allow ai-training, commercially", "one of MIT", "not be CC-BY-NC-4.0", "let through with a warning", "signed digest of its licence's text, or a grant to you, is required", "phi (regulated data) must be absent", "by its publisher",
        "full profile", "sector profile law", "at most 30 days", "held it by 2026-11-02T00:00:00Z", "personal data must be absent", "processed in DE", "sha256 must be computed",
        "how must be computed", "completeness must be at least 0.9 and at most 1, computed", "2 of these 2 witnesses", "You say that you are did:web:me.example, which nothing proves", "approved by publisher AND auditor",
        "WARNING: no issuer has the role auditor", "https://m.example", "24 hours old online and 7 days offline", policy.digest[:16],
    ):  # fmt: skip
        assert words in text, words


def test_keys_windows_delegation_and_shared_witness_keys_are_explained():
    one = parse_policy(add_issuer("", RULE).encode())
    assert "compromised: only what stands below entry 9 of registry.example/log" in explain_policy(one)
    bare = parse_policy(add_issuer("", IssuerRule("did:web:a.example", "a", (), ())).encode())
    assert "no key is pinned" in explain_policy(bare)
    first = WORLD.witnesses[0]
    shared = parse_policy(
        WORLD.policy_toml(quorum=1)
        .replace(str(WORLD.witnesses[1].key), str(vkey_of("witness2.example", first.signer, 4)))
        .encode()
    )
    assert "two witnesses share one key" in explain_policy(shared)
    delegate = IssuerRule("did:web:b.example", "b", ("DatasetCredential",), ("publisher",), delegated_by=RULE.did)
    assert f"because {RULE.did} delegates to it" in explain_policy(
        parse_policy(add_issuer(add_issuer("", RULE), delegate).encode())
    )


@pytest.mark.parametrize("sector", PROFILES)
def test_every_rule_of_a_sector_is_explained_with_source_and_date(sector):
    text = explain_policy(parse_policy(policy_template(sector).encode()))
    for rule in PROFILES[sector]:
        assert f"  {rule.asks}\n    {rule.source}, {rule.date}\n" in text
    assert "not legal advice" in text
