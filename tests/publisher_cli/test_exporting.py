"""`export`: what the validators of others say about it: mlcroissant, the OASIS schema, the OpenSSF tool."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from conftest import absent

READ = """
import json, sys
import mlcroissant as mlc
dataset = mlc.Dataset(sys.argv[1])
issues = dataset.metadata.issues
rows = {one.uuid: len(list(dataset.records(one.uuid))) for one in dataset.metadata.record_sets}
print(json.dumps({"errors": list(issues.errors), "name": dataset.metadata.name, "rows": rows}))
"""
FULL = """
description = "Clauses of leases, written for a test."
[temporal]
start = "2019-01-01"
end = "2020-12-31"
"""


def needs(module):
    if importlib.util.find_spec(module) is None:
        absent(f"the package {module}")


@pytest.fixture
def credential(run, publisher, data, tmp_path):
    """A signed credential about the small dataset, with a date and more to say."""
    (data / "a.txt").write_text("sorted before a/ by bytes, after it by segments\n")
    (data / "a").mkdir()
    (data / "a/b.txt").write_text("x\n")
    run("init", data, "--yes", "--issued", "2021-03-31", "--publisher", "Example Law Data")
    run("issue", data, "-o", tmp_path / "leases.json")
    return tmp_path / "leases.json"


def croissant(run, credential, data, *options):
    target = data / "croissant.json"
    run("export", "croissant", credential, "-o", target, *options)
    return target


def streamed(target):
    needs("mlcroissant")
    return subprocess.run([sys.executable, "-c", READ, str(target)], capture_output=True, text=True, check=False)


def test_mlcroissant_reads_the_metadata_and_streams_every_record(run, credential, data):
    ran = streamed(croissant(run, credential, data, "--data", data))
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert (found["errors"], found["name"]) == ([], "Small leases")
    assert sorted(found["rows"].values()) == [1, 1]


def test_mlcroissant_notices_bytes_that_are_not_the_signed_ones(run, credential, data):
    target = croissant(run, credential, data, "--data", data)
    (data / "train.jsonl").write_text('{"text": "Another tenant pays nothing at all.", "label": "payment"}\n')
    ran = streamed(target)
    assert ran.returncode != 0
    assert "is not identical with the reference" in ran.stderr, ran.stderr


def test_every_hash_of_a_croissant_export_is_the_manifests(run, credential, data):
    document = json.loads(croissant(run, credential, data).read_text())
    manifest = json.loads(credential.with_name("leases.manifest.json").read_text())
    listed = {one["name"]: one["sha256"] for one in document["distribution"]}
    assert listed == {one["path"]: one["sha256"] for one in manifest["entries"]}
    assert document["license"] == "https://spdx.org/licenses/CC-BY-4.0"
    assert "recordSet" not in document


def test_a_croissant_export_is_read_back_by_init(run, credential, data, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "x.txt").write_text("x")
    target = croissant(run, credential, data)
    run("init", other, "--yes", "--from", target)
    text = Path("other.dataset.toml").read_text()
    assert 'name = "Small leases"' in text
    assert 'expression = "CC-BY-4.0"' in text
    assert 'issued = "2021-03-31"' in text


@pytest.fixture
def oasis_schema(shared):
    schema = json.loads((shared / "vectors/oasis-dps/schema.json").read_text())
    # Its own $schema is a private dialect; the rest is JSON Schema 2020-12 (vocabulary.md, "Independent validators").
    return schema | {"$schema": "https://json-schema.org/draft/2020-12/schema"}


def problems(schema, document):
    checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    return [f"{'/'.join(map(str, one.absolute_path))}: {one.message}" for one in checker.iter_errors(document)]


def test_the_oasis_schema_accepts_the_official_examples_and_refuses_a_broken_one(oasis_schema, shared):
    for name in ("minimal", "moderate", "complete"):
        document = json.loads((shared / f"vectors/oasis-dps/{name}.json").read_text())
        assert problems(oasis_schema, document) == []
        del document["provenance"]["date"]
        assert problems(oasis_schema, document)


@pytest.mark.parametrize(
    "more",
    [
        "",
        FULL,
        'intendedPurpose = ["fine-tuning", "research"]\noriginGeography = ["GB", "US-CA"]\ngenerationMethod = ["feeds", "unknown"]\n',
        'limitations = "English law only."\n[processingGeography]\nallowed = ["DE"]\n[storageGeography]\ndenied = ["US"]\n',
        '[[classification]]\nregulation = "pi"\nevaluated = true\nresult = "absent"\ntool = "grep"\ndate = 2026-01-01\n',
    ],
)
@pytest.mark.parametrize("version", ["1.0.0", "3", "2024-01", "v1", "1.0.0-rc.1"])
def test_the_oasis_schema_accepts_an_export(run, publisher, data, oasis_schema, more, version):
    run("init", data, "--yes", "--issued", "2021-03-31")
    path = Path("leases.dataset.toml")
    head, table, rest = path.read_text().replace('version = "1.0.0"', f'version = "{version}"').partition("\n[")
    lines = [line for line in more.splitlines() if "[" not in line.split("=")[0]]
    top = [
        line
        for line in lines
        if more.index(line) < (more.find("\n[") if "\n[" in more and not more.startswith("[") else len(more))
    ]
    if more.startswith("["):
        top = []
    if any(line.startswith("description") for line in top):
        head = "\n".join(line for line in head.splitlines() if not line.startswith("description"))
    tables = "\n".join(line for line in more.splitlines() if line not in top)
    path.write_text("\n".join([head, *top]) + table + rest + "\n" + tables + "\n")
    run("issue", data, "-o", "c.json")
    run("export", "oasis", "c.json", "-o", "c.oasis.json")
    document = json.loads(Path("c.oasis.json").read_text())
    assert problems(oasis_schema, document) == []
    assert document["source"]["id"]["hashes"][0]["tree-hashes"][0]["algorithm"] == "sha256"


def test_oasis_without_a_date_is_refused_by_name_and_nothing_is_made_up(run, publisher, data):
    run("init", data, "--yes")
    run("issue", data, "-o", "c.json")
    error = run.refused("export", "oasis", "c.json", code="EXPORT_LACKS", exit_code=2)
    assert "issued" in error["nextAction"]
    assert not Path("c.oasis.json").exists()


@pytest.fixture(params=["p256", "p384"])
def signed(run, credential, request):
    run("key", "new", "--name", "ec", "--kind", request.param, "-q")
    run("export", "oms", credential, "--key", "ec", "-o", "l.oms.sig")
    return Path("l.oms.sig")


def openssf(signature, folder):
    needs("model_signing")
    words = [sys.executable, "-m", "model_signing", "verify", "key", str(folder), "--signature", str(signature)]
    return subprocess.run([*words, "--public_key", "l.oms.pub.pem"], capture_output=True, text=True, check=False)


def test_the_openssf_tool_accepts_the_signature(signed, data):
    ran = openssf(signed, data)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("harm", ["change", "add", "remove", "signature"])
def test_the_openssf_tool_refuses_other_bytes(signed, data, harm):
    if harm == "change":
        (data / "train.jsonl").write_text("x")
    if harm == "add":
        (data / "more.txt").write_text("x")
    if harm == "remove":
        (data / "a.txt").unlink()
    if harm == "signature":
        document = json.loads(signed.read_text())
        document["dsseEnvelope"]["payload"] = document["dsseEnvelope"]["payload"][:-8] + "AAAAAAA="
        signed.write_text(json.dumps(document))
    assert openssf(signed, data).returncode != 0


def test_the_recorded_oms_root_is_the_tools_own(credential, signed):
    """The root in the credential is the subject digest that the OpenSSF tool computes."""
    import base64

    payload = json.loads(base64.b64decode(json.loads(signed.read_text())["dsseEnvelope"]["payload"]))
    claimed = json.loads(credential.read_text())["credentialSubject"]["manifest"]["omsRoot"]
    assert payload["subject"][0]["digest"]["sha256"] == claimed


def test_an_ed25519_key_is_refused_for_oms(run, credential):
    run.refused("export", "oms", credential, "--key", "me", code="KEY_FILE", exit_code=2)


@pytest.mark.parametrize("name", ["croissant", "oasis", "oms"])
@pytest.mark.parametrize(
    ("harm", "code"),
    [
        (lambda p: p.write_text("{}"), "TYPE"),
        (lambda p: p.write_text("{"), "PARSE"),
        (lambda p: p.write_text(p.read_text().replace("CC-BY-4.0", "CC0-1.0")), "SIGNATURE"),
        (lambda p: p.unlink(), "UNREADABLE"),
        (lambda p: p.with_name("leases.manifest.json").unlink(), "MANIFEST_FORM"),
        (lambda p: p.with_name("leases.manifest.json").write_text("{}"), "MANIFEST_FORM"),
    ],
)
def test_what_cannot_be_exported_is_refused(run, credential, name, harm, code):
    harm(credential)
    answer = run("export", name, credential, "--key", "me", "-o", "x.json", "--json", expect=None)
    assert answer.code in (1, 2)
    assert answer.json["code"] == code, answer.err
    assert answer.json["nextAction"]
    assert not Path("x.json").exists()
