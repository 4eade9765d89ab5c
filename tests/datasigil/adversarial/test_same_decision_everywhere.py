"""Command line, Python, gate and worker decide alike on whatever they are handed; taking evidence away never helps (R11)."""

import contextlib
import copy
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from adversarial.stage import Stage, report_of
from adversarial.tables import ACCEPTED, REFUSED
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulator import World, without

from datasigil.api import check_dataset
from datasigil.gate import GateDataset, GateFile, run_gate
from datasigil.trust.policy import parse_policy
from datasigil.verification import verify_bytes
from verifier_cli.main import main

QUIET = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SCALARS = st.sampled_from(
    ["", "x", "0", "MIT", "unknown", "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK", "2020-01-01T00:00:00Z", 0, 1, -1, 2**53, True, None, [], {}, 0.5, "\ud800"]
)  # fmt: skip
POLICIES = st.sampled_from(
    ["", '[requirements]\nuse = "ai-training"\n', '[requirements.licenses]\ndeny = ["CC-BY-4.0"]\n', '[requirements]\nsector = "law"\n', '[requirements]\ndigest = "sha256"\n']
)  # fmt: skip
EVIDENCE = ("log", "status_lists", "issuer_keys", "parents")


class Faces:
    """One bundle on disk beside its data, and every face that can be asked about it."""

    def __init__(self, folder: Path) -> None:
        self.world = World(now=datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=5))
        self.bundle = self.world.publish(self.world.issue())
        self.document = self.bundle.document()
        self.path, self.trust, self.data = folder / "x.sigil.json", folder / "trust.toml", folder / "data"
        self.world.write_files(self.data)

    def lay(self, document, extra):
        text = document if isinstance(document, str) else json.dumps(document)
        self.path.write_text(text, encoding="utf-8")
        self.trust.write_text(self.world.policy_toml(extra=extra))

    def by_command(self):
        out, err = io.StringIO(), io.StringIO()
        arguments = [
            "check",
            str(self.path),
            "--data",
            str(self.data),
            "--policy",
            str(self.trust),
            "--offline",
            "--json",
        ]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(arguments)
        assert "Traceback" not in err.getvalue()
        report = json.loads(out.getvalue())
        assert code == {"VALID": 0, "INVALID": 1, "INDETERMINATE": 3}[report["decision"]]
        return report["decision"], tuple(report["codes"])

    def by_python(self):
        report = check_dataset(self.path, policy=self.trust, data=self.data, offline=True)
        return report.decision, report.codes

    def by_gate(self):
        seen = []

        def plan(dataset, files):
            found = verify_bytes(
                dataset.bundle.read_bytes(),
                policy=parse_policy(self.trust.read_bytes()),
                at=datetime.now(UTC),
                offline=True,
                data=files,
            )
            seen.append(found.report)
            return found.report

        outcome = run_gate(GateFile((GateDataset(self.path, self.data),)), verify=plan)
        return outcome.decision, seen[0].codes

    def by_worker(self):
        from training_worker.gate import Refused, passed_bundle
        from training_worker.gate_settings import GateSettings

        given_ = GateSettings(parse_policy(self.trust.read_bytes()), datetime.now(UTC), offline=True)
        try:
            with passed_bundle(self.path, self.data, given_) as passed:
                return "VALID", passed.datasets[0].report.codes
        except Refused as refused:
            return refused.document()["decision"], refused.reports[0].codes

    def decide(self):
        answers = {name: getattr(self, name)() for name in ("by_command", "by_python", "by_gate", "by_worker")}
        assert len(set(answers.values())) == 1, answers
        return answers["by_command"]


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return Faces(tmp_path_factory.mktemp("faces"))


def places(value, place=()):
    """Every place of a JSON document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*place, key)
        yield from places(item, (*place, key))


def changed(document, place, value, *, take_away):
    result = copy.deepcopy(document)
    target = result
    for key in place[:-1]:
        target = target[key]
    if take_away:
        del target[place[-1]]
    else:
        target[place[-1]] = value
    return result


def test_every_face_passes_what_is_in_order(faces):
    faces.lay(faces.document, "")
    assert faces.decide() == ("VALID", ())


@QUIET
@given(data=st.data())
def test_every_face_decides_alike_on_a_random_change(faces, data):
    # The command line rebuilds a manifest that is absent from the files themselves, so the manifest as a whole stays.
    every = [place for place in places(faces.document) if place != ("manifest",)]
    place = data.draw(st.sampled_from(every))
    take_away, value = data.draw(st.booleans()), data.draw(SCALARS)
    document = changed(faces.document, place, value, take_away=take_away)
    faces.lay(document, data.draw(POLICIES))
    decision, _ = faces.decide()
    covered = place[0] in ("credential", "manifest", "statusLists") and document != faces.document
    assert not (covered and decision == "VALID"), place


@QUIET
@given(data=st.data())
def test_every_face_decides_alike_on_a_damaged_byte(faces, data):
    raw = json.dumps(faces.document)
    at = data.draw(st.integers(0, len(raw) - 1))
    faces.lay(raw[:at] + data.draw(st.sampled_from('x0"{}[],: ')) + raw[at + 1 :], "")
    faces.decide()


@pytest.mark.parametrize(
    "gone", [(name,) for name in EVIDENCE] + [("log", "status_lists"), ("log", "issuer_keys", "status_lists")]
)
def test_taking_required_evidence_away_is_never_valid_and_optional_evidence_changes_nothing(faces, gone):
    faces.lay(without(faces.bundle, *gone).document(), "")
    decision, _ = faces.decide()
    required = {"log", "status_lists"} & set(gone)
    assert decision == ("INVALID" if "log" in required else "INDETERMINATE" if required else "VALID")


@pytest.mark.parametrize("name", EVIDENCE)
def test_taking_evidence_away_never_improves_a_verdict(name):
    better = []
    for case in REFUSED[::3]:
        stage = Stage()
        asked = case.build(stage)
        if (
            asked.fetch is not None
            or asked.state is not None
            or case.decision == "exit 2"
            or not asked.raw.startswith(b'{"type":"EvidenceBundle"')
        ):
            continue
        try:
            document = json.loads(asked.raw)
        except (ValueError, RecursionError):
            continue
        member = {"log": "log", "status_lists": "statusLists", "issuer_keys": "issuerKeys", "parents": "parents"}[name]
        if document.pop(member, None) is None:
            continue
        after = report_of(replace(asked, raw=json.dumps(document).encode()))
        if after.decision == "VALID":
            better.append((str(case), report_of(asked).codes))
    # Keys that the bundle presents can only speak against a key, and whoever presents them can leave them out: the trust file decides.
    # A list that no entry names, or that nobody signed, is noise that whoever presents the bundle may leave out.
    assert [one for one in better if name != "issuer_keys"] == []


def test_what_is_accepted_is_accepted_whatever_is_added_to_what_nobody_reads():
    for case in ACCEPTED[::10]:
        asked = case.build(Stage())
        if asked.raw.startswith(b'{"type":"EvidenceBundle"') and asked.fetch is None:
            document = json.loads(asked.raw)
            for member in ("contexts", "schemas"):
                document.pop(member, None)
            assert report_of(replace(asked, raw=json.dumps(document).encode())).decision == "VALID", case


def test_revocation_is_monotone():
    stage = Stage()
    stage.world.revoke(stage.document)
    for hours in (0, 1, 24, 24 * 6):
        bundle = stage.world.bundle(stage.document)
        assert report_of(stage.given(bundle)).codes == ("REVOKED",)
        stage.world.tick(hours=hours)
