"""`publish --static`: a folder of files behind a plain web server is enough to fetch, trust, check and revoke."""

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from conftest import absent

from datasigil.bundle import parse_bundle
from publisher_cli.site.address import SiteAddress
from verifier_cli.main import main as verify_main


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def served(tmp_path):
    """A folder and the address at which a plain web server on loopback serves it, below a project path."""
    folder = tmp_path / "web/contracts"
    folder.mkdir(parents=True)
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Quiet, directory=str(tmp_path / "web"))
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield folder, f"http://localhost:{server.server_address[1]}/contracts"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def keys(run):
    run("key", "new", "--name", "me", "-q")
    run("key", "new", "--name", "site", "-q")


@pytest.fixture
def verify(capsys):
    """Run `datasigil-verify` and return (exit code, output)."""

    def call(*words):
        capsys.readouterr()
        code = verify_main([str(word) for word in words])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out + captured.err

    return call


@pytest.fixture
def publish(run, keys, data, served):
    """Publish the dataset as a static site; return the folder, its address and the result."""
    folder, base = served

    def call(*options, site=("--site-key", "site")):
        if not Path("leases.dataset.toml").exists():
            run("init", data, "--yes")
        run("issue", data, "--key", "me", "--static-base", base, *site, "-o", "c.json")
        return folder, base, run.json("publish", "c.json", "--static", folder, "--key", "me", *site, *options)

    return call


def _trusted(verify, base, name="small-leases-1.0.0"):
    assert verify("fetch", f"{base}/{name}.sigil.json", "-o", "got.sigil.json")[0] == 0
    assert verify("trust", "add", "got.sigil.json", "--yes", "--dev")[0] == 0
    return "got.sigil.json"


@pytest.mark.parametrize("site", [("--site-key", "site"), ()], ids=["two keys", "one key"])
def test_a_copy_checks_against_a_plain_web_server(publish, verify, data, site):
    _, base, shown = publish(site=site)
    assert (shown["checkedAs"], shown["logIndex"]) == ("VALID", 0)
    bundle = _trusted(verify, base)
    code, said = verify("check", bundle, "--data", data, "--dev")
    assert (code, said.splitlines()[0][:5]) == (0, "VALID")


@pytest.mark.parametrize("end", ["", "/", "/.well-known/datasigil.json"])
def test_the_bare_address_of_a_project_path_is_enough_to_fetch(publish, verify, end):
    _, base, _ = publish()
    assert verify("fetch", base + end, "-o", "x.sigil.json")[0] == 0


def test_the_datas_own_folder_holds_the_bundle(publish, verify, data):
    _, base, _ = publish()
    _trusted(verify, base)
    assert verify("check", data, "--dev")[0] == 0


@pytest.mark.parametrize(("command", "expected"), [("revoke", "REVOKED"), ("suspend", "SUSPENDED")])
def test_a_withdrawal_reaches_whoever_asks(publish, verify, run, data, command, expected):
    folder, base, shown = publish()
    bundle = _trusted(verify, base)
    answer = run.json(
        command, shown["id"], "--static", folder, "--reason", "consent", "--key", "me", "--site-key", "site"
    )
    assert answer["changed"] is True
    code, said = verify("check", bundle, "--data", data, "--dev")
    assert code == 1
    assert expected in said
    page = (folder / "small-leases-1.0.0.html").read_text()
    assert 'class="bad"' in page
    assert "consent" in page


def test_a_suspension_is_lifted_and_a_revocation_is_not(publish, verify, run, data):
    folder, base, shown = publish()
    bundle = _trusted(verify, base)
    change = (shown["id"], "--static", folder, "--reason", "x", "--key", "me", "--site-key", "site")
    run("suspend", *change)
    run("resume", *change)
    assert verify("check", bundle, "--data", data, "--dev")[0] == 0
    run("revoke", *change)
    run.refused("resume", *change, code="REVOKED", exit_code=2)
    assert run.json("revoke", *change)["changed"] is False


def test_the_site_key_alone_revokes_nothing(publish, run):
    folder, _, shown = publish()
    run.refused(
        "revoke", shown["id"], "--static", folder, "--reason", "x", "--key", "site", code="NOT_YOURS", exit_code=2
    )


def test_a_refresh_needs_the_site_key_alone_and_renews_the_evidence(publish, run, verify, data, monkeypatch):
    folder, base, _ = publish()
    bundle = _trusted(verify, base)
    before = parse_bundle((folder / "small-leases-1.0.0.sigil.json").read_bytes())
    later = datetime.now(UTC) + timedelta(seconds=3)

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return later

    monkeypatch.setattr("publisher_cli.site.static.datetime", Later)
    shutil.rmtree(Path("state"), ignore_errors=True)
    assert run.json("publish", "--static", folder, "--key", "site")["type"] == "SiteRefreshed"
    after = parse_bundle((folder / "small-leases-1.0.0.sigil.json").read_bytes())
    assert after.credential == before.credential
    assert after.status_lists[0]["validFrom"] > before.status_lists[0]["validFrom"]
    assert verify("check", bundle, "--data", data, "--dev", "--at", later.isoformat())[0] == 0


def test_publishing_again_logs_nothing_twice(publish, run, served):
    folder, _, _first = publish()
    again = run.json("publish", "c.json", "--static", folder, "--key", "me", "--site-key", "site")
    assert (again["logIndex"], json.loads((folder / "site.json").read_text())["credentials"].__len__()) == (0, 1)


def test_a_second_version_gets_its_own_entry_and_files(publish, run, verify, data):
    folder, base, _ = publish()
    bundle = _trusted(verify, base)
    (data / "train.jsonl").write_text('{"text": "New.", "label": "x"}\n')
    text = Path("leases.dataset.toml").read_text().replace('version = "1.0.0"', 'version = "1.1.0"')
    Path("leases.dataset.toml").write_text(text)
    _, _, shown = publish()
    assert shown["logIndex"] == 1
    assert verify("check", bundle, "--dev")[0] == 0  # the first one still stands
    assert verify("fetch", f"{base}/small-leases-1.1.0.sigil.json", "-o", "new.sigil.json")[0] == 0
    assert verify("check", "new.sigil.json", "--data", data, "--dev")[0] == 0
    assert "1.1.0" in (folder / "index.html").read_text()


def test_file_names_stay_private_unless_said_otherwise(publish, served):
    folder, _, _ = publish()
    assert "train.jsonl" not in "".join(
        path.read_text("utf-8", "replace") for path in folder.rglob("*") if path.is_file()
    )


def test_the_manifest_is_public_on_request(publish, served):
    folder, _, _ = publish("--public-manifest")
    assert "train.jsonl" in (folder / "small-leases-1.0.0.manifest.json").read_text()
    assert parse_bundle((folder / "small-leases-1.0.0.sigil.json").read_bytes()).manifest is not None


def test_an_old_copy_of_the_folder_is_not_signed_anew(publish, run, tmp_path):
    folder, _, shown = publish()
    shutil.copytree(folder, tmp_path / "old")
    run("suspend", shown["id"], "--static", folder, "--reason", "x", "--key", "me", "--site-key", "site")
    error = run.refused("publish", "--static", tmp_path / "old", "--key", "site", code="LOG_ROLLBACK", exit_code=1)
    assert "git pull" in error["nextAction"]


def test_a_run_cut_short_before_the_state_is_finished_by_the_next_one(publish, run):
    folder, _, _ = publish()
    for name in ("site.json", "index.html", "small-leases-1.0.0.sigil.json", "status/revocation.json"):
        (folder / name).unlink()
    again = run.json("publish", "c.json", "--static", folder, "--key", "me", "--site-key", "site")
    assert (again["logIndex"], again["checkedAs"]) == (0, "VALID")
    assert (folder / "index.html").is_file()


def _flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        (lambda f: _flip(f / "log/tile/0/000.p/1"), "TILE_CORRUPT"),
        (lambda f: _flip(f / "log/tile/entries/000.p/1"), "ENTRY_CORRUPT"),
        (lambda f: (f / "log/tile/0/000.p/1").unlink(), "TILE_MISSING"),
        (lambda f: (f / "log/checkpoint").write_text("x"), "CHECKPOINT"),
        (lambda f: (f / "site.json").write_text("{}"), "SITE_FILE"),
        (lambda f: (f / "site.json").write_text("{"), "SITE_FILE"),
        (lambda f: (f / "site.json").write_bytes(b"\xff"), "SITE_FILE"),
        (lambda f: (f / "did.json").write_text("[]"), "SITE_FILE"),
        (lambda f: (f / "small-leases-1.0.0.json").write_text("{}"), "SITE_FILE"),
        (lambda f: (f / "small-leases-1.0.0.json").unlink(), "SITE_FILE"),
        (lambda f: (f / "evidence").mkdir() or (f / "evidence/x.sigil.json").write_text("{}"), "SITE_FILE"),
    ],
)
def test_a_damaged_site_is_not_signed(publish, run, harm, code):
    folder, _, _ = publish()
    before = (folder / "log/checkpoint").read_bytes()
    harm(folder)
    answer = run("publish", "--static", folder, "--key", "site", "--json", expect=None)
    assert (answer.code in (1, 2), answer.json["code"]) == (True, code)
    assert (folder / "log/checkpoint").read_bytes() in (before, b"x")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("publish", "c.json", "--static", "{site}", "--key", "me"), "SITE_DIFFERS"),  # made with another site key
        (("publish", "--static", "{site}", "--key", "me"), "SITE_DIFFERS"),
        (
            ("publish", "--static", "{site}", "--key", "site", "--static-base", "https://other.example/x"),
            "SITE_DIFFERS",
        ),
        (("publish", "--static", "elsewhere", "--key", "site"), "USAGE"),
        (("publish", "c.json", "--static", "elsewhere", "--key", "me"), "OTHER_LOG"),
        (("publish",), "USAGE"),
        (("publish", "c.json", "--evidence", "c.json"), "USAGE"),
        (
            ("publish", "c.json", "--static", "{site}", "--site-key", "site", "--key", "me", "--evidence", "c.json"),
            "SCHEMA",
        ),
        (("publish", "c.json", "--static", "{site}", "--site-key", "nobody", "--key", "me"), "KEY_FILE"),
        (
            ("revoke", "urn:x:1", "--static", "{site}", "--reason", "x", "--key", "me", "--site-key", "site"),
            "NOT_FOUND",
        ),
        (("publish", "leases.dataset.toml", "--static", "{site}", "--key", "me", "--site-key", "site"), "PARSE"),
    ],
)
def test_what_does_not_belong_to_the_site_is_refused(publish, run, words, code):
    folder, _, _ = publish()
    shutil.rmtree("elsewhere", ignore_errors=True)
    answer = run(*(str(word).format(site=folder) for word in words), "--json", expect=None)
    assert answer.code in (1, 2)
    assert answer.json["code"] == code, answer.err


def test_a_foreign_signature_never_enters_the_sites_key_list(publish, run, served, data):
    """Somebody else's credential in the site's name is refused, and did.json stays as it is."""
    folder, base, _ = publish()
    before = (folder / "did.json").read_bytes()
    run("key", "new", "--name", "thief", "-q")
    run("issue", data, "--key", "thief", "--static-base", base, "--site-key", "site", "-o", "stolen.json")
    answer = run("publish", "stolen.json", "--static", folder, "--key", "me", "--site-key", "site", "--json", expect=1)
    assert answer.json["code"] == "KEY_UNKNOWN"
    assert (folder / "did.json").read_bytes() == before


def test_a_tampered_credential_is_refused(publish, run):
    folder, _, _ = publish()
    document = json.loads(Path("c.json").read_text())
    document["credentialSubject"]["name"] = "Better leases"
    Path("c.json").write_text(json.dumps(document))
    run.refused(
        "publish", "c.json", "--static", folder, "--key", "me", "--site-key", "site", code="SIGNATURE", exit_code=1
    )


def test_pages_escape_what_credentials_say_and_load_nothing(run, keys, data, served):
    folder, base = served
    run("init", data, "--yes", "--name", '<script>alert("x")</script>', "--about", "a <img src=x onerror=y> & so on")
    run("issue", data, "--key", "me", "--static-base", base, "-o", "c.json")
    run("publish", "c.json", "--static", folder, "--key", "me")
    for page in folder.glob("*.html"):
        text = page.read_text()
        assert "<script" not in text
        assert "<img" not in text
        assert "default-src 'none'" in text
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)


def test_what_nobody_said_reads_not_stated(publish):
    folder, _, _ = publish()
    text = (folder / "small-leases-1.0.0.html").read_text()
    assert '<th scope="row">Publisher</th><td>not stated</td>' in text
    assert '<th scope="row">About living people</th><td>not stated</td>' in text
    assert "unknown" not in text


@pytest.mark.parametrize(
    ("url", "did", "path"),
    [
        ("https://example.github.io/contracts", "did:web:example.github.io:contracts", "did.json"),
        ("https://example.github.io/contracts/", "did:web:example.github.io:contracts", "did.json"),
        ("https://data.example.org", "did:web:data.example.org", ".well-known/did.json"),
        ("data.example.org/a/b", "did:web:data.example.org:a:b", "did.json"),
        ("https://data.example.org:8443/a", "did:web:data.example.org%3A8443:a", "did.json"),
    ],
)
def test_the_did_follows_from_the_address(url, did, path):
    address = SiteAddress.at(url)
    assert (address.did, address.document_path) == (did, path)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/x", "https://127.0.0.1/x", "https://localhost/x", "https://user@example.org/x", "https://example.org/x?y",
        "https://example.org/x#y", "https://example.org/../x", "https://example.org/a b", "ftp://example.org/", "https://", "", "https://example.org:22/x",
        "https://EXAMPLE.org/ä", "https://example.org/%2e%2e/x", "https://[::1]/x", "https://example.org:99999/x",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_a_did_web_is_refused(run, keys, data, url, monkeypatch):
    monkeypatch.delenv("DATASIGIL_DEV")
    error = run.refused("key", "did-web", url, "--key", "me", code="USAGE", exit_code=2)
    assert error["expected"]
    assert not Path("did.json").exists()


def test_did_web_lists_a_second_key_beside_the_first(run, keys):
    run("key", "did-web", "example.org/x", "--key", "me", "-o", "d/did.json")
    shown = run.json("key", "did-web", "example.org/x", "--key", "site", "-o", "d/did.json")
    assert (len(shown["keys"]), shown["url"]) == (2, "https://example.org/x/did.json")
    run.refused("key", "did-web", "example.org/other", "--key", "me", "-o", "d/did.json", code="EXISTS", exit_code=2)


def test_a_p256_key_cannot_sign_a_sites_log(run, data, served):
    run("key", "new", "--name", "me", "--kind", "p256", "-q")
    run("init", data, "--yes")
    run.refused("issue", data, "--key", "me", "--static-base", served[1], code="KEY_FILE", exit_code=2)


def test_an_approval_on_another_site_travels_in_the_datasets_bundle(publish, run, verify, data, served):
    folder, base, _ = publish()
    run("key", "new", "--name", "steward", "-q")
    other = folder.parent / "steward"
    steward = base.replace("contracts", "steward")
    run("attest", folder / "small-leases-1.0.0.sigil.json", "--type", "approval", "--assessor", "Data steward", "--use", "fine-tuning",
        "--valid-days", "30", "--key", "steward", "--static-base", steward, "-o", "a.json")  # fmt: skip
    run("publish", "a.json", "--static", other, "--key", "steward")
    approval = next(other.glob("*.sigil.json"))
    run("publish", "--static", folder, "--key", "site", "--evidence", approval)
    bundle = _trusted(verify, base)
    assert verify("trust", "add", approval, "--yes", "--dev", "--role", "steward")[0] == 0
    policy = Path(_config() / "datasigil.toml")
    policy.write_text(
        policy.read_text() + '\n[requirements]\nuse = "fine-tuning"\napprovals = "publisher AND steward"\n'
    )
    code, said = verify("check", bundle, "--data", data, "--dev")
    assert code == 0, said
    run("revoke", approval, "--static", other, "--reason", "no longer", "--key", "steward")
    assert verify("check", bundle, "--data", data, "--dev")[0] == 1


def _config():
    return Path(os.environ["XDG_CONFIG_HOME"]) / "datasigil"


def test_the_example_workflow_does_what_it_says(publish, run, repository, tmp_path, monkeypatch):
    """Its signing step is run, word by word, by a shell that has the site key in a secret and nothing else."""
    folder, _, _ = publish()
    workflow = yaml.safe_load((repository / "examples/static-site/.github/workflows/refresh.yml").read_text())
    step = next(one for one in workflow["jobs"]["refresh"]["steps"] if one.get("name") == "Sign again")
    work = tmp_path / "checkout"
    shutil.copytree(folder, work / "site")
    temporary = tmp_path / "runner"
    temporary.mkdir()
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(temporary), "RUNNER_TEMP": str(temporary), "DATASIGIL_DEV": "1",
        "SITE_KEY": (_config() / "keys/site.pem").read_text(), "SITE_PASSPHRASE": "correct horse battery staple",
        "DATASIGIL_PASSPHRASE_FILE": str(temporary / "passphrase"),
    }  # fmt: skip
    ran = subprocess.run(
        ["bash", "-e", "-c", step["run"]], cwd=work, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (work / "site/log/checkpoint").read_bytes() != b""
    assert [one.name for one in temporary.iterdir() if one.suffix == ".pem" or one.name == "passphrase"] == []


# Rotation -------------------------------------------------------------------------------------------------------------

ROTATE = ("key", "rotate", "--name", "me", "--site-key", "site", "--reason", "yearly change")


def _new_version(data):
    (data / "train.jsonl").write_text('{"text": "New.", "label": "x"}\n')
    path = Path("leases.dataset.toml")
    path.write_text(path.read_text().replace('version = "1.0.0"', 'version = "1.1.0"'))


def test_whoever_pinned_the_old_key_follows_a_logged_rotation(publish, run, verify, data):
    folder, base, _ = publish()
    bundle = _trusted(verify, base)
    shown = run.json(*ROTATE, "--static", folder)
    assert (shown["logIndex"], shown["did"]) == (1, SiteAddress.at(base, dev=True).did)
    _new_version(data)
    publish()
    assert verify("fetch", f"{base}/small-leases-1.1.0.sigil.json", "-o", "new.sigil.json")[0] == 0
    code, said = verify("check", "new.sigil.json", "--data", data, "--dev")
    assert code == 0, said
    assert verify("check", bundle, "--dev")[0] == 0  # what the old key signed before still stands


def test_a_new_key_that_no_rotation_leads_to_is_not_followed(publish, run, verify, data):
    folder, base, _ = publish()
    _trusted(verify, base)
    run(*ROTATE, "--static", folder)
    _new_version(data)
    publish()
    bundle = json.loads((folder / "small-leases-1.1.0.sigil.json").read_text())
    bundle["issuerKeys"] = [one for one in bundle["issuerKeys"] if one.get("type") != "LoggedKeyRotation"]
    Path("poor.sigil.json").write_text(json.dumps(bundle))
    code, said = verify("check", "poor.sigil.json", "--offline")
    assert (code, "KEY_HISTORY" in said) == (3, True)


def test_the_old_key_is_kept_and_the_new_one_signs(publish, run):
    folder, _, _ = publish()
    before = run.json("key", "show", "me")["publicKeyMultibase"]
    shown = run.json(*ROTATE, "--static", folder)
    assert run.json("key", "show", "me")["publicKeyMultibase"] == shown["publicKeyMultibase"] != before
    assert oct(Path(shown["retired"]).stat().st_mode & 0o777) == "0o600"
    document = json.loads((folder / "did.json").read_text())
    assert [one.partition("#")[2] for one in document["assertionMethod"]] == [before, shown["publicKeyMultibase"]]
    assert [one.partition("#")[2] for one in document["authentication"]] == [shown["publicKeyMultibase"]]


def test_a_did_key_becomes_another_did_and_says_so(run, keys):
    answer = run("key", "rotate", "--name", "me")
    assert "another DID" in answer.err
    assert len(list((_config() / "keys").glob("me.pem*"))) == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("key", "rotate", "--name", "me", "--static", "{site}"), "USAGE"),
        (("key", "rotate", "--name", "me", "--static", "nowhere", "--site-key", "site"), "USAGE"),
        (("key", "rotate", "--name", "nobody"), "KEY_FILE"),
        (("key", "rotate", "--name", "me", "--recovery", "other"), "USAGE"),
        (("key", "rotate", "--name", "me", "--recovery", "me", "--static", "{site}", "--site-key", "site"), "USAGE"),
        (
            ("key", "rotate", "--name", "me", "--recovery", "gone", "--static", "{site}", "--site-key", "site"),
            "KEY_FILE",
        ),
        (("key", "rotate", "--name", "../../etc/passwd"), "USAGE"),
        (("key", "rotate", "--name", "/etc/passwd"), "USAGE"),
        (("key", "rotate", "--name", "me", "--static", "{site}", "--site-key", "site", "--reason", "a\x1bb"), "SCHEMA"),
        (("key", "rotate", "--name", "other", "--static", "{site}", "--site-key", "site"), "NOT_YOURS"),
        (("key", "rotate", "--name", "site", "--static", "{site}", "--site-key", "site"), "USAGE"),
    ],
)
def test_a_rotation_that_cannot_be_is_refused_and_changes_no_key(publish, run, words, code):
    one_key = words[-1] == "{site}"
    folder, _, _ = publish(site=() if one_key else ("--site-key", "site"))
    run("key", "new", "--name", "other", "-q")
    before = {path.name: path.read_bytes() for path in (_config() / "keys").glob("*.pem")}
    answer = run(*(word.format(site=folder) for word in words), "--json", expect=None)
    assert (answer.code in (1, 2), answer.json["code"]) == (True, code), answer.err
    after = {path.name: path.read_bytes() for path in (_config() / "keys").glob("*.pem")}
    assert after == before


@pytest.mark.parametrize("pinned", [True, False], ids=["pinned recovery key", "nobody pinned it"])
def test_a_recovery_key_vouches_for_a_new_key_when_the_old_one_is_lost(publish, run, verify, data, pinned):
    folder, base, _ = publish()
    _trusted(verify, base)
    run("key", "new", "--name", "safe", "-q")
    safe = run.json("key", "show", "safe")["publicKeyMultibase"]
    if pinned:
        trust = _config() / "datasigil.toml"
        trust.write_text(trust.read_text().replace("[[issuers]]", f'[[issuers]]\nrecovery = ["{safe}"]', 1))
    (_config() / "keys/me.pem").unlink()
    run.refused(*ROTATE, "--static", folder, code="KEY_FILE", exit_code=2)
    shown = run.json(*ROTATE, "--recovery", "safe", "--static", folder)
    assert (shown["logIndex"], shown["authorizedBy"], "retired" in shown) == (1, safe, False)
    _new_version(data)
    publish()
    assert verify("fetch", f"{base}/small-leases-1.1.0.sigil.json", "-o", "new.sigil.json")[0] == 0
    code, said = verify("check", "new.sigil.json", "--data", data, "--dev")
    assert code == (0 if pinned else 3), said
    assert ("KEY_HISTORY" in said) == (not pinned)


def test_a_rotation_cut_short_between_the_files_is_finished(run, keys):
    folder = _config() / "keys"
    (folder / "me.pem").rename(folder / "me.next.pem")
    answer = run("key", "rotate", "--name", "me")
    assert "finishing" in answer.err
    assert (folder / "me.pem").exists()


# Pages ----------------------------------------------------------------------------------------------------------------

CURATION = """type = "CurationRecipe"
formatVersion = 1
name = "Clean leases"
[[inputs]]
name = "leases"
credential = "leases.sigil.json"
data = "leases"
[inputs.read]
format = "jsonl"
files = ["train.jsonl"]
[[steps]]
op = "select"
columns = ["text"]
[output]
folder = "clean"
"""


@pytest.fixture
def curated(publish, run, data):
    """A site with a dataset, one that was made from it, and the lineage between them; a change of status on the first."""
    folder, base, shown = publish()
    options = ("--key", "me", "--static-base", base, "--site-key", "site")
    Path("clean.recipe.toml").write_text(CURATION)
    run("curate", "clean.recipe.toml", *options)
    run("init", "clean", "--yes", "--license", "CC-BY-4.0", "--name", "Clean <leases>")
    run("issue", "clean", "--lineage", "clean.lineage.json", "-o", "clean.json", *options)
    for name in ("clean.lineage.json", "clean.json"):
        run("publish", name, "--static", folder, "--key", "me", "--site-key", "site")
    change = (shown["id"], "--static", folder, "--reason", "a <complaint>", "--key", "me", "--site-key", "site")
    run("suspend", *change)
    run("resume", *change)
    return folder, base


def test_pages_say_what_was_made_from_what_and_what_happened_when(curated, verify):
    folder, base = curated
    clean = (folder / "clean-leases-1.0.0.html").read_text()
    for words in ("Made from", 'href="small-leases-1.0.0.html"', "digest of its text", "<svg", "How it was made", "Records out", "anybody with the parents can repeat it"):  # fmt: skip
        assert words in clean, words
    assert "Made from" not in (folder / "small-leases-1.0.0.html").read_text()
    status = (folder / "status.html").read_text()
    assert status.count("active") == 3
    assert "suspended, a &lt;complaint&gt;" in status
    assert "suspension lifted" in status
    log = (folder / "log.html").read_text()
    assert [log.count(words) for words in (">published<", ">suspended<", ">suspension lifted<")] == [3, 1, 1]
    command = re.search(r"<pre>datasigil-verify (.*)</pre>", log)[1].split()
    _trusted(verify, base)
    code, said = verify(*command, "--dev")
    assert code == 0, said


@pytest.mark.needs_chromium
@pytest.mark.timeout(120)
def test_pages_load_in_a_browser_without_a_complaint_and_fit_a_phone(curated):
    if not Path("/usr/bin/chromium").exists():
        absent("Chromium")
    from playwright.sync_api import sync_playwright

    _, base = curated
    names = ("index.html", "small-leases-1.0.0.html", "clean-leases-1.0.0.html", "status.html", "log.html")
    complaints = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        for width in (390, 1200):
            page.set_viewport_size({"width": width, "height": 800})
            for name in names:
                page.goto(f"{base}/{name}")
                assert page.evaluate("document.documentElement.scrollWidth") <= width, (
                    f"{name} is wider than the screen"
                )
        page.goto(f"{base}/index.html")
        page.click("text=Clean <leases> 1.0.0")
        assert page.evaluate("document.querySelector('svg').getBoundingClientRect().width") > 200
        page.click("text=Small leases 1.0.0")
        page.click("nav >> text=Status")
        assert "a <complaint>" in page.inner_text("body")
        page.click("nav >> text=Log")
        assert "suspension lifted" in page.inner_text("body")
        browser.close()
    assert [one for one in complaints if "favicon" not in one] == []
