"""A registry handed over to another one: what was issued before keeps its verdict, and the old log stays what it was.

Here: `export` and `import` between SQLite and PostgreSQL, both registries in this process, each with its own keys. Not here: what counts as a
handover, whoever presents it (`tests/datasigil/verification/test_handover.py`), and moving a registry to another machine (`test_backup.py`).
"""

import json
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from databases import create_database
from registry_process import PASSPHRASE, LivePublisher, RegistryProcess
from simulator import NOW, signer_of
from sqlalchemy import func, select
from starlette.testclient import TestClient

from datasigil.bundle import parse_bundle
from datasigil.client.evidence import HttpTiles
from datasigil.credentials.key_rotation import new_key_rotation, parse_key_rotation
from datasigil.credentials.types import CREDENTIAL_TYPES
from datasigil.errors import DatasigilError
from datasigil.signing import add_proof
from datasigil.transparency.checkpoint import open_checkpoint
from datasigil.transparency.note import parse_vkey
from datasigil.transparency.tiles import TileTree
from datasigil.trust.policy import IssuerRule, LogRule, TrustPolicy
from datasigil.verification import verify
from service.__main__ import main
from service.app import create_app
from service.database import open_database
from service.fsck import check_everything
from service.handover.exporting import EXPORTED, export_registry
from service.handover.importing import import_registry, write_offer
from service.migrating import migrate
from service.publishers.key_rotations import LogRotation
from service.publishers.operations import register
from service.registry_keys import RegistryKeys, create_keys, load_keys
from service.settings import Settings
from service.tables import core_table

NEW_URL = "http://localhost:8900"
_MODULES = ("app", "fsck", "offline", "handover.exporting", "handover.importing")


@pytest.fixture(scope="session")
def new_keys(tmp_path_factory) -> RegistryKeys:
    folder = tmp_path_factory.mktemp("new-keys") / "keys"
    create_keys(folder, PASSPHRASE.encode(), hosted=False)
    return load_keys(folder, PASSPHRASE.encode(), origin="localhost:8900/log")


@dataclass
class Move:
    """An old registry with something in it, and an empty new one."""

    old: Any  # the conftest's Registry
    new: Settings
    folder: object
    stack: ExitStack

    @property
    def archive(self):
        return self.folder / "archive"

    @property
    def offer(self):
        return self.folder / "offer.json"

    def export(self, archive=None):
        if not self.offer.exists():
            write_offer(self.new, self.offer)
        if self.old.http is not None:
            self.old.http.__exit__(None, None, None)
            self.old.http = None
        return export_registry(self.old.settings, archive or self.archive, self.offer.read_bytes(), "we move")

    def whole(self) -> Any:
        self.export()
        import_registry(self.new, self.archive)
        return self.open(self.new)

    def open(self, settings) -> Any:
        client = TestClient(create_app(settings, clock=self.old.clock), base_url=settings.public_url)
        self.stack.enter_context(client)
        return type(self.old)(settings, self.old.clock, client)

    def rows(self) -> int:
        database = open_database(self.new.sqlalchemy_url)
        try:
            with database.reading() as connection:
                return sum(
                    connection.execute(select(func.count()).select_from(core_table(name))).scalar_one()
                    for name in (*EXPORTED, "log_state")
                )
        finally:
            database.close()


@pytest.fixture
def move(request, registry, database_url, opened_keys, new_keys, tmp_path, monkeypatch):
    """The new registry's database is of the other kind than the old one's."""
    for module in _MODULES:
        monkeypatch.setattr(
            f"service.{module}.load_keys",
            lambda folder, *_rest, **_options: opened_keys if folder.parent == registry.settings.data_dir else new_keys,
        )
    for module in ("fsck", "offline", "handover.exporting", "handover.importing"):
        monkeypatch.setattr(f"service.{module}.system_clock", registry.clock)
    data_dir = tmp_path / "new"
    data_dir.mkdir()
    (data_dir / "passphrase").write_text(PASSPHRASE)
    url = create_database(request.getfixturevalue("postgres_admin")) if database_url is None else None
    settings = Settings(
        data_dir=data_dir,
        public_url=NEW_URL,
        passphrase_file=data_dir / "passphrase",
        database_url=url,
        rate_per_second=100_000.0,
        rate_burst=100_000,
    )
    with ExitStack() as stack:
        yield Move(registry, settings, tmp_path, stack)


def log_rule(keys, url):
    return LogRule(keys.origin, keys.log_key, keys.time_key, f"{url}/log")


def trusting(publisher, *logs):
    issuer = IssuerRule(publisher.did, "Publisher", CREDENTIAL_TYPES, ("publisher", "observer"))
    return TrustPolicy(issuers=(issuer,), logs=logs)


def codes(report):
    return {check.code for check in report.checks if check.outcome in ("failed", "undetermined")}


def test_what_was_issued_before_keeps_its_verdict(move, publisher, opened_keys, new_keys):
    kept, revoked = publisher.publish(), publisher.publish()
    publisher.change(revoked)
    url = move.old.settings.public_url
    new = move.whole()
    assert new.http.get(f"/credentials/{kept['id']}").json() == kept
    new.clock.turn(days=40)
    new.settle()
    bundles = [parse_bundle(new.http.get(f"/credentials/{one['id']}/bundle").content) for one in (kept, revoked)]
    both = trusting(publisher, log_rule(opened_keys, url), log_rule(new_keys, NEW_URL))
    found = [verify(one, policy=both, at=new.clock(), offline=True).report for one in bundles]
    assert [one.decision for one in found] == ["VALID", "INVALID"], found[0].checks
    assert codes(found[1]) == {"REVOKED"}
    assert any("its handover to http://localhost:8900" in check.message for check in found[0].checks)
    answers = [new.http.post("/credentials/verify", json={"verifiableCredential": one}) for one in (kept, revoked)]
    assert [one.json()["decision"] for one in answers] == ["VALID", "INVALID"]


def test_an_old_trust_file_says_what_to_add_once_the_old_checkpoint_is_too_old(move, publisher, opened_keys, new_keys):
    document = publisher.publish()
    old = trusting(publisher, log_rule(opened_keys, move.old.settings.public_url))
    new = move.whole()
    bundle = parse_bundle(new.http.get(f"/credentials/{document['id']}/bundle").content)
    assert verify(bundle, policy=old, at=new.clock(), offline=True).report.decision == "VALID"
    new.clock.turn(days=40)
    new.settle()
    bundle = parse_bundle(new.http.get(f"/credentials/{document['id']}/bundle").content)
    report = verify(bundle, policy=old, at=new.clock(), offline=True).report
    assert report.decision == "INDETERMINATE"
    (told,) = [check for check in report.checks if check.code == "UNKNOWN_LOG"]
    assert str(new_keys.log_key) in told.expected
    assert "add the lines to your trust file" in told.next_action.command


def test_a_revocation_at_the_new_registry_counts_for_what_the_old_one_issued(move, publisher, opened_keys, new_keys):
    document = publisher.publish()
    url, address = move.old.settings.public_url, publisher.reply["statusLists"]["revocation"]
    new = move.whole()
    publisher.registry = new
    assert publisher.change(document).json()["status"] == "revoked"
    bundle = parse_bundle(new.http.get(f"/credentials/{document['id']}/bundle").content)
    report = verify(bundle, policy=trusting(publisher, log_rule(opened_keys, url)), at=new.clock(), offline=True).report
    assert codes(report) == {"REVOKED"}
    path = address.removeprefix(url)
    assert new.http.get(path).json()["id"] == address
    old = move.open(move.old.settings)
    answer = old.http.get(path, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (308, NEW_URL + path)


def test_the_old_registry_answers_and_signs_nothing_more(move, publisher):
    document = publisher.publish()
    request = publisher.status_request(document)
    unpublished = publisher.issue()
    move.export()
    old = move.open(move.old.settings)
    publisher.registry = old
    refused = [
        old.http.post("/challenges"),
        publisher.post(unpublished),
        old.http.post("/credentials/status", json=request),
    ]
    assert {(one.status_code, one.json()["code"]) for one in refused} == {(503, "HANDED_OVER")}
    assert NEW_URL in refused[1].json()["nextAction"]
    assert old.http.get(f"/credentials/{document['id']}").json() == document
    assert old.http.get("/log/checkpoint").status_code == 200
    (frame,) = old.http.get("/log/handovers").json()["items"]
    assert frame["handover"]["to"]["url"] == NEW_URL
    assert check_everything(old.settings).clean


def test_the_old_log_is_the_beginning_of_the_new_one_and_checkable_from_its_tiles(move, publisher, opened_keys):
    for _ in range(3):
        publisher.publish()
    new = move.whole()
    publisher.registry = new
    reply = new.login(publisher.signer)
    reply.publish()
    note = (move.archive / "checkpoint").read_bytes()
    head = open_checkpoint(note, opened_keys.log_key, [opened_keys.time_key]).checkpoint

    class OverHttp:
        def get(self, url, **_options):
            return httpx_like(new.http.get(url.removeprefix(NEW_URL)))

    def httpx_like(answer):
        from datasigil.fetch import Response

        return Response(status=answer.status_code, headers={}, body=answer.content, url=str(answer.url))

    tree = TileTree.open(HttpTiles(f"{NEW_URL}/log", OverHttp()), head.size, head.root)
    tree.check()
    assert new.state.released.size > head.size
    proof = new.http.get(f"/log/consistency?old={head.size}").json()
    assert proof["size"] == new.state.released.size


def test_publishers_go_on_at_the_new_registry_with_lists_of_their_own(move, publisher):
    publisher.publish()
    move.old.http.post("/webhooks", json={"url": "https://hook.example/"}, headers=publisher.headers)
    token = publisher.headers
    new = move.whole()
    assert new.http.get("/tokens", headers=token).status_code == 401
    again = new.login(publisher.signer)
    assert again.reply["statusLists"]["revocation"].startswith(f"{NEW_URL}/status-lists/")
    document = again.publish()
    again.change(document)
    answer = new.http.get(again.reply["statusLists"]["revocation"])
    assert answer.json()["id"] == again.reply["statusLists"]["revocation"]
    found = check_everything(new.settings)
    assert found.clean, found.lines()
    assert found.counts["handovers"] == 1


def test_key_rotations_move_with_their_log_entries(move, publisher):
    publisher.publish()
    did, old, new_key = "did:web:maker.example", signer_of("old"), signer_of("new")
    unsigned = new_key_rotation(
        issuer=did, new_id=f"{did}#new", new_key=new_key.public_key, authorizing_id=f"{did}#old", authorizing_key=old.public_key,
        reason="yearly", created=NOW, nonce="0" * 16,
    )  # fmt: skip
    for signer, name in ((old, "old"), (new_key, "new")):
        unsigned = add_proof(unsigned, signer.as_method(f"{did}#{name}"), created=NOW)
    move.old.state.sequencer.run(lambda batch: register(batch, did=did, name="Maker", role="publisher"))
    move.old.state.sequencer.run(LogRotation(parse_key_rotation(unsigned)))
    new = move.whole()
    (frame,) = new.http.get(f"/publishers/{did}/key-rotations").json()["items"]
    assert frame["request"] == unsigned
    assert "localhost:8900/log" in frame["proof"]
    found = check_everything(new.settings)
    assert found.clean, found.lines()
    assert found.counts["key rotations"] == 1


@pytest.mark.parametrize("database_url", [None], ids=["sqlite to postgresql"])
def test_exporting_again_writes_the_archive_again_and_hands_over_once(move, publisher, tmp_path, new_keys):
    publisher.publish()
    first = move.export()
    assert move.export(tmp_path / "second")[1] == first[1]
    import_registry(move.new, tmp_path / "second")
    with pytest.raises(DatasigilError) as caught:
        move.export(tmp_path / "second")
    assert caught.value.code == "EXPORT_EXISTS"


@pytest.mark.parametrize("database_url", [None], ids=["sqlite to postgresql"])
@pytest.mark.parametrize("name", ["registry.sqlite3", "handover.json", "checkpoint", "export.json"])
@pytest.mark.parametrize("damage", ["altered", "missing", "cut"])
def test_a_tampered_archive_is_refused_and_nothing_is_stored(move, publisher, name, damage):
    publisher.publish()
    move.export()
    file = move.archive / name
    data = file.read_bytes()
    if damage == "missing":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(data[: len(data) // 2])
    else:
        middle = len(data) // 2
        file.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    with pytest.raises(DatasigilError) as caught:
        import_registry(move.new, move.archive)
    assert caught.value.code == "EXPORT_DAMAGED"
    assert not (move.new.data_dir / "high-water").exists()


@pytest.mark.parametrize("database_url", [None], ids=["sqlite to postgresql"])
def test_an_archive_whose_list_was_signed_by_somebody_else_is_refused(move, publisher, new_keys):
    publisher.publish()
    move.export()
    listed = json.loads((move.archive / "export.json").read_text())
    del listed["proof"]
    (move.archive / "export.json").write_text(json.dumps(add_proof(listed, new_keys.status, created=NOW)))
    with pytest.raises(DatasigilError) as caught:
        import_registry(move.new, move.archive)
    assert caught.value.code == "EXPORT_DAMAGED"


@pytest.mark.parametrize("database_url", [None], ids=["sqlite to postgresql"])
@pytest.mark.parametrize("where", ["sign_lists", "create_state", "check_database", "store_note"])
def test_an_import_that_is_interrupted_leaves_nothing_and_can_be_run_again(move, publisher, monkeypatch, where):
    publisher.publish()
    move.export()

    def cut(*_arguments, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(f"service.handover.importing.{where}", cut)
        import_registry(move.new, move.archive)
    assert move.rows() == 0
    assert any(line.startswith("clean: ") for line in import_registry(move.new, move.archive))


@pytest.mark.parametrize("database_url", [None], ids=["sqlite to postgresql"])
def test_a_crash_right_after_the_commit_loses_nothing(move, publisher, monkeypatch):
    document = publisher.publish()
    move.export()
    written = []

    class CrashingMark:
        def __init__(self, path):
            from service.high_water import HighWaterFile

            self.real = HighWaterFile(path)

        def read(self):
            return self.real.read()

        def write(self, mark):
            if written:
                raise KeyboardInterrupt
            written.append(mark)
            self.real.write(mark)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("service.handover.importing.HighWaterFile", CrashingMark)
        import_registry(move.new, move.archive)
    new = move.open(move.new)
    assert new.http.get("/readyz").status_code == 200
    assert new.http.get(f"/credentials/{document['id']}").json() == document
    with pytest.raises(DatasigilError) as caught:
        new.http.__exit__(None, None, None)
        import_registry(move.new, move.archive)
    assert (caught.value.code, "complete" in caught.value.next_action) == ("IMPORT_NOT_EMPTY", True)


@pytest.mark.parametrize("database_url", [None], ids=["sqlite to postgresql"])
def test_an_archive_for_another_registry_is_refused(move, publisher, opened_keys):
    publisher.publish()
    move.export()
    elsewhere = move.new.model_copy(update={"public_url": "http://localhost:8901"})
    with pytest.raises(DatasigilError) as caught:
        import_registry(elsewhere, move.archive)
    assert caught.value.code == "OTHER_SUCCESSOR"


@pytest.mark.parametrize("database_url", [None], ids=["sqlite to postgresql"])
def test_an_offer_that_its_registry_did_not_sign_ends_nothing(move, publisher):
    publisher.publish()
    write_offer(move.new, move.offer)
    offer = json.loads(move.offer.read_text())
    offer["registry"]["url"] = "http://localhost:6666"
    move.offer.write_text(json.dumps(offer))
    with pytest.raises(DatasigilError) as caught:
        move.export()
    assert caught.value.code == "SIGNATURE"
    assert move.open(move.old.settings).http.post("/challenges").status_code == 200


def test_tables_that_cannot_hold_the_handover_are_refused(move, publisher):
    publisher.publish()
    move.export()
    with pytest.raises(DatasigilError) as caught:
        migrate(move.old.settings, "0005")
    assert caught.value.code == "HANDED_OVER"
    assert check_everything(move.old.settings).clean


def test_every_table_is_exported_or_named_as_left_behind():
    from sqlmodel import SQLModel

    left = {
        *(
            "token",
            "challenge",
            "idempotent_reply",
            "webhook",
            "delivery",
            "workload_identity",
        ),  # between A and its clients
        *("training_job", "training_result"),  # between the old registry, its publishers and their workers
        "log_state",  # the new registry signs its own
    }
    assert set(EXPORTED) | left == {table.name for table in SQLModel.metadata.sorted_tables}


@pytest.mark.parametrize("database_url", [None], ids=["sqlite to postgresql"])
def test_the_commands_say_what_comes_next_and_refuse_with_exit_2(move, publisher, monkeypatch, capsys):
    publisher.publish()
    for name in ("old", "new"):
        settings = move.old.settings if name == "old" else move.new
        settings.save()
        if settings.database_url:
            monkeypatch.setenv("DATASIGIL_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("DATASIGIL_PASSPHRASE_FILE", str(move.new.passphrase_file))
    move.old.http.__exit__(None, None, None)
    old, new = ["--data-dir", str(move.old.settings.data_dir)], ["--data-dir", str(move.new.data_dir)]
    offer, archive = str(move.offer), str(move.archive)
    own = ["--database-url", f"sqlite:///{move.old.settings.data_dir / 'registry.sqlite3'}"]
    assert main(["import", *new, "--offer", offer]) == 0
    assert main(["import", *new, "--offer", offer]) == 2  # a file that is there is never overwritten
    assert main(["export", *old, *own, "--to", archive, "--successor", str(move.folder / "none")]) == 2
    assert main(["export", *old, *own, "--to", archive, "--successor", offer]) == 0
    said = capsys.readouterr().out
    assert "import --data-dir DIR --from archive" in said
    assert 'compromised = { origin = "localhost:8800/log", index = ' in said
    assert main(["admin", "invite", publisher.did, *old, *own]) == 2
    assert "[HANDED_OVER]" in capsys.readouterr().err
    assert main(["keys", *old, *own, "rotate", "status"]) == 2
    assert "python -m service export" in capsys.readouterr().err
    assert main(["import", *new, "--from", archive]) == 0
    assert "clean: " in capsys.readouterr().out


@pytest.mark.long  # eleven processes; the test above is its short form
def test_the_commands_move_a_registry_and_a_client_that_knows_both_logs_follows(tmp_path):
    old = RegistryProcess(tmp_path / "old").initialise()
    new = RegistryProcess(tmp_path / "new").initialise()
    with old.start():
        publisher = LivePublisher(old)
        document = publisher.publish()
        bundle = httpx.get(f"{old.url}/credentials/{document['id']}/bundle", timeout=20).content
        old.stop()
    offer, archive = str(tmp_path / "offer.json"), str(tmp_path / "archive")
    assert (done := new.run("import", "--offer", offer)).returncode == 0, done.stderr
    assert (done := old.run("export", "--to", archive, "--successor", offer)).returncode == 0, done.stderr
    assert (done := old.run("admin", "invite", publisher.signer.controller)).returncode == 2
    assert "HANDED_OVER" in done.stderr
    assert (done := new.run("import", "--from", archive)).returncode == 0, done.stderr
    assert "clean: " in done.stdout
    with new.start():
        logs = [log_of(bundle)]
        description = httpx.get(f"{new.url}/.well-known/datasigil-registry.json", timeout=20).json()["log"]
        logs.append(
            LogRule(
                description["origin"],
                parse_vkey(description["key"]),
                parse_vkey(description["timeKey"]),
                description["url"],
            )
        )
        report = refreshed(bundle, trusting(FakePublisher(publisher.signer.controller), *logs))
    # The old registry is gone: the old log's end and the lists come from the new one.
    assert report.decision == "VALID", [check for check in report.checks if check.outcome != "passed"]


@dataclass
class FakePublisher:
    did: str


def log_of(raw):
    evidence = parse_bundle(raw).log
    keys = [parse_vkey(text) for text in evidence.keys]
    return LogRule(keys[0].name, keys[0], keys[1], evidence.url)


def refreshed(raw, policy):
    from datetime import UTC, datetime

    from datasigil.client.evidence import check_online, fetcher_for

    return check_online(
        parse_bundle(raw), policy=policy, at=datetime.now(UTC), fetcher=fetcher_for(policy, dev=True)
    ).report
