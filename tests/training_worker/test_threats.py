"""The W cases of the threat model, one by one and with their neighbours: refusal, exit code, record, and no step of an optimiser."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from simulator import mutate
from trainees import make_case

from datasigil.bundle import bundle_bytes, parse_bundle
from datasigil.errors import DatasigilError, MalformedError
from training_worker.base_model import check_config
from training_worker.formats import check_text_format, refuse_code
from training_worker.gate import Refused, passed_gate
from training_worker.safetensors_header import check_safetensors

ROOT = Path(__file__).resolve().parents[2]


def refused(case, **settings) -> Refused:
    """Return the refusal of a whole `train`, and check that it is on record and that nothing was left behind."""
    log = case.folder / "refusals.jsonl"
    with pytest.raises(Refused) as caught:
        case.train(gate=case.settings(refusals=log, **settings))
    assert caught.value.exit_code in (1, 3)
    recorded = json.loads(log.read_text().splitlines()[-1])
    assert recorded["decision"] == {1: "INVALID", 3: "INDETERMINATE"}[caught.value.exit_code]
    assert not [path for path in case.folder.iterdir() if path.name.startswith("run")]
    return caught.value


@pytest.fixture(autouse=True)
def no_optimiser(monkeypatch):
    """No case here may get as far as importing the loop: an import of it fails the test."""
    monkeypatch.setitem(sys.modules, "training_worker.training", None)


def test_w01_no_credential(case):
    (case.folder / "data.sigil.json").unlink()
    assert refused(case).error.code == "NO_CREDENTIAL"


def test_w01_an_empty_file_in_the_place_of_a_credential(case):
    (case.folder / "data.sigil.json").write_bytes(b"")
    assert refused(case).exit_code == 1


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/credential/proof/proofValue", "z" + "1" * 87),
        ("/credential/credentialSubject/name", "Another name"),
        ("/credential/credentialSubject/license/expression", "MIT"),
        ("/credential/credentialSubject/manifest/root", "0" * 64),
        ("/credential/issuer", "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"),
    ],
)
def test_w02_a_forged_credential(case, pointer, value):
    document = json.loads((case.folder / "data.sigil.json").read_bytes())
    (case.folder / "data.sigil.json").write_text(json.dumps(mutate(document, pointer, value)))
    assert refused(case).exit_code == 1


@pytest.mark.parametrize("days", [8, 400])
def test_w03_evidence_that_is_too_old_decides_nothing(case, days):
    assert refused(case, at=case.world.now + timedelta(days=days)).exit_code == 3


def test_w03_a_bundle_without_its_status_lists(case):
    bundle = json.loads((case.folder / "data.sigil.json").read_bytes())
    bundle.pop("statusLists")
    (case.folder / "data.sigil.json").write_text(json.dumps(bundle))
    assert refused(case).exit_code == 3


def test_w06_the_credential_of_a_with_the_data_of_b(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    case, other = make_case(tmp_path / "a"), make_case(tmp_path / "b", files={"train.jsonl": b'{"text": "x", "label": "payment", "document": "d"}\n'})  # fmt: skip
    case.recipe_path.write_text(case.recipe_path.read_text().replace("path: data", f"path: {other.data}"))
    found = refused(case)
    assert found.exit_code == 1
    assert {"FILE_MISSING", "FILE_DIGEST", "FILE_SIZE", "EXTRA_FILE"} & set(found.reports[0].codes)


@pytest.mark.parametrize("name", ["dataset.py", "sub/loader.py", "build.ipynb", "lib.so", "run.sh", "Dataset.PY"])
def test_w11_a_loading_script_in_a_valid_manifest_is_not_imported(tmp_path, name):
    marker = tmp_path / "ran"
    files = {
        "train.jsonl": b'{"text": "x", "label": "payment", "document": "d"}\n',
        name: f"open({str(marker)!r}, 'w')\n".encode(),
    }
    case = make_case(tmp_path, files=files)
    with pytest.raises(DatasigilError) as caught:
        case.train()
    assert caught.value.code == "FORMAT"
    assert not marker.exists()


@pytest.mark.parametrize("name", ["weights.pkl", "a.pt", "x.npy", "model.bin", "t.joblib", "deep/er/w.PTH"])
def test_w11_a_pickle_in_a_valid_manifest_is_not_opened(name):
    with pytest.raises(DatasigilError) as caught:
        refuse_code(["train.jsonl", name])
    assert caught.value.code == "FORMAT"


@pytest.mark.parametrize(
    "head",
    [b"\x80\x04\x95", b"\x80\x02}q", b"PK\x03\x04", b"\x1f\x8b\x08", b"BZh9", b"PAR1", b"ARROW1\0\0", b"\x7fELF", b"MZ\x90", b"#!/bin/sh", b"%PDF-1.7",
     b"\x93NUMPY", b"\x89HDF", b"SQLite format 3", b"text\0text", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["train.jsonl", "train.csv", "train.txt"])
def test_w11_the_format_is_sniffed_against_its_name(name, head):
    with pytest.raises(DatasigilError) as caught:
        check_text_format(name, head + b"rest")
    assert caught.value.code == "FORMAT"


@pytest.mark.parametrize(
    "config",
    [
        {"auto_map": {"AutoModel": "evil--x.Y"}},
        {"nested": {"auto_map": {}}},
        {"list": [{"trust_remote_code": False}]},
        {"custom_pipelines": {}},
    ],
)
def test_w11_a_configuration_that_names_code_is_refused_wherever_it_does(config):
    with pytest.raises(MalformedError) as caught:
        check_config(json.dumps(config).encode(), "config.json")
    assert caught.value.code == "REMOTE_CODE"


def header(text: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


W14 = {
    "length of 2^63": header(b"{}", length=1 << 63),
    "length of 2^64 - 1": header(b"{}", length=(1 << 64) - 1),
    "length beyond the file": header(b"{}", length=4096),
    "overlapping": header(b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}', b"x" * 6),
    "duplicate": header(b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}', b"xx"),
    "gap": header(b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}', b"xxxx"),
    "hidden tail": header(b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}', b"xxPK\x03\x04"),
    "shape that overflows": header(b'{"a":{"dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,8]}}', b"x" * 8),
    "negative offset": header(b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[-2,0]}}'),
    "shape of floats": header(b'{"a":{"dtype":"U8","shape":[2.0],"data_offsets":[0,2]}}', b"xx"),
    "deep": header(b'{"a":' + b"[" * 100_000),
    "pickle": b"\x80\x04\x95\x10\0\0\0\0\0\0\0x",
    "empty": b"",
}  # fmt: skip


@pytest.mark.parametrize("name", W14)
def test_w14_a_malformed_safetensors_file_is_refused(tmp_path, name):
    (tmp_path / "w.safetensors").write_bytes(W14[name])
    with pytest.raises(MalformedError) as caught:
        check_safetensors(tmp_path / "w.safetensors")
    assert caught.value.code == "SAFETENSORS"


@pytest.mark.skipif(os.name != "posix", reason="rlimits as on POSIX")
def test_w14_memory_stays_flat_whatever_a_header_claims(tmp_path):
    for number, data in enumerate(W14.values()):
        (tmp_path / f"{number}.safetensors").write_bytes(data)
    script = (
        "import sys, resource\n"
        "from pathlib import Path\n"
        "from training_worker.safetensors_header import check_safetensors\n"
        "from datasigil.errors import MalformedError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for path in sorted(Path(sys.argv[1]).glob('*.safetensors')):\n"
        "    try:\n"
        "        check_safetensors(path)\n"
        "        sys.exit(path.name)\n"
        "    except MalformedError:\n"
        "        pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 16 * 1024  # KiB


def test_w18_bytes_swapped_after_the_check_are_never_trained_on(case):
    with passed_gate(case.request().recipe, case.folder, case.settings()) as gate:
        files = gate.datasets[0].files
        for path in files.paths:
            (case.data / path).write_bytes(b"swapped")
        for path in files.paths:
            from hashlib import sha256

            assert sha256(files.read(path)).hexdigest() == files.entry(path).sha256


def test_w21_two_credentials_one_revoked_refuses_all(case):
    second = case.world.issue()
    case.world.publish(second)
    case.world.revoke(second)
    (case.folder / "second.sigil.json").write_bytes(bundle_bytes(case.world.bundle(second)))
    text = case.recipe_path.read_text()
    block = text[text.index("  - credential") : text.index("splits:")]
    more = block.replace(case.document["id"], second["id"]).replace("data.sigil.json", "second.sigil.json")
    case.recipe_path.write_text(text.replace("splits:", more + "splits:"))
    found = refused(case)
    assert found.exit_code == 1
    assert {report.decision for report in found.reports} == {"VALID", "INVALID"}
    assert parse_bundle((case.folder / "data.sigil.json").read_bytes()).credential["id"] == case.document["id"]
