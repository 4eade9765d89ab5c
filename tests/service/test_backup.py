"""Backing up and restoring: into both databases, whole, and never so that an old state signs.

Here: the operator's functions on small registries. Not here: `fsck` (`test_operating.py`).
"""

import shutil

import httpx
import pytest
from databases import create_database
from registry_process import LivePublisher, RegistryProcess

from datasigil.errors import DatasigilError
from service.backup import back_up, restore
from service.settings import Settings


@pytest.fixture
def stored(registry, publisher, tmp_path, monkeypatch, opened_keys):
    """A registry with something of everything, and its backup, taken while it ran."""
    monkeypatch.setattr("service.backup.load_keys", lambda *_arguments, **_options: opened_keys)
    document = publisher.publish()
    publisher.post(document, manifest=registry.manifest(document), publicManifest=True)
    publisher.change(publisher.publish())
    registry.clock.turn(minutes=11)
    registry.settle()
    registry.http.post("/webhooks", json={"url": "https://hook.example/"}, headers=publisher.headers)
    told = back_up(registry.settings, tmp_path / "backup")
    assert "2 credential" in told
    return document


def fresh(tmp_path, registry, database_url, name="restored"):
    return Settings(
        data_dir=tmp_path / name,
        public_url=registry.settings.public_url,
        passphrase_file=registry.settings.passphrase_file,
        database_url=database_url,
    )


@pytest.fixture
def other_url(request, database_url):
    """An empty database of the same kind."""
    if database_url is None:
        return None

    return create_database(request.getfixturevalue("postgres_admin"))


def test_a_restored_registry_is_whole_and_goes_on(registry, publisher, stored, tmp_path, other_url, open_registry):
    settings = fresh(tmp_path, registry, other_url)
    lines = restore(settings, tmp_path / "backup", newest=None, nothing_newer=True)
    assert any(line.startswith("clean: ") for line in lines), lines
    old = registry.http.get(f"/credentials/{stored['id']}")
    before = registry.state.released
    registry.http.__exit__(None, None, None)
    again = open_registry(data_dir=settings.data_dir, database_url=other_url)
    assert again.http.get(f"/credentials/{stored['id']}").content == old.content
    assert again.http.get("/tokens", headers=publisher.headers).status_code == 200
    assert len(again.http.get("/webhooks", headers=publisher.headers).json()["items"]) == 1
    again.clock.turn(seconds=30)  # the lease of the process that was lost
    publisher.registry = again
    publisher.publish()
    again.login()
    assert again.state.released.size == before.size + 1


def test_a_state_below_the_newest_checkpoint_refuses_to_sign(
    registry, publisher, stored, tmp_path, other_url, open_registry
):
    publisher.publish()
    newest = registry.http.get("/log/checkpoint").content
    settings = fresh(tmp_path, registry, other_url)
    lines = restore(settings, tmp_path / "backup", newest=newest, nothing_newer=False)
    assert "refuses to sign" in lines[-1]
    registry.http.__exit__(None, None, None)
    again = open_registry(data_dir=settings.data_dir, database_url=other_url)
    answer = again.http.post("/challenges")
    assert (answer.status_code, answer.json()["code"]) == (503, "REFUSES_TO_SIGN")
    assert again.http.get(f"/credentials/{stored['id']}").status_code == 200


def test_without_a_mark_the_operator_must_say_how_far_the_log_had_come(registry, stored, tmp_path, other_url):
    with pytest.raises(DatasigilError) as caught:
        restore(fresh(tmp_path, registry, other_url), tmp_path / "backup", newest=None, nothing_newer=False)
    assert caught.value.code == "RESTORE_MARK"
    assert "--nothing-newer" in caught.value.next_action


def test_a_mark_that_is_there_is_never_lowered(registry, publisher, stored, tmp_path, other_url):
    publisher.publish()
    settings = fresh(tmp_path, registry, other_url)
    settings.data_dir.mkdir()
    shutil.copy(registry.settings.high_water_file, settings.high_water_file)
    lines = restore(settings, tmp_path / "backup", newest=None, nothing_newer=True)
    assert "refuses to sign" in lines[-1]


def test_a_registry_is_not_restored_over_another(registry, stored, tmp_path):
    with pytest.raises(DatasigilError) as caught:
        restore(registry.settings, tmp_path / "backup", newest=None, nothing_newer=True)
    assert caught.value.code == "RESTORE_NOT_EMPTY"


def test_a_damaged_backup_is_refused_before_anything_is_written(registry, stored, tmp_path):
    settings = fresh(tmp_path, registry, None)
    for name in ("registry.sqlite3", "high-water", "keys/checkpoint.pem", "backup.json"):
        for damage in ("altered", "missing"):
            copy = tmp_path / f"{damage} {name.replace('/', ' ')}"
            shutil.copytree(tmp_path / "backup", copy)
            if damage == "missing":
                (copy / name).unlink()
            else:
                (copy / name).write_bytes((copy / name).read_bytes()[:-1] + b"\x00")
            with pytest.raises(DatasigilError) as caught:
                restore(settings, copy, newest=None, nothing_newer=True)
            assert caught.value.code == "BACKUP_DAMAGED", copy.name
            assert not settings.data_dir.exists()


def test_a_backup_never_overwrites(registry, stored, tmp_path):
    with pytest.raises(DatasigilError) as caught:
        back_up(registry.settings, tmp_path / "backup")
    assert caught.value.code == "BACKUP_EXISTS"


@pytest.mark.slow
def test_the_commands_bring_a_registry_back_on_another_folder(tmp_path):
    process = RegistryProcess(tmp_path / "data").initialise()
    with process.start():
        publisher = LivePublisher(process)
        document = publisher.publish()
        assert (done := process.run("backup", "--to", str(tmp_path / "backup"))).returncode == 0, done.stderr
        note = httpx.get(f"{process.url}/log/checkpoint", timeout=20).content
    (tmp_path / "newest").write_bytes(note)
    process.folder = process.folder.rename(tmp_path / "lost").with_name("data")
    newest = ("--newest-checkpoint", str(tmp_path / "newest"))
    done = process.run("restore", "--from", str(tmp_path / "backup"), *newest)
    assert done.returncode == 0, done.stderr
    assert "clean: " in done.stdout
    with process.start():
        assert httpx.get(f"{process.url}/credentials/{document['id']}", timeout=20).json() == document
        publisher.publish()
    assert process.run("restore", "--from", str(tmp_path / "nothing")).returncode == 2
