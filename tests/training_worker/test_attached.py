"""The attached worker against a real registry: what it trains, what it refuses, and what becomes of a result that nobody can take just now."""

import json
import os
from datetime import UTC, datetime

import pytest
from attached_site import Site, wait_for
from registry_process import RegistryProcess

from datasigil.client import RegistryError
from datasigil.errors import DatasigilError
from datasigil.transparency.client_state import ClientState
from training_worker import places, sign_model
from training_worker.attached import worker as worker_module
from training_worker.attached.job_recipe import read_job_recipe
from training_worker.attached.work_folder import WorkFolder
from training_worker.finished import check_run
from training_worker.gate import GateSettings, Refused
from training_worker.main import main
from training_worker.online import renewer

pytestmark = [pytest.mark.training, pytest.mark.timeout(600)]  # a minute on two free cores, all together


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attached")
    lease = {"DATASIGIL_JOB_LEASE_SECONDS": "8"}
    with RegistryProcess(folder / "registry", environment=lease).initialise() as registry:
        site = Site(folder, registry).build()
        yield site
        site.stop()


@pytest.fixture
def site(built, monkeypatch):
    for name, value in built.variables().items():
        monkeypatch.setenv(name, value)
    if built.registry.process.poll() is not None:
        built.registry.start()
    for job in built.client().jobs()["items"]:
        if job["state"] in ("queued", "leased", "running"):
            built.client().cancel(job["id"])
    return built


def gate() -> GateSettings:
    policy, state = places.load_policy(None), ClientState(places.state_folder())
    return GateSettings(
        policy, datetime.now(UTC).replace(microsecond=0), False, state, renewer(policy, state, dev=True)
    )


@pytest.fixture
def folder(site, tmp_path):
    return WorkFolder(tmp_path / "memory", tmp_path / "runs")


def work(site, folder, **how):
    """Let a worker in this process empty the queue."""
    with folder.held() as identity:
        made = site.worker(identity, folder, gate(), **how)
        made.work()
        return made


def test_a_job_is_trained_signed_and_in_the_log(site, folder, monkeypatch):
    """Its evidence comes from the registry, and a status index that is taken is drawn again."""
    assert not (site.root / "data.sigil.json").exists()
    taken = int(site.client().credential(site.credential)["credentialStatus"][0]["statusListIndex"])
    drawn = iter([taken, taken + 1])
    monkeypatch.setattr(sign_model.secrets, "randbelow", lambda bound: next(drawn))
    job = site.submit(public=True)
    done = work(site, folder)
    assert done.counts == {"finished": 1}
    shown = site.state(job)
    assert shown["state"] == "finished"
    run = folder.result(job)
    assert check_run(run).decision == "VALID"
    assert (run / "model.sigil.json").is_file()
    credential = json.loads((run / "model-credential.json").read_bytes())
    assert site.client().credential(shown["credential"]) == credential
    assert credential["credentialStatus"][0]["statusListIndex"] == str(taken + 1)
    assert not folder.waiting()
    assert not folder.unfinished(job).exists()
    assert not list(folder.evidence.iterdir())


def test_data_that_is_not_what_was_credentialed_is_refused_with_the_full_report(site, folder):
    path = site.root / "data" / "train.jsonl"
    good = path.read_bytes()
    path.write_bytes(good.replace(b"payment", b"secrecy", 1))
    try:
        job = site.submit()
        assert work(site, folder).counts == {"refused": 1}
    finally:
        path.write_bytes(good)
    shown = site.state(job)
    assert shown["state"] == "refused"
    checks = [check for report in shown["refusal"]["reports"] for check in report["checks"]]
    assert [check["place"] for check in checks if check["outcome"] == "failed"] == ["train.jsonl"], checks
    assert not folder.result(job).exists()
    assert not folder.unfinished(job).exists()


def test_a_revoked_credential_is_refused(site, folder, tmp_path, monkeypatch):
    """By a copy of the policy whose issuer list is empty: the worker's own trust decides, whatever the queue says."""
    text = (site.folder / "datasigil.toml").read_text()
    nobody = tmp_path / "nobody.toml"
    nobody.write_text(text.replace(site.did, "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"))
    monkeypatch.setenv("DATASIGIL_POLICY", str(nobody))
    job = site.submit()
    assert work(site, folder).counts == {"refused": 1}
    assert "UNTRUSTED" in json.dumps(site.state(job)["refusal"])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda one: one["data"][0].update(path="../elsewhere"), "RECIPE_PATH"),
        (lambda one: one["data"][0].update(path="/etc"), "RECIPE_PATH"),
        (lambda one: one["data"][0].update(bundle="a/../../b.sigil.json"), "RECIPE_PATH"),
        (lambda one: one["data"][0].update(bundle="C:\\b.sigil.json"), "RECIPE_PATH"),
        (lambda one: one["base"].update(path="/root/model"), "RECIPE_PATH"),
        (lambda one: one["data"][0].update(path="link"), "RECIPE_PATH"),
        (lambda one: one.update(base={"package": "antigravity.x"}), "BASE_MODEL"),
        (lambda one: one["training"].update(reportTo=["wandb"]), "RECIPE_TRACKER"),
        (lambda one: one["training"].update(method="qlora"), "RECIPE"),
        (lambda one: one["training"].update(epoch=3), "RECIPE_KEY"),
    ],
)  # fmt: skip
def test_a_recipe_reaches_nothing_but_the_folder_of_this_worker(site, tmp_path, change, code):
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to("/etc")
    recipe = site.recipe()
    change(recipe)
    with pytest.raises(DatasigilError) as caught:
        read_job_recipe(recipe, root)
    assert caught.value.code == code


def test_a_recipe_from_outside_is_refused_and_says_where(site, folder):
    recipe = site.recipe()
    recipe["data"][0]["path"] = "../registry"
    job = site.submit(recipe)
    assert work(site, folder).counts == {"refused": 1}
    assert site.state(job)["refusal"]["error"]["code"] == "RECIPE_PATH"


def test_a_worker_that_is_told_to_stop_gives_the_job_back_and_goes_on_from_its_checkpoint(site, folder, monkeypatch):
    job = site.submit(site.recipe(epochs=6))
    steps = []

    def soon() -> bool:
        steps.append(len(steps))
        return len(steps) > 14

    given = work(site, folder, stop=soon)
    assert given.counts == {"givenBack": 1}
    shown = site.state(job)
    assert (shown["state"], shown["lostLeases"]) == ("queued", 0)
    assert shown["note"].startswith("stopped after step")
    assert (folder.unfinished(job) / "checkpoint.json").is_file()
    assert work(site, folder).counts == {"finished": 1}
    receipt = json.loads((folder.result(job) / "receipt.json").read_bytes())
    assert receipt["run"]["resumes"] == 1


def test_a_cancelled_job_stops_its_worker_and_leaves_nothing(site, folder):
    job = site.submit(site.recipe(epochs=500))
    cancelled = []

    def cancel_once() -> bool:
        progress = site.state(job).get("progress") if not cancelled else None
        if not cancelled and progress:
            cancelled.append(site.client().cancel(job))
        return False

    done = work(site, folder, stop=cancel_once)
    assert done.counts == {"lost": 1}
    assert site.state(job)["state"] == "cancelled"
    assert not folder.unfinished(job).exists()
    assert not folder.result(job).exists()


def test_a_result_outlives_a_registry_that_is_killed_before_it_could_take_it(site, folder, monkeypatch):
    job = site.submit()
    real = worker_module.train

    def train_then_cut(request):
        finished = real(request)
        site.registry.kill()
        return finished

    monkeypatch.setattr(worker_module, "train", train_then_cut)
    monkeypatch.setattr(worker_module, "WAIT_SECONDS", (0.1,))
    said: list[str] = []

    def stop_when_away() -> bool:
        return bool(folder.waiting()) and site.registry.process.poll() is not None

    cut = work(site, folder, stop=stop_when_away)
    assert cut.counts == {}
    assert [entry["outcome"] for entry in folder.waiting()] == ["finished"]
    assert said == []
    monkeypatch.setattr(worker_module, "train", lambda request: pytest.fail("trained again"))
    site.registry.start()
    assert work(site, folder).counts == {"finished": 1}
    assert site.state(job)["state"] == "finished"
    assert not folder.waiting()


def test_a_run_that_was_whole_when_the_worker_was_killed_is_handed_in_and_not_trained_again(site, folder, monkeypatch):
    job = site.submit()

    class Killed(BaseException):
        """As kill -9 between the end of the run and the outbox."""

    real = folder.put
    monkeypatch.setattr(folder, "put", lambda entry: (_ for _ in ()).throw(Killed()))
    with pytest.raises(Killed):
        work(site, folder)
    assert folder.result(job).is_dir()
    monkeypatch.setattr(folder, "put", real)
    monkeypatch.setattr(worker_module, "train", lambda request: pytest.fail("trained again"))
    assert work(site, folder).counts == {"finished": 1}
    assert site.state(job)["state"] == "finished"


def test_what_the_gate_could_not_decide_is_asked_again_and_then_refused(site, folder, monkeypatch):
    asked = []

    def undecided(request):
        asked.append(request.resume)
        raise Refused("INDETERMINATE: the status list cannot be fetched", 3, (), during_run=True)

    monkeypatch.setattr(worker_module, "train", undecided)
    monkeypatch.setattr(worker_module, "UNDECIDED_PAUSES_SECONDS", (0.0, 0.0))
    job = site.submit()
    assert work(site, folder).counts == {"refused": 1}
    assert len(asked) == 3
    assert site.state(job)["refusal"]["decision"] == "INDETERMINATE"


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
def test_a_worker_process_that_is_killed_goes_on_from_its_checkpoint_in_its_next_life(site, capsys):
    job = site.submit(site.recipe(epochs=40))
    process = site.start("one")
    unfinished = site.runs / "one" / f"{job}.partial"
    wait_for(lambda: (unfinished / "checkpoint.json").is_file() or process.poll() is not None)
    process.kill()
    process.wait(30)
    assert unfinished.is_dir(), site.journal()
    asked = ["--registry", site.registry.url, "--key", "me", "--data", str(site.root), "--runs", str(site.runs / "one")]
    assert main(["work", *asked, "--worker", "one", "--until-empty", "--json", "-q"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["type"], told["finished"]) == ("WorkResult", 1)
    shown = site.state(job)
    assert (shown["state"], shown["attempt"], shown["lostLeases"]) == ("finished", 2, 1)
    assert json.loads((site.runs / "one" / job / "receipt.json").read_bytes())["run"]["resumes"] == 1


def test_a_fenced_worker_hands_nothing_in_and_puts_nothing_into_the_log(site, folder, monkeypatch):
    job = site.submit()
    real = worker_module.train

    def fenced(request):
        finished = real(request)
        with folder_of_another.held() as other:
            lease = None
            while lease is None:  # the first worker's lease has to run out before anybody else gets the job
                lease = site.client().claim(other).get("job")
        return finished

    folder_of_another = WorkFolder(folder.folder.parent / "another", folder.runs.parent / "other-runs")
    # Its heartbeats do not arrive any more, as behind a broken network.
    monkeypatch.setattr(worker_module.LeaseKeeper, "_keep", lambda self: self._done.wait())
    monkeypatch.setattr(worker_module, "train", fenced)
    done = work(site, folder)
    assert done.counts["lost"] == 1
    assert done.counts["finished"] == 0
    shown = site.state(job)
    assert (shown["state"], shown["attempt"]) == ("leased", 2)
    credential = json.loads((folder.result(job) / "model-credential.json").read_bytes())
    with pytest.raises(RegistryError) as caught:
        site.client().credential(credential["id"])
    assert caught.value.status == 404


def test_one_identity_is_one_process(site, folder):
    with folder.held() as first:
        again = WorkFolder(folder.folder, folder.runs)
        with pytest.raises(DatasigilError) as caught, again.held():
            pass
    assert caught.value.code == "WORKER_RUNS"
    with folder.held() as second:
        assert first == second


def test_the_commands_ask_show_and_cancel(site, tmp_path, capsys):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps(site.recipe()))
    asked = ["--registry", site.registry.url, "--key", "me"]
    assert main(["submit", str(recipe), *asked, "--json"]) == 0
    job = json.loads(capsys.readouterr().out)["id"]
    assert main(["jobs", *asked]) == 0
    assert job in capsys.readouterr().out
    assert main(["jobs", job, *asked, "--cancel"]) == 0
    assert "cancelled" in capsys.readouterr().out
    assert main(["jobs", job, *asked, "--cancel"]) == 1
    assert "JOB_OVER" in capsys.readouterr().err
    recipe.write_text(json.dumps(site.recipe()).replace('"epochs"', '"epoch"'))
    assert main(["submit", str(recipe), *asked]) == 2
    assert "did you mean 'epochs'" in capsys.readouterr().err
    assert main(["work", *asked, "--data", str(tmp_path / "absent")]) in (1, 2)
    assert "no such folder" in capsys.readouterr().err


def test_a_worker_without_the_scope_says_what_to_do(site, folder, monkeypatch):
    client = site.client()
    monkeypatch.setattr(
        type(client), "authorization", property(lambda self: {"Authorization": "Bearer dsr_" + "x" * 43})
    )
    with pytest.raises(RegistryError) as caught:
        work(site, folder)
    assert caught.value.status == 401
    assert "login" in caught.value.next_action
