"""Any input up to 1 MiB is decided within 2 s of CPU and 64 MiB over the baseline, without traceback and without a socket."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from adversarial.stage import Stage

SCRIPT = Path(__file__).resolve().parents[2] / "adversarial" / "bounded_check.py"
MIB = 1024 * 1024
CPU_SECONDS = 2.0


def padded(stage, **subject):
    """A bundle whose credential was changed after signing: whatever is in it is looked at, and nothing is trusted."""
    return stage.text(stage.tampered("/credentialSubject", {**stage.document["credentialSubject"], **subject}))


def many_parents(stage):
    """As many parents as fit, each a bundle of its own."""
    parents = []
    while len(parents) < 250 and len(parents) * 6500 < MIB - 20_000:
        document = stage.world.issue()
        stage.world.publish(document)
        parents.append(
            {
                "type": "EvidenceBundle",
                "formatVersion": 1,
                "credential": document,
                "log": {"proof": stage.world.log_evidence(document).proof},
            }
        )
    references = [
        {"credential": one["credential"]["id"], "credentialDigest": "a" * 64, "root": "b" * 64} for one in parents[:200]
    ]
    bundle = stage.publish(stage.signed(stage.unsigned(derivedFrom=references))).document()
    return json.dumps({**bundle, "parents": parents})


def huge_list(stage):
    """Lists that inflate to 8 MiB each."""
    bundle = stage.bundle.document()
    entries = stage.document["credentialStatus"]
    bundle["statusLists"] = [stage.world.status_list(entry, bits=bytes(8 * MIB)) for entry in entries] * 4
    return json.dumps(bundle)


def bomb(stage):
    """Lists that would inflate to 256 MiB."""
    from adversarial.group_s import inflating

    bundle = stage.bundle.document()
    bundle["statusLists"][0]["credentialSubject"]["encodedList"] = inflating()
    return json.dumps(bundle)


INPUTS = {
    "brackets": lambda stage: "[" * MIB,
    "braces": lambda stage: '{"a":' * (MIB // 5),
    "closed-brackets": lambda stage: "[" + "[]," * (MIB // 3 - 2) + "[]]",
    "quotes": lambda stage: '"' * MIB,
    "escapes": lambda stage: '"' + "\\u0000" * (MIB // 6 - 1) + '"',
    "backslashes": lambda stage: '{"a":"' + "\\\\" * (MIB // 2 - 10) + '"}',
    "digits": lambda stage: "9" * MIB,
    "spaces": lambda stage: " " * MIB,
    "zeros": lambda stage: "\0" * MIB,
    "members": lambda stage: "{" + ",".join(f'"m{n}":{n}' for n in range(60_000)) + "}",
    "same-member": lambda stage: "{" + '"a":1,' * (MIB // 6 - 2) + '"a":1}',
    "long-text": lambda stage: padded(stage, description="x" * (MIB - 8000)),
    "files": lambda stage: padded(stage, files=[[]] * 300_000),
    "sets": lambda stage: padded(stage, dataTypes=[f"t{n:06d}" for n in range(90_000)]),
    "spdx": lambda stage: padded(stage, license={"expression": "(" * 900_000, "assurance": "declared"}),
    "spdx-signed": lambda stage: stage.text(stage.reissued("/credentialSubject/license/expression", "MIT" + " AND (MIT OR MIT" * 20 + ")" * 20)),
    "proofs": lambda stage: json.dumps({**stage.bundle.document(), "credential": {**stage.document, "proof": [stage.document["proof"]] * 1500}}),
    "proof-value": lambda stage: stage.text(stage.tampered("/proof/proofValue", "z" + "2" * 1_000_000)),
    "log-proof": lambda stage: json.dumps({**stage.bundle.document(), "log": {"proof": "A" * 1_000_000}}),
    "bundle-keys": lambda stage: json.dumps({**stage.bundle.document(), "contexts": {f"u{n}": "a" * 64 for n in range(12_000)}}),
    "manifest": lambda stage: json.dumps({**stage.bundle.document(), "manifest": {"type": "DatasetManifest", "formatVersion": 1, "entries": [{}] * 250_000}}),
    "manifest-entries": lambda stage: json.dumps({**stage.bundle.document(), "manifest": {**stage.bundle.document()["manifest"], "entries": [{"path": f"{n:06d}", "size": 1, "sha256": "a" * 64, "blake3": "b" * 64} for n in range(4900)]}}),
    "parents": many_parents,
    "lists": huge_list,
    "bomb": bomb,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="address space is read from /proc")
def test_every_input_up_to_a_mebibyte_is_decided_within_its_bounds(tmp_path):
    stage = Stage()
    (tmp_path / "trust.toml").write_text(stage.world.policy_toml())
    (tmp_path / "small").write_text(stage.text())
    paths = []
    for name, build in INPUTS.items():
        text = build(Stage())
        assert len(text.encode()) <= MIB + 1024, name
        paths.append(tmp_path / name)
        paths[-1].write_text(text, "utf-8")
    ran = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path / "trust.toml"), str(tmp_path / "small"), *map(str, paths)],
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert "Traceback" not in ran.stderr, ran.stderr[-3000:]
    assert ran.returncode == 0, ran.stderr[-3000:]
    found = {one["name"]: one for one in map(json.loads, ran.stdout.splitlines())}
    assert set(found) == set(INPUTS)
    slow = {name: one for name, one in found.items() if one["cpu"] > CPU_SECONDS}
    assert slow == {}
    assert [
        name for name, one in found.items() if one["decision"] == "VALID" and name not in ("spdx-signed", "bundle-keys")
    ] == []
