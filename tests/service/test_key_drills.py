"""Drills: each of the registry's four keys is changed, and stolen; what was signed before stands, what a thief signs does not.

Here: the operator's commands on real processes, the lines for trust files that they print taken as they are, and `datasigil-verify check` on bundles
from before, from after, and by the thief, who has the key that the command put away. Not here: overlap and refusals (`test_access.py`), handing over
(`test_handover.py`). Old evidence is judged as DESIGN.md section 4 rules: entries below the named point of the log stand.
"""

import json
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from registry_process import PASSPHRASE, LivePublisher, RegistryProcess

from datasigil.bundle import bundle_bytes, parse_bundle
from datasigil.credentials.status_list import new_status_list_credential
from datasigil.record import replace
from datasigil.signing import LocalSigner, add_proof
from datasigil.transparency.checkpoint import (
    add_signatures,
    cosign_checkpoint,
    open_checkpoint,
    parse_checkpoint,
    sign_checkpoint,
)
from datasigil.transparency.note import Note, new_vkey, parse_note, parse_vkey
from datasigil.transparency.proofs import parse_log_proof
from verifier_cli.main import main as datasigil_verify

COMPROMISED = "keys", "compromised"


@dataclass
class Drill:
    """A registry in processes of its own, and a user whose trust file says what the operator's commands printed."""

    process: RegistryProcess
    folder: Path
    capsys: pytest.CaptureFixture[str]
    signer: LocalSigner = field(default_factory=lambda: LocalSigner.generate("ed25519"))
    publisher: LivePublisher | None = None

    def publish(self) -> dict:
        if self.publisher is None:
            self.publisher = LivePublisher(self.process, self.signer)
        return self.publisher.publish()

    def bundle(self, document: dict) -> bytes:
        return httpx.get(f"{self.process.url}/credentials/{document['id']}/bundle", timeout=20).content

    def log(self) -> dict:
        return httpx.get(f"{self.process.url}/.well-known/datasigil-registry.json", timeout=20).json()["log"]

    def stopped(self, *commands: tuple[str, ...]) -> str:
        """Run commands on the stopped registry and start it again; what they said."""
        self.process.stop()
        said = []
        for command in commands:
            done = self.process.run(*command)
            assert done.returncode == 0, done.stderr
            said.append(done.stdout)
        self.process.start()
        return "".join(said)

    def stolen(self, name: str) -> LocalSigner:
        """The key that a command put away, as the thief has it."""
        (file,) = (self.process.folder / "keys/retired").glob(f"{name}-*.pem")
        return LocalSigner.load(file, PASSPHRASE.encode())

    def check(self, bundle: bytes, log: dict, more: str = "", issuers: str = "") -> tuple[str, set[str]]:
        """Decision and reason codes of the verifier, offline, under a trust file with this log and more lines."""
        trust = f"""formatVersion = 1
[[issuers]]
did = "{self.signer.controller}"
name = "publisher"
types = ["DatasetCredential"]
roles = ["publisher"]
{issuers}
[[logs]]
origin = "{log["origin"]}"
key = "{log["key"]}"
timeKey = "{log["timeKey"]}"
{more}
"""
        file, policy = self.folder / "one.sigil.json", self.folder / "datasigil.toml"
        file.write_bytes(bundle)
        policy.write_text(trust)
        self.capsys.readouterr()
        code = datasigil_verify(["check", str(file), "--policy", str(policy), "--offline", "--json"])
        report = json.loads(self.capsys.readouterr().out)
        assert code == {"VALID": 0, "INVALID": 1, "INDETERMINATE": 3}[report["decision"]]
        wrong = {one["code"] for one in report["checks"] if one["outcome"] in ("failed", "undetermined")}
        return report["decision"], wrong | {one["code"] for one in report.get("warnings", [])}


VALID = ("VALID", set())
ENDED = ("INVALID", {"LOG_KEY_ENDED"})


def earlier_lines(said: str) -> str:
    """The [[logs.earlier]] tables of what a command printed; they are TOML as they stand."""
    lines = [line.strip() for line in said.splitlines() if line.startswith("  ") and "[[logs]] of" not in line]
    tomllib.loads("\n".join(lines))
    return "\n".join(lines)


@pytest.fixture
def drill(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    process = RegistryProcess(tmp_path / "data").initialise()
    with process.start():
        yield Drill(process, tmp_path, capsys)


def with_checkpoint(bundle: bytes, change) -> bytes:
    """The bundle whose log proof is under another note about the same tree."""
    parsed = parse_bundle(bundle)
    proof = parse_log_proof(parsed.log.proof)
    forged = replace(parsed.log, proof=replace(proof, checkpoint=change(proof.checkpoint)).text(), current=None)
    return bundle_bytes(replace(parsed, log=forged))


def resigned(log: dict, thief: LocalSigner):
    """A checkpoint signed by the thief of the log's key; the times stay, since they do not say who signed."""

    def change(note: bytes) -> bytes:
        parsed, key = parse_note(note), new_vkey(log["origin"], thief.public_key.raw)
        times = [line for line in parsed.signatures if line.name != log["origin"]]
        return add_signatures(sign_checkpoint(parse_checkpoint(parsed.text), key, thief.sign), times)

    return change


def retimed(log: dict, thief: LocalSigner, moment: datetime):
    """A checkpoint of the log to which only the thief of the time key says when."""

    def change(note: bytes) -> bytes:
        parsed = parse_note(note)
        key = new_vkey(f"{log['origin']}/time", thief.public_key.raw, 4)
        own = tuple(line for line in parsed.signatures if line.name == log["origin"])
        return add_signatures(Note(parsed.text, own).to_bytes(), [cosign_checkpoint(note, key, thief.sign, moment)])

    return change


@pytest.mark.parametrize(("name", "member"), [("checkpoint", "key"), ("time", "timeKey")])
def test_a_key_of_the_log_is_changed_and_old_bundles_stand(drill, name, member):
    before, old = drill.bundle(drill.publish()), drill.log()
    between = drill.stopped(("keys", "rotate", name))
    assert drill.process.run("keys", "rotate", name).returncode == 2, "one older key at a time"
    new = drill.log()
    assert new[member] in between
    note = httpx.get(f"{drill.process.url}/log/checkpoint", timeout=20).content
    times = [parse_vkey(old["timeKey"]), parse_vkey(new["timeKey"])]
    for log in (old, new):
        assert len(open_checkpoint(note, parse_vkey(log["key"]), times).cosignatures) == len({*map(str, times)})
    both = drill.bundle(drill.publish())
    assert drill.check(both, old) == drill.check(both, new) == VALID, "both keys sign while users change over"
    earlier = earlier_lines(drill.stopped(("keys", "retire", name)))
    assert drill.process.run("fsck").returncode == 0
    after = drill.bundle(drill.publish())
    assert drill.check(after, old) == ("INVALID", {"CHECKPOINT"})
    assert drill.check(before, new) == ("INVALID", {"CHECKPOINT"}), (
        "an old key counts only where the trust file keeps it"
    )
    for bundle in (before, both, after):
        assert drill.check(bundle, new, earlier) == VALID
    assert str(parse_vkey(old[member])) in earlier


def test_a_stolen_checkpoint_key_signs_nothing_from_there_on(drill):
    document = drill.publish()
    before, old = drill.bundle(document), drill.log()
    earlier = earlier_lines(drill.stopped((*COMPROMISED, "checkpoint")))
    new, thief = drill.log(), drill.stolen("checkpoint")
    after = drill.bundle(drill.publish())
    assert drill.check(before, new, earlier) == drill.check(after, new, earlier) == VALID
    assert drill.check(drill.bundle(document), new) == VALID, "fetched again, it is under the new key"
    forged = with_checkpoint(after, resigned(new, thief))
    assert drill.check(forged, new, earlier) == ENDED
    assert drill.check(forged, new) == ("INVALID", {"CHECKPOINT"})
    assert drill.check(forged, {**new, "key": old["key"]}) == VALID, "who was not told still believes the thief"


def test_a_stolen_time_key_says_no_time_from_there_on(drill):
    document = drill.publish()
    before, old = drill.bundle(document), drill.log()
    earlier = earlier_lines(drill.stopped((*COMPROMISED, "time")))
    until = datetime.fromisoformat(tomllib.loads(earlier)["logs"]["earlier"][0]["until"])
    new, thief = drill.log(), drill.stolen("time")
    after = drill.bundle(drill.publish())
    assert drill.check(before, new, earlier) == drill.check(after, new, earlier) == VALID
    assert drill.check(drill.bundle(document), new) == VALID, "fetched again, the new key says by when"
    for moment, bundle in (
        (datetime.now(UTC).replace(microsecond=0), after),
        (until, after),  # back-dated: the tree had no such size then
        (datetime(2020, 1, 1, tzinfo=UTC), after),
        (until + timedelta(seconds=1), before),  # an old tree made to look fresh
    ):
        forged = with_checkpoint(bundle, retimed(new, thief, moment))
        assert drill.check(forged, new, earlier) == ENDED, moment
        assert drill.check(forged, new) == ("INVALID", {"CHECKPOINT"})
    assert drill.check(with_checkpoint(after, retimed(new, thief, until)), {**new, "timeKey": old["timeKey"]}) == VALID


@pytest.mark.parametrize("how", ["rotate", "compromised"])
def test_the_key_that_issues_is_changed_or_stolen(tmp_path, capsys, monkeypatch, how):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    process = RegistryProcess(tmp_path / "data").initialise("--hosted-key")
    operator = LocalSigner.generate("ed25519")
    assert process.run("admin", "operator", operator.controller).returncode == 0

    def issue() -> bytes:
        token = process.login(operator, scopes=["issue"])["token"]
        wanted = {"type": ["VerifiableCredential", "DatasetCredential"], "credentialSubject": world.subject()}
        answer = httpx.post(
            f"{process.url}/credentials/issue",
            json={"credential": wanted, "options": {}},
            headers={"Authorization": f"Bearer {token}"},
            timeout=20,
        )
        assert answer.status_code == 201, answer.text
        return drill.bundle(answer.json()["verifiableCredential"])

    with process.start():
        drill = Drill(process, tmp_path, capsys)
        world = LivePublisher(process).world
        before = issue()
        said = drill.stopped(("keys", how, "hosted"))
        after, log = issue(), drill.log()
        thief = drill.stolen("hosted")
        stolen = parse_bundle(after)
        unsigned = {name: value for name, value in stolen.credential.items() if name not in ("proof", "issuer")}
        forged = add_proof(
            {**unsigned, "issuer": thief.controller}, thief, created=datetime.now(UTC).replace(microsecond=0)
        )
        by_thief = bundle_bytes(replace(stolen, credential=forged))
        drill.signer = thief
        marks = ""
        if how == "compromised":
            (line,) = (line for line in said.splitlines() if "compromised = {" in line)
            marks = line.strip().partition(", ")[2]
        decision, codes = drill.check(before, log, issuers=marks)
        assert decision == "VALID"
        assert codes == ({"KEY_COMPROMISED_LATER"} if marks else set())
        assert drill.check(by_thief, log, issuers=marks)[0] == "INVALID", "the log never held it"
        drill.signer = LocalSigner.load(process.folder / "keys/hosted.pem", PASSPHRASE.encode())
        assert drill.check(after, log) == VALID


def test_a_stolen_status_key_is_followed_by_a_handover_and_its_lists_are_refused(drill, tmp_path):
    """The status key is the registry's DID: what cannot be rotated in place is handed over."""
    kept, revoked = drill.publish(), drill.publish()
    old, reply = drill.log(), drill.publisher.reply
    before = drill.bundle(revoked)
    drill.process.stop()
    assert "python -m service export" in drill.process.run(*COMPROMISED, "status").stderr
    successor = RegistryProcess(tmp_path / "successor").initialise()
    offer, archive = str(tmp_path / "offer"), str(tmp_path / "archive")
    assert successor.run("import", "--offer", offer).returncode == 0
    done = drill.process.run("export", "--to", archive, "--successor", offer, "--reason", "the status key was stolen")
    (line,) = (line for line in done.stdout.splitlines() if "compromised = {" in line)
    marked = f'[[issuers]]\nname = "registry"\ntypes = []\n{line.strip().replace(", keys", chr(10) + "keys")}'
    assert successor.run("import", "--from", archive).returncode == 0
    with successor.start():
        thief = LocalSigner.load(drill.process.folder / "keys/status.pem", PASSPHRASE.encode())
        drill.process = successor
        new = drill.log()
        more = f'[[logs]]\norigin = "{new["origin"]}"\nkey = "{new["key"]}"\ntimeKey = "{new["timeKey"]}"\n'
        request = drill.publisher.status_request(revoked, "revocation")
        answer = httpx.post(f"{successor.url}/credentials/status", json=request, timeout=20)
        assert answer.json()["status"] == "revoked", answer.text
        assert drill.check(drill.bundle(kept), old, more, marked) == VALID
        assert drill.check(drill.bundle(revoked), old, more, marked) == ("INVALID", {"REVOKED"})
        parsed = parse_bundle(drill.bundle(revoked))
        cleared = tuple(
            add_proof(
                new_status_list_credential(
                    list_id=address,
                    issuer=thief.controller,
                    purpose=purpose,
                    bits=bytes(16_384),
                    valid_from=datetime.now(UTC).replace(microsecond=0),
                    valid_until=datetime.now(UTC).replace(microsecond=0) + timedelta(days=1),
                    replay=(old["origin"], 3),
                ),
                thief,
                created=datetime.now(UTC).replace(microsecond=0),
            )
            for purpose, address in reply["statusLists"].items()
        )
        forged = bundle_bytes(replace(parsed, status_lists=cleared))
        assert drill.check(forged, old, more)[0] == "VALID", "who was not told still believes the thief"
        decision, codes = drill.check(forged, old, more, marked)
        assert decision != "VALID"
        assert "KEY_COMPROMISED" in codes
        assert "KEY_COMPROMISED" in drill.check(before, old, more, marked)[1], (
            "its lists are not in the log: none counts"
        )
