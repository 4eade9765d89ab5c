"""From a dataset to a released model and an audit pack, by typing commands against a registry that runs as a process."""

import json
import shutil
from pathlib import Path

import pytest
from model_cards import PEOPLE
from registry_process import PASSPHRASE, RegistryProcess
from trainees import jsonl, recipe_text, rows, write_tiny_base

import publisher_cli.main
import training_worker.main
import verifier_cli.main

pytestmark = [pytest.mark.training, pytest.mark.timeout(300)]
PROGRAMS = {
    "datasigil": publisher_cli.main.main,
    "datasigil-verify": verifier_cli.main.main,
    "datasigil-train": training_worker.main.main,
}


class Desk:
    """Somebody who types commands, with a configuration and a state of their own."""

    def __init__(self, folder: Path, registry: RegistryProcess, monkeypatch, capsys) -> None:
        self.folder, self.registry, self.monkeypatch, self.capsys = folder, registry, monkeypatch, capsys
        folder.mkdir()
        (folder / "passphrase").write_text(PASSPHRASE)

    def run(self, *words: object, expect: int = 0) -> dict:
        """Type one command with --json; returns what it wrote."""
        program, *arguments = map(str, words)
        for name, value in (
            ("XDG_CONFIG_HOME", self.folder / "config"),
            ("XDG_STATE_HOME", self.folder / "state"),
            ("DATASIGIL_PASSPHRASE_FILE", self.folder / "passphrase"),
            ("DATASIGIL_DEV", "1"),
        ):
            self.monkeypatch.setenv(name, str(value))
        self.capsys.readouterr()
        code = PROGRAMS[program]([*arguments, "--json"])
        told = self.capsys.readouterr()
        assert code == expect, f"{' '.join(map(str, words))}\n{told.out[-2000:]}\n{told.err[-3000:]}"
        return json.loads(told.out) if told.out.strip() else {}

    def login(self, key: str) -> str:
        """Make a key, log in with it, and return its DID."""
        made = self.run("datasigil", "key", "new", "--name", key)
        self.run("datasigil", "login", "--registry", self.registry.url, "--key", key)
        return str(made["did"])


def test_a_model_is_trained_stated_reviewed_released_and_packed(tmp_path, monkeypatch, capsys):
    with RegistryProcess(tmp_path / "registry").initialise() as registry:
        maker, reviewer = (Desk(tmp_path / name, registry, monkeypatch, capsys) for name in ("maker", "reviewer"))
        data = tmp_path / "data"
        data.mkdir()
        for split, count in (("train", 24), ("validation", 9), ("test", 9)):
            (data / f"{split}.jsonl").write_bytes(jsonl(rows(split, count)))
        (data / "LICENSE").write_text("MIT License\n")
        maker.login("me")
        maker.login("pipeline")
        described = tmp_path / "data.dataset.toml"
        maker.run("datasigil", "init", data, "--yes", "--license", "MIT", "--publisher", "Tests")
        maker.run("datasigil", "issue", data, "--description", described, "--key", "me", "-o", tmp_path / "c.json")
        maker.run("datasigil", "publish", tmp_path / "c.json", "--registry", registry.url)
        credential = json.loads((tmp_path / "c.json").read_text())
        bundle = next(path for path in (data / ".datasigil" / "bundle.sigil.json", tmp_path / "c.sigil.json") if path.is_file())  # fmt: skip
        policy = tmp_path / "datasigil.toml"
        maker.run("datasigil-verify", "trust", "add", bundle, "--policy", policy, "--yes")
        shutil.copy(bundle, tmp_path / "data.sigil.json")
        base = write_tiny_base(tmp_path / "base")
        (tmp_path / "recipe.yaml").write_text(recipe_text(credential["id"], base, 1))

        run = tmp_path / "run"
        trained = maker.run("datasigil-train", "train", tmp_path / "recipe.yaml", "-o", run, "--policy", policy, "--key", "pipeline", "--registry", registry.url)  # fmt: skip
        assert trained["published"]["id"]
        # A draft is not released; answers without a key are refused, since the card is signed.
        assert maker.run("datasigil-train", "release", run, "--policy", policy, expect=1)["code"] == "DRAFT"
        answers = tmp_path / "answers.yaml"
        answers.write_text("by: Dr. A. Example\nfacts:\n" + "".join(f"  {key}: {json.dumps(value)}\n" for key, value in PEOPLE.items()))  # fmt: skip
        assert maker.run("datasigil-train", "card", run, "--facts", answers, expect=2)["code"] == "CARD_SIGNED"
        maker.run("datasigil-train", "card", run, "--facts", answers, "--key", "pipeline", "--registry", registry.url)
        maker.run("datasigil-verify", "trust", "add", run / "model.sigil.json", "--name", "our pipeline", "--policy", policy, "--yes")  # fmt: skip
        assert maker.run("datasigil-train", "release", run, "--policy", policy, expect=1)["code"] == "NOT_REVIEWED"

        reviewer.login("expert")
        signed = reviewer.run(
            "datasigil-train", "review", run, "--key", "expert", "--registry", registry.url, "--name", "Dr. B. Reviewer",
            "--qualification", "attorney at law", "--verdict", "accepted", "--level", "3rdParty",
        )  # fmt: skip
        assert signed["path"].endswith("reviews/0.sigil.json")
        # The reviewer counts once the trust file says so.
        assert maker.run("datasigil-train", "release", run, "--policy", policy, expect=1)["code"] == "NOT_VALID"
        maker.run("datasigil-verify", "trust", "add", run / "reviews" / "0.sigil.json", "--name", "our counsel", "--policy", policy, "--yes")  # fmt: skip
        released = maker.run("datasigil-train", "release", run, "--policy", policy)
        assert released["reviews"] == ["accepted"]
        assert maker.run("datasigil-verify", "card", run, "--policy", policy)["decision"] == "VALID"
        packed = maker.run("datasigil-train", "pack", run, "-o", tmp_path / "audit.zip")
        assert packed["state"].startswith("released ")

        # The reviewer withdraws the sign-off: the card is INVALID at once, for everybody who asks the registry.
        review_id = signed["published"]["id"]
        reviewer.run("datasigil", "revoke", review_id, "--reason", "withdrawn", "--registry", registry.url, "--key", "expert")  # fmt: skip
        report = maker.run("datasigil-verify", "card", run, "--policy", policy, expect=1)
        assert "REVOKED" in json.dumps(report["checks"])
        assert maker.run("datasigil-train", "release", run, "--policy", policy, expect=1)["code"] == "NOT_VALID"


@pytest.mark.slow
def test_a_review_that_the_registry_does_not_take_is_kept_and_the_folder_still_holds_together(tmp_path, monkeypatch, capsys):  # fmt: skip
    from trainees import make_case

    from training_worker.finished import check_run

    case = make_case(tmp_path, base=write_tiny_base(tmp_path / "base"), epochs=1)
    run = case.train().folder
    with RegistryProcess(tmp_path / "registry").initialise() as registry:
        reviewer = Desk(tmp_path / "reviewer", registry, monkeypatch, capsys)
        reviewer.login("expert")
    asked = ("--name", "Dr. B.", "--qualification", "attorney", "--verdict", "rejected")
    told = reviewer.run("datasigil-train", "review", run, "--key", "expert", "--registry", registry.url, *asked, expect=3)  # fmt: skip
    assert told["code"].startswith("FETCH_")
    assert (run / "reviews" / "0.credential.json").is_file()
    assert check_run(run).decision == "VALID"
