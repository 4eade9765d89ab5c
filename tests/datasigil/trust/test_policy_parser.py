"""The trust file: every key is read, every bad value is refused at its own place, nothing unknown gets by."""

from datetime import UTC, datetime

import pytest
from simulator import World, signer_of, vkey_of

from datasigil.encoding import Instant
from datasigil.errors import MalformedError
from datasigil.trust.policy import default_policy, parse_policy
from datasigil.trust.rules import Compromise, LicenseRules, QualityRule

WORLD = World()
ED = signer_of("pinned").public_key.multibase
DID = "did:web:publisher.example"
HEX = "a" * 64
WITNESS = vkey_of("w.example", signer_of("w"), 4)

OLD_KEY = vkey_of(WORLD.log.origin, signer_of("old log"), 1)
OLD_TIME = vkey_of(WORLD.log.time_key.name, signer_of("old time"), 4)

ISSUER = f"""
[[issuers]]
did = "{DID}"
name = "Example Law Data"
types = ["DatasetCredential", "DatasetAuditCredential"]
roles = ["publisher", "auditor"]
recovery = ["{signer_of("recovery").public_key.multibase}"]

[[issuers.keys]]
multibase = "{ED}"
id = "{DID}#key-1"
from = 2026-01-01T00:00:00Z
until = "2027-01-01T00:00:00Z"
compromised = {{ origin = "registry.example/log", index = 17 }}
"""
LOG = f"""
[[logs]]
origin = "{WORLD.log.origin}"
key = "{WORLD.log.key}"
timeKey = "{WORLD.log.time_key}"
url = "https://registry.example/log"

[[logs.earlier]]
key = "{OLD_KEY}"
size = 40

[[logs.earlier]]
timeKey = "{OLD_TIME}"
size = 50
until = 2026-06-01T00:00:00Z
"""
REST = f"""
[[witnesses]]
principal = "Witness Ltd"
key = "{WITNESS}"

[witness]
quorum = 1

[freshness]
onlineHours = 6
offlineDays = 2

[requirements]
use = "fine-tuning"
commercial = true
roles = ["publisher"]
profile = "full"
sector = "health"
maxAgeDays = 365
provenBefore = 2026-12-01T00:00:00+01:00
personalData = ["absent", "unknown"]
geography = "US"
digest = "sha256"
lineage = "computed"
approvedUntil = 2027-06-30T00:00:00Z
granted = true

[requirements.licenses]
allow = ["MIT", "LicenseRef-terms@sha256:{HEX}", "GPL-3.0-only WITH Classpath-exception-2.0"]
deny = ["CC-BY-NC-4.0"]
unknown = "warn"

[requirements.regulations]
phi = ["absent", "deidentified"]
pi = ["absent"]

[[requirements.quality]]
metric = "completeness"
minimum = "0.9"
maximum = "1"
assurance = ["attested", "computed"]
"""
HEAD = f"""formatVersion = 1
type = "TrustPolicy"
self = "{DID}"
approvals = "publisher AND (auditor OR regulator)"
mirrors = ["https://mirror.example/lists"]
"""
WHOLE = HEAD + ISSUER + LOG + REST


def read(text: str):
    return parse_policy(text.encode())


def test_every_key_is_read():
    policy = read(WHOLE)
    (issuer,), (log,), (witness,) = policy.issuers, policy.logs, policy.witnesses
    assert (issuer.did, issuer.name, issuer.types, issuer.roles) == (
        DID,
        "Example Law Data",
        ("DatasetCredential", "DatasetAuditCredential"),
        ("publisher", "auditor"),
    )
    (pin,) = issuer.keys
    assert (pin.key.multibase, pin.id, pin.compromised) == (ED, f"{DID}#key-1", Compromise("registry.example/log", 17))
    assert (pin.valid_from, pin.valid_until) == (
        Instant.parse("2026-01-01T00:00:00Z"),
        Instant.parse("2027-01-01T00:00:00Z"),
    )
    assert len(issuer.recovery) == 1
    assert (log.origin, log.key, log.time_key, log.url) == (
        WORLD.log.origin,
        WORLD.log.key,
        WORLD.log.time_key,
        "https://registry.example/log",
    )
    assert (witness.principal, witness.key, policy.quorum) == ("Witness Ltd", WITNESS, 1)
    assert (policy.online_seconds, policy.offline_seconds) == (6 * 3600, 2 * 86400)
    assert policy.max_age_seconds(offline=True) == 2 * 86400
    assert (policy.self_did, policy.approvals, policy.mirrors) == (
        DID,
        "publisher AND (auditor OR regulator)",
        ("https://mirror.example/lists",),
    )
    wanted = policy.requirements
    assert (wanted.use, wanted.commercial, wanted.roles, wanted.profile) == (
        "fine-tuning",
        True,
        ("publisher",),
        "full",
    )
    assert (wanted.sector, wanted.max_age_days, wanted.personal_data) == ("health", 365, ("absent", "unknown"))
    assert wanted.proven_before == Instant.parse("2026-11-30T23:00:00Z")
    assert (wanted.geography, wanted.digest, wanted.lineage) == ("US", "sha256", "computed")
    assert wanted.licenses == LicenseRules(
        ("MIT", f"LicenseRef-terms@sha256:{HEX}", "GPL-3.0-only WITH Classpath-exception-2.0"),
        ("CC-BY-NC-4.0",),
        "warn",
    )
    assert wanted.regulations == {"phi": ("absent", "deidentified"), "pi": ("absent",)}
    assert wanted.quality == (QualityRule("completeness", "0.9", "1", ("attested", "computed")),)


def test_an_empty_policy_trusts_nobody_and_has_the_widest_bounds_that_are_allowed():
    policy = read("formatVersion = 1")
    assert (policy.issuers, policy.logs, policy.quorum) == ((), (), 0)
    assert (policy.online_seconds, policy.offline_seconds) == (24 * 3600, 7 * 86400)
    assert policy.digest == default_policy().digest


def test_the_digest_covers_content_and_neither_order_nor_comments_nor_source():
    policy = read(WHOLE)
    assert len(policy.digest) == 64
    assert (
        read(
            HEAD + REST.replace('["MIT", ', "[").replace('2.0"]', '2.0", "MIT"]', 1) + LOG + ISSUER + "# nothing\n"
        ).digest
        == policy.digest
    )
    assert parse_policy(WHOLE.encode(), source="/x").digest == policy.digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("index = 17", "index = 18"),
        ("size = 40", "size = 41"),
        ("until = 2026-06-01T00:00:00Z", "until = 2026-06-01T00:00:01Z"),
        ("quorum = 1", "quorum = 0"),
        ("onlineHours = 6", "onlineHours = 5"),
        ('unknown = "warn"', 'unknown = "refuse"'),
        ('unknown = "warn"', 'unknown = "warn"\nevidence = "text"'),
        ('minimum = "0.9"', 'minimum = "0.91"'),
        ('roles = ["publisher", "auditor"]', 'roles = ["publisher"]'),
        ("maxAgeDays = 365", "maxAgeDays = 366"),
        ("commercial = true", "commercial = false"),
        ('approvals = "publisher AND (auditor OR regulator)"', 'approvals = "publisher"'),
        ("approvedUntil = 2027-06-30T00:00:00Z", ""),
        ("granted = true", "granted = false"),
        ("from = 2026-01-01T00:00:00Z", ""),
        ('lineage = "computed"', 'lineage = "declared"'),
    ],
)
def test_any_change_of_meaning_changes_the_digest(old, new):
    assert old in WHOLE
    assert read(WHOLE.replace(old, new)).digest != read(WHOLE).digest


BAD = [
    ("formatVersion = 1", "formatVersion = 2", "formatVersion"),
    ("formatVersion = 1", 'formatVersion = "1"', "formatVersion"),
    ("formatVersion = 1", "", "formatVersion"),
    ('type = "TrustPolicy"', 'type = "Policy"', "type"),
    (f'self = "{DID}"', 'self = "me"', "self"),
    (f'self = "{DID}"', "self = 7", "self"),
    ("mirrors = [", 'mirrors = ["ftp://x", ', "mirrors[1]"),
    ("mirrors = [", 'mirrors = ["https://mirror.example/lists", ', "mirrors"),
    ('mirrors = ["https://mirror.example/lists"]', "mirrors = []", "mirrors"),
    ("publisher AND (auditor OR regulator)", "publisher AND", "approvals"),
    (f'did = "{DID}"', 'did = "publisher.example"', "issuers[1].did"),
    (f'did = "{DID}"\n', "", "issuers[1].did"),
    ('name = "Example Law Data"', 'name = ""', "issuers[1].name"),
    ('name = "Example Law Data"', 'name = "a\\nb"', "issuers[1].name"),
    ('name = "Example Law Data"\n', "", "issuers[1].name"),
    ('types = ["DatasetCredential", ', 'types = ["Dataset", ', "issuers[1].types[1]"),
    ('types = ["DatasetCredential", "DatasetAuditCredential"]', 'types = "DatasetCredential"', "issuers[1].types"),
    ('roles = ["publisher", "auditor"]', 'roles = ["auditor"]', "issuers[1].roles"),
    ('roles = ["publisher", "auditor"]', 'roles = ["publisher", "publisher"]', "issuers[1].roles"),
    ('roles = ["publisher", "auditor"]', 'roles = ["Publisher"]', "issuers[1].roles[1]"),
    ("recovery = [", 'recovery = ["z6Mk", ', "issuers[1].recovery[1]"),
    (f'multibase = "{ED}"', 'multibase = "z"', "issuers[1].keys[1].multibase"),
    (f'multibase = "{ED}"\n', "", "issuers[1].keys[1].multibase"),
    (f'id = "{DID}#key-1"', 'id = "did:web:evil.example#key-1"', "issuers[1].keys[1].id"),
    (f'id = "{DID}#key-1"', f'id = "{DID}"', "issuers[1].keys[1].id"),
    ("from = 2026-01-01T00:00:00Z", "from = 2026-01-01T00:00:00", "issuers[1].keys[1].from"),
    ("from = 2026-01-01T00:00:00Z", 'from = "yesterday"', "issuers[1].keys[1].from"),
    ("from = 2026-01-01T00:00:00Z", "from = 2028-01-01T00:00:00Z", "issuers[1].keys[1].until"),
    ("index = 17", "index = -1", "issuers[1].keys[1].compromised.index"),
    ("index = 17", "index = 17, note = 1", "issuers[1].keys[1].compromised.note"),
    ('origin = "registry.example/log", index', "index", "issuers[1].keys[1].compromised.origin"),
    (f'origin = "{WORLD.log.origin}"\nkey', 'origin = "other.example/log"\nkey', "logs[1].key"),
    (f'key = "{WORLD.log.key}"', 'key = "registry.example/log+00000000+AAAA"', "logs[1].key"),
    (f'timeKey = "{WORLD.log.time_key}"', f'timeKey = "{WORLD.log.key}"', "logs[1].timeKey"),
    (f'timeKey = "{WORLD.log.time_key}"\n', "", "logs[1].timeKey"),
    ('url = "https://registry.example/log"', 'url = "registry.example/log"', "logs[1].url"),
    ("size = 40\n", "", "logs[1].earlier[1].size"),
    ("size = 40", "size = -1", "logs[1].earlier[1].size"),
    ("size = 40", "size = 40\nuntil = 2026-06-01T00:00:00Z", "logs[1].earlier[1]"),
    (f'key = "{OLD_KEY}"', "", "logs[1].earlier[1]"),
    (f'key = "{OLD_KEY}"', f'key = "{OLD_KEY}"\ntimeKey = "{OLD_TIME}"', "logs[1].earlier[1]"),
    (f'key = "{OLD_KEY}"', f'key = "{WORLD.log.key}"', "logs[1].earlier[1]"),
    (f'key = "{OLD_KEY}"', f'key = "{vkey_of("other.example/log", signer_of("old log"), 1)}"', "logs[1].earlier[1]"),
    (f'key = "{OLD_KEY}"', f'key = "{OLD_TIME}"', "logs[1].earlier[1].key"),
    ("size = 40", f'size = 40\n[[logs.earlier]]\nkey = "{OLD_KEY}"\nsize = 41', "logs[1].earlier[2]"),
    ("\nuntil = 2026-06-01T00:00:00Z", "", "logs[1].earlier[2]"),
    ("until = 2026-06-01T00:00:00Z", "until = 2026-06-01T00:00:00Z\nname = 1", "logs[1].earlier[2].name"),
    (f'key = "{WITNESS}"', f'key = "{WORLD.log.key}"', "witnesses[1].key"),
    ('principal = "Witness Ltd"\n', "", "witnesses[1].principal"),
    ("quorum = 1", "quorum = 2", "witness.quorum"),
    ("quorum = 1", "quorum = -1", "witness.quorum"),
    ("quorum = 1", "quorum = true", "witness.quorum"),
    ("quorum = 1", "quorums = 1", "witness.quorums"),
    ("onlineHours = 6", "onlineHours = 25", "freshness.onlineHours"),
    ("onlineHours = 6", "onlineHours = 6.0", "freshness.onlineHours"),
    ("offlineDays = 2", "offlineDays = 0", "freshness.offlineDays"),
    ("offlineDays = 2", "offlinedays = 2", "freshness.offlinedays"),
    ('use = "fine-tuning"', 'use = "finetuning"', "requirements.use"),
    ("commercial = true", 'commercial = "yes"', "requirements.commercial"),
    ('roles = ["publisher"]\n', 'roles = ["auditor"]\n', "requirements.roles[1]"),
    ('profile = "full"', 'profile = "medium"', "requirements.profile"),
    ('sector = "health"', 'sector = "games"', "requirements.sector"),
    ("maxAgeDays = 365", "maxAgeDays = 0", "requirements.maxAgeDays"),
    ("provenBefore = 2026-12-01T00:00:00+01:00", "provenBefore = 2026-12-01", "requirements.provenBefore"),
    ("approvedUntil = 2027-06-30T00:00:00Z", "approvedUntil = 2027-06-30", "requirements.approvedUntil"),
    ("granted = true", 'granted = "yes"', "requirements.granted"),
    (f'self = "{DID}"', "", "requirements.granted"),
    ('use = "fine-tuning"', "", "requirements.granted"),
    ('approvals = "publisher AND (auditor OR regulator)"', "", "requirements.approvedUntil"),
    ('personalData = ["absent", ', 'personalData = ["none", ', "requirements.personalData[1]"),
    ('geography = "US"', 'geography = "USA"', "requirements.geography"),
    ('digest = "sha256"', 'digest = "md5"', "requirements.digest"),
    ('lineage = "computed"', 'lineage = "yes"', "requirements.lineage"),
    ('allow = ["MIT", ', 'allow = ["MIT OR Apache-2.0", ', "requirements.licenses.allow[1]"),
    ('allow = ["MIT", ', 'allow = ["LicenseRef-x", ', "requirements.licenses.allow[1]"),
    ('deny = ["CC-BY-NC-4.0"]', 'deny = ["MIT"]', "requirements.licenses.deny"),
    ('deny = ["CC-BY-NC-4.0"]', "deny = []", "requirements.licenses.deny"),
    ('unknown = "warn"', 'unknown = "allow"', "requirements.licenses.unknown"),
    ('unknown = "warn"', 'evidence = "computed"', "requirements.licenses.evidence"),
    ("pi = [", "gdpr = [", "requirements.regulations.gdpr"),
    ('pi = ["absent"]', 'pi = ["none"]', "requirements.regulations.pi[1]"),
    ('metric = "completeness"\n', "", "requirements.quality[1].metric"),
    ('minimum = "0.9"', "minimum = 0.9", "requirements.quality[1].minimum"),
    ('minimum = "0.9"', 'minimum = "1e3"', "requirements.quality[1].minimum"),
    ('minimum = "0.9"\nmaximum = "1"\n', "", "requirements.quality[1].minimum"),
    ('assurance = ["attested", ', 'assurance = ["sworn", ', "requirements.quality[1].assurance[1]"),
    ("[requirements]\n", "[requirements]\nlicence = 1\n", "requirements.licence"),
    ("formatVersion = 1", "formatVersion = 1\nissuer = 1", "issuer"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "place"), BAD, ids=[f"{place} {new[:30]!r}" for _, new, place in BAD])
def test_a_bad_value_is_refused_at_its_place(old, new, place):
    assert WHOLE.count(old) >= 1
    with pytest.raises(MalformedError) as caught:
        read(WHOLE.replace(old, new, 1))
    error = caught.value
    assert (error.code, error.place) == ("POLICY_FILE", place)
    assert error.expected
    assert error.found
    assert error.next_action


def test_a_misspelled_key_is_answered_with_the_nearest_known_one():
    with pytest.raises(MalformedError, match="nearest known key") as caught:
        read(WHOLE.replace("maxAgeDays", "maxAgeDay"))
    assert "maxAgeDays" in caught.value.expected


def test_errors_name_the_file_when_it_is_known():
    with pytest.raises(MalformedError) as caught:
        parse_policy(b"formatVersion = 2", source="team/datasigil.toml")
    assert caught.value.place == "team/datasigil.toml: formatVersion"


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"formatVersion: 1", b"formatVersion = 1\n" + b"#" * 2**20, b"a = " + b"[" * 2000, b"[[issuers]\n"],
)
def test_what_is_no_trust_file_at_all_is_refused_with_one_code(data):
    with pytest.raises(MalformedError) as caught:
        parse_policy(data)
    assert caught.value.code == "POLICY_FILE"


def test_issuers_and_logs_are_named_once():
    for table, name in ((ISSUER, "issuers"), (LOG, "logs")):
        with pytest.raises(MalformedError) as caught:
            read(WHOLE + table)
        assert caught.value.place == name


def test_approvals_stand_in_one_place_only():
    assert read('formatVersion = 1\n[requirements]\napprovals = "auditor"\n').approvals == "auditor"
    with pytest.raises(MalformedError) as caught:
        read('formatVersion = 1\napprovals = "auditor"\n[requirements]\napprovals = "auditor"\n')
    assert caught.value.place == "approvals"


def test_a_did_key_can_only_be_pinned_with_its_own_key():
    did = f"did:key:{ED}"
    text = (
        f'formatVersion = 1\n[[issuers]]\ndid = "{did}"\nname = "x"\ntypes = []\n[[issuers.keys]]\nmultibase = "{{}}"\n'
    )
    assert read(text.format(ED)).issuer(did).keys[0].key.multibase == ED
    with pytest.raises(MalformedError) as caught:
        read(text.format(signer_of("other").public_key.multibase))
    assert caught.value.place == "issuers[1].keys[1].multibase"


def test_delegation_is_one_level_deep_and_no_wider_than_the_delegator():
    top = '[[issuers]]\ndid = "did:web:a.example"\nname = "a"\ntypes = ["DatasetCredential"]\nroles = ["publisher"]\n'
    below = '[[issuers]]\ndid = "did:web:b.example"\nname = "b"\ntypes = ["DatasetCredential"]\nroles = ["publisher"]\ndelegatedBy = "did:web:a.example"\n'
    third = below.replace("b.example", "c.example").replace("a.example", "b.example")
    assert read("formatVersion = 1\n" + top + below).issuer("did:web:b.example").delegated_by == "did:web:a.example"
    for text in (
        below,
        top + below + third,
        top + below.replace('roles = ["publisher"]', 'roles = ["publisher", "auditor"]'),
        top + below.replace('types = ["DatasetCredential"]', 'types = ["DatasetCredential", "DatasetAuditCredential"]'),
        top + below.replace('delegatedBy = "did:web:a.example"', 'delegatedBy = "did:web:b.example"'),
    ):
        with pytest.raises(MalformedError) as caught:
            read("formatVersion = 1\n" + text)
        assert caught.value.place.endswith("delegatedBy")


def test_times_are_read_exactly():
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert read(WHOLE).issuers[0].keys[0].valid_from == Instant.from_datetime(moment)
