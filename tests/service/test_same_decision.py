"""HTTP decides as command line and Python do, given the same trust file and the evidence that the registry holds (R11)."""

import contextlib
import copy
import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasigil.api import check_dataset
from datasigil.credentials.types import CREDENTIAL_TYPES
from datasigil.trust.policy import IssuerRule, LogRule, add_issuer, add_log
from verifier_cli.main import main

QUIET = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SCALARS = st.sampled_from(
    ["", "x", "0", "MIT", "unknown", "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK", "2020-01-01T00:00:00Z", 0, 1, -1, 2**53, True, None, [], {}, 0.5]
)  # fmt: skip
POLICIES = {
    "none": "",
    "licence refused": '[requirements.licenses]\ndeny = ["CC-BY-4.0"]\n',
    "use": '[requirements]\nuse = "ai-training"\ncommercial = true\n',
    "sector": '[requirements]\nsector = "health"\n',
    "stranger": None,
}


@pytest.fixture
def database_url():
    """SQLite: what is compared does not depend on the database."""
    return


class Sides:
    """A registry that decides under a trust file, and the command line and Python under the same one."""

    def __init__(self, open_registry, folder, extra):
        self.trust, self.bundle = folder / "trust.toml", folder / "x.sigil.json"
        registry = self.registry = open_registry(policy_file=self.trust)
        registry.clock.now = datetime.now(UTC).replace(microsecond=0)
        self.publisher = registry.login()
        keys = registry.state.keys
        text = add_log("", LogRule(keys.origin, keys.log_key, keys.time_key))
        if extra is not None:
            rule = IssuerRule(self.publisher.did, "publisher", CREDENTIAL_TYPES, ("publisher", "observer"))
            text = add_issuer(text, rule) + extra
        self.trust.write_text(text)  # read when the first decision is asked for
        self.document = self.publisher.publish()

    def evidence(self, document):
        """What the registry holds about a document: its bundle, or the bare document."""
        if document == self.document:
            answer = self.registry.http.get(f"/credentials/{document['id']}/bundle")
            assert answer.status_code == 200
            return answer.text
        return json.dumps(document)

    def by_http(self, document):
        body = json.dumps({"verifiableCredential": document, "options": {}}).encode()
        answer = self.registry.http.post(
            "/credentials/verify", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in (200, 400), answer.text
        found = answer.json()
        if answer.status_code == 400:
            return found.get("decision", "INVALID"), None
        bad = [one for outcome in ("failed", "undetermined") for one in found["checks"] if one["outcome"] == outcome]
        assert found["policyDigest"]
        return found["decision"], tuple(dict.fromkeys(one["code"] for one in bad))

    def by_command(self):
        out, err = io.StringIO(), io.StringIO()
        words = ["check", str(self.bundle), "--policy", str(self.trust), "--offline", "--json"]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main(words)
        assert "Traceback" not in err.getvalue()
        report = json.loads(out.getvalue())
        return report["decision"], tuple(report["codes"])

    def by_python(self):
        report = check_dataset(self.bundle, policy=self.trust, offline=True)
        return report.decision, report.codes

    def decide(self, document):
        """Ask every face; return the decision that they agree on, with its codes."""
        self.bundle.write_text(self.evidence(document), "utf-8")
        decision, codes = self.by_http(document)
        answers = {"HTTP": (decision, codes), "command": self.by_command(), "Python": self.by_python()}
        assert answers["command"] == answers["Python"], answers
        assert decision == answers["command"][0], answers
        assert codes is None or codes == answers["command"][1], answers
        return answers["command"]


@pytest.fixture(params=POLICIES)
def sides(request, open_registry, tmp_path):
    """One for each trust file."""
    return Sides(open_registry, tmp_path, POLICIES[request.param])


def places(value, place=()):
    """Every place of a JSON document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*place, key)
        yield from places(item, (*place, key))


@QUIET
@given(data=st.data())
def test_every_face_decides_alike_on_what_is_registered_and_on_any_change_of_it(sides, data):
    sides.decide(sides.document)
    document = copy.deepcopy(sides.document)
    place = data.draw(st.sampled_from(list(places(document))))
    target = document
    for key in place[:-1]:
        target = target[key]
    if data.draw(st.booleans()):
        del target[place[-1]]
    else:
        target[place[-1]] = data.draw(SCALARS)
    decision, _ = sides.decide(document)
    assert decision != "VALID" or document == sides.document


def test_every_face_says_what_the_trust_file_asks_for(sides, request):
    expected = {
        "none": ("VALID", ()),
        "licence refused": ("INVALID", ("LICENSE_DENIED",)),
        "use": ("VALID", ()),
        "sector": ("INVALID", ("SECTOR_REQUIREMENT",)),
        "stranger": ("INVALID", ("UNTRUSTED_ISSUER",)),
    }[request.node.callspec.params["sides"]]
    assert sides.decide(sides.document) == expected


def test_every_face_knows_of_a_revocation(sides):
    assert sides.publisher.change(sides.document).status_code == 200
    sides.registry.settle()
    decision, codes = sides.decide(sides.document)
    assert decision == "INVALID"
    assert "REVOKED" in codes
