"""The main job, told end to end on real data: from a publisher's first credential to a model card that cites it.

Seven acts, each with real processes: the registry (uvicorn on a loopback port) and the three command line programs. Every
command is printed as a user would type it and then run; every outcome is checked, refusals included: a refusal that does
not refuse ends the demo with exit code 1. Everything made lies in `.demo/`.

Here: the acts. Not here: how commands are run (`stage.py`), the registry process (`registry.py`), blocking the network
(`network.py`), a user's own folder (`material.py`). Past 400 lines, because the story is read from its first act to its last in one place.

Usage: make demo [DATA=PATH LICENSE=SPDX]     or     python examples/demo/story.py --help
"""

import argparse
import json
import os
import re
import secrets
import shlex
import shutil
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import material
import network
import registry as registries
from stage import ROOT, Person, Stage, StoryFailed, relative

MARK = "made-by-make-demo"


@dataclass(frozen=True)
class Scene:
    """Everything the acts share: people, places, and the registry."""

    stage: Stage
    folder: Path
    matter: material.Matter
    registry: registries.Registry
    publisher: Person
    developer: Person
    pipeline: Person
    epochs: str | None

    @property
    def data(self) -> Path:
        """The publisher's copy of the dataset."""
        return self.matter.data

    @property
    def description(self) -> Path:
        """What `datasigil init` writes about the dataset, beside it."""
        return self.data.parent / f"{self.data.name}.dataset.toml"

    @property
    def credential(self) -> Path:
        """The signed credential."""
        return self.folder / "credential.json"

    @property
    def bundle(self) -> Path:
        """The developer's evidence bundle."""
        return self.folder / "developer" / f"{self.matter.name}.sigil.json"

    @property
    def policy(self) -> Path:
        """The developer's trust file, which the pipeline uses too."""
        return self.folder / "developer" / "datasigil.toml"

    @property
    def identity(self) -> str:
        """The credential's id."""
        return str(json.loads(self.credential.read_text("utf-8"))["id"])

    @property
    def gate(self) -> Path:
        """The pipeline's gate file."""
        return self.folder / "pipeline" / "gate.toml"

    @property
    def recipe(self) -> Path:
        """The training recipe."""
        return self.folder / "pipeline" / "recipe.yaml"

    @property
    def run(self) -> Path:
        """The training run's folder."""
        return self.folder / "run"


def act_1_registry(scene: Scene) -> None:
    """The registry is up: a real process on a loopback port."""
    stage = scene.stage
    stage.act(1, "a registry starts")
    stage.say(
        "A registry keeps credentials, their status (revoked, suspended) and an append-only log that anybody can audit. "
        "It never sees the data. This one is a real process (uvicorn, SQLite) on this machine only."
    )
    stage.show(
        "python", "-m", "service", "serve", "--data-dir", scene.registry.data, "--port", str(scene.registry.port)
    )
    stage.ensure(scene.registry.answers("/healthz"), "the registry does not answer")
    stage.done(f"answers at {scene.registry.url}")


def act_2_publish(scene: Scene) -> None:
    """The publisher describes, signs and publishes the dataset."""
    stage, data = scene.stage, scene.data
    stage.act(2, "the publisher signs and publishes a dataset")
    stage.say(material.describe(scene.matter))
    stage.enter(scene.publisher)
    given = material.stated(scene.matter)
    stage.run("datasigil", "init", data, "--yes", *given)
    stage.run("datasigil", "key", "new", "--name", "publisher")
    stage.run("datasigil", "login", "--registry", scene.registry.url, "--key", "publisher")
    stage.run(
        "datasigil", "issue", data, "--description", scene.description, "--key", "publisher", "-o", scene.credential
    )  # fmt: skip
    stage.run("datasigil", "publish", scene.credential, "--registry", scene.registry.url, "--public-manifest")
    stage.done("signed on this machine, registered, logged; no byte of the data has left the folder")


def act_3_check(scene: Scene) -> None:
    """The developer fetches the evidence, decides whom to trust, and checks with sockets blocked."""
    stage = scene.stage
    stage.act(3, "a developer checks it, without a network")
    stage.say(
        "The developer has the data from wherever they got it, and fetches one file of evidence. Whose word counts is "
        "theirs to decide: `trust add` shows who signed, then pins that key in their own trust file."
    )
    stage.enter(scene.developer)
    stage.run("datasigil-verify", "fetch", f"{scene.registry.url}/credentials/{scene.identity}", "-o", scene.bundle)
    stage.run("datasigil-verify", "trust", "add", scene.bundle, "--policy", scene.policy, "--yes")
    stage.say(f"\nFrom here to the verdict there is no network: {network.described()}.")
    stage.ensure(network.is_blocked(scene.registry.port), "the block does not block: the registry could be reached")
    stage.done("proved: the registry's port answers outside the block and not inside")
    check = ("datasigil-verify", "check", scene.bundle, "--policy", scene.policy, "--offline")
    known = scene.matter.license_known
    stage.run(*check, offline=True, expect=0 if known else 1, words=["VALID"])
    stage.run(*check, "--data", scene.data, offline=True, short=known, expect=0 if known else 1, words=["VALID"])
    if not known:
        raise material.license_missing(scene.matter)
    stage.done("VALID: the credential, and every file of the dataset")


def act_4_refusals(scene: Scene) -> None:
    """Four things that must not pass, each refused with what was expected, what was found, and what to do."""
    stage = scene.stage
    stage.act(4, "four things that must not pass")
    altered = scene.folder / "altered"
    check = ("datasigil-verify", "check", scene.bundle)
    reasons = ("INVALID", "expected", "found", "next")

    victim = material.with_a_byte_changed(scene.matter, altered / "byte")
    stage.say(f"One byte of {victim.name} is changed:")
    stage.run(
        *check,
        "--data",
        altered / "byte",
        "--policy",
        scene.policy,
        "--offline",
        short=True,
        expect=1,
        words=[*reasons, victim.name],
    )

    extra = material.with_a_file_added(scene.matter, altered / "file")
    stage.say(f"\nA file is added, {extra.name}:")
    stage.run(
        *check,
        "--data",
        altered / "file",
        "--policy",
        scene.policy,
        "--offline",
        short=True,
        expect=1,
        words=[*reasons, extra.name],
    )

    stranger = trust_file(scene.policy, altered / "trusts-somebody-else.toml", issuers=False)
    stage.say("\nThe same bundle, checked by somebody who has not put its issuer into their trust file:")
    stage.run(*check, "--policy", stranger, "--offline", short=True, expect=1, words=[*reasons, "trust"])

    strict = trust_file(scene.policy, altered / "forbids-the-licence.toml", denied=scene.matter.license)
    stage.say(f"\nA policy that forbids {scene.matter.license}:")
    stage.run(*check, "--policy", strict, "--offline", short=True, expect=1, words=[*reasons, scene.matter.license])
    stage.done("all four refused, each with exit code 1")


def trust_file(source: Path, target: Path, *, issuers: bool = True, denied: str = "") -> Path:
    """Write a variant of a trust file: without its issuers, or with one licence forbidden."""
    tables = re.split(r"(?m)^(?=\[)", source.read_text("utf-8"))
    if not issuers:
        tables = [table for table in tables if not table.startswith("[[issuers")]
    if denied:
        rule = f"licenses = {{ deny = {json.dumps([denied])} }}\n"
        tables = [table for table in tables if not table.startswith("[requirements.licenses")]
        there = [index for index, table in enumerate(tables) if table.startswith("[requirements]")]
        if there:
            kept = "".join(
                line for line in tables[there[0]].splitlines(keepends=True) if not line.startswith("licenses")
            )
            tables[there[0]] = kept.rstrip("\n") + "\n" + rule
        else:
            tables.append("\n[requirements]\n" + rule)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("".join(tables), encoding="utf-8")
    return target


def act_5_training(scene: Scene) -> None:
    """The pipeline refuses what no credential covers, then trains on what one does."""
    stage = scene.stage
    stage.act(5, "a training pipeline refuses, then trains")
    stage.enter(scene.pipeline)
    scene.gate.parent.mkdir(parents=True, exist_ok=True)

    inbox = scene.folder / "pipeline" / "inbox"
    shutil.copytree(scene.data, inbox / scene.matter.name, symlinks=True)
    (inbox / "scraped").mkdir()
    (inbox / "scraped" / "forum.jsonl").write_text(
        '{"text": "found somewhere", "label": "payment"}\n', encoding="utf-8"
    )
    open_gate = scene.gate.with_name("gate-inbox.toml")
    write_gate(open_gate, scene.bundle, inbox / scene.matter.name, roots=inbox)
    stage.say("A folder holds the dataset and something from somewhere else. The gate asks that every file be covered:")
    stage.run(
        "datasigil-verify", "gate", open_gate, "--policy", scene.policy, "--offline", expect=1, words=["forum.jsonl"]
    )  # fmt: skip

    write_gate(scene.gate, scene.bundle, scene.data, roots=scene.data)
    stage.say("\nWith the dataset alone it opens:")
    stage.run("datasigil-verify", "gate", scene.gate, "--policy", scene.policy, "--offline", words=["VALID"])

    stage.say("\nThe training program has no flag to skip the check. Without a credential it does not start:")
    stage.run(
        "datasigil-train",
        "new",
        scene.data,
        "-o",
        scene.recipe.with_name("refused.yaml"),
        short=True,
        expect=(1, 2, 3),
        words=["credential"],
    )
    stage.say(
        "\nWith it, a recipe is written, planned and run. Every byte is verified while it is copied; training reads the copy:"
    )
    stage.run(
        "datasigil-train", "new", scene.data, "--bundle", scene.bundle, "--policy", scene.policy, "-o", scene.recipe
    )
    if scene.epochs:
        text = scene.recipe.read_text("utf-8")
        scene.recipe.write_text(re.sub(r"(?m)^  epochs: .*$", f"  epochs: {scene.epochs}", text), encoding="utf-8")
    stage.run("datasigil", "key", "new", "--name", "pipeline")
    stage.run("datasigil", "login", "--registry", scene.registry.url, "--key", "pipeline")
    stage.run(
        "datasigil-train", "train", scene.recipe, "-o", scene.run, "--policy", scene.policy,
        "--key", "pipeline", "--registry", scene.registry.url,
        live=True, limit=3600, words=["macro", "micro", "majority"],
    )  # fmt: skip


def write_gate(path: Path, bundle: Path, data: Path, *, roots: Path) -> None:
    """Write a gate file; paths in it are relative to it."""
    lines = [
        'type = "GateFile"',
        "formatVersion = 1",
        f"roots = [{json.dumps(os.path.relpath(roots, path.parent))}]",
        "",
        "[[datasets]]",
        f"bundle = {json.dumps(os.path.relpath(bundle, path.parent))}",
        f"data = {json.dumps(os.path.relpath(data, path.parent))}",
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def act_6_card(scene: Scene) -> None:
    """The run folder: adapter, receipt, signed model credential, and a card in which each fact names its source."""
    stage = scene.stage
    stage.act(6, "what a run leaves: a model card in which each fact names its source")
    for path in sorted(scene.run.rglob("*")):
        if path.is_file():
            print(f"    {relative(path)}  ({path.stat().st_size:,} bytes)")
    stage.say(
        "\nThe model's own credential is signed by the pipeline. Whoever reads the card decides whether that word counts, too:"
    )
    model = scene.run / "model.sigil.json"
    stage.run(
        "datasigil-verify", "trust", "add", model, "--name", "our training pipeline", "--policy", scene.policy, "--yes"
    )
    stage.run("datasigil-verify", "card", scene.run, "--policy", scene.policy, words=["VALID"])
    stage.done("adapter, receipt, card and signed ModelTrainingCredential agree with each other")


def act_7_revocation(scene: Scene) -> None:
    """The publisher revokes; what was good then stays provable, and is no longer usable."""
    stage = scene.stage
    stage.act(7, "the publisher revokes the credential")
    then = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    stage.enter(scene.publisher)
    stage.run(
        "datasigil",
        "revoke",
        scene.identity,
        "--reason",
        "a contributor withdrew consent",
        "--registry",
        scene.registry.url,
    )

    stage.enter(scene.developer)
    stage.say("A fresh check asks the registry:")
    stage.run(
        "datasigil-verify",
        "check",
        scene.bundle,
        "--policy",
        scene.policy,
        short=True,
        expect=1,
        words=["INVALID", "revoked"],
    )
    stage.say("\nTraining asks too, and refuses:")
    stage.run(
        "datasigil-train", "train", scene.recipe, "-o", scene.folder / "run-refused", "--policy", scene.policy, short=True, expect=1, words=["revoked"]
    )  # fmt: skip
    stage.ensure(not (scene.folder / "run-refused").exists(), "a refused run left a folder")
    stage.say("\nWhich models does it hit?")
    stage.run("datasigil", "impact", scene.identity, "--registry", scene.registry.url, words=["model"])
    stage.say(
        "\nThe old bundle still proves what was true when the model was trained, and says what has happened since:"
    )
    stage.run(
        "datasigil-verify", "check", scene.bundle, "--policy", scene.policy, "--offline", "--at", then, short=True, words=["VALID as of", "revoked since"]
    )  # fmt: skip


ACTS = (act_1_registry, act_2_publish, act_3_check, act_4_refusals, act_5_training, act_6_card, act_7_revocation)


def epilogue(scene: Scene) -> None:
    """End with what lies where."""
    stage = scene.stage
    seconds = time.monotonic() - stage.started
    print(f"\n{stage.paint('1', f'── what lies where (told in {seconds:.0f} s, {stage.checks} things checked)')}\n")
    rows = [
        (scene.data, "the dataset, as the publisher has it"),
        (scene.description, "what the publisher says about it"),
        (scene.credential, "the signed credential"),
        (scene.bundle, "the evidence bundle: check it anywhere, offline"),
        (scene.policy, "the developer's trust file: whose word counts"),
        (scene.gate, "the pipeline's gate file"),
        (scene.recipe, "the training recipe"),
        (scene.run / "README.md", "the model card"),
        (scene.run, "adapter, receipt, signed model credential"),
        (scene.registry.data, "the registry's database and keys"),
    ]
    stage.table([(relative(path), what) for path, what in rows])
    print(f"\n  make serve      the registry's pages on this data, at {scene.registry.url}")
    print(
        f"  {relative(scene.folder)}/PERSON/env   the settings of publisher, developer and pipeline, to type the commands yourself"
    )


def people(folder: Path) -> tuple[Person, Person, Person]:
    """Give publisher, developer and pipeline a home and a passphrase of their own."""
    made = []
    for name in ("publisher", "developer", "pipeline"):
        person = Person(name, folder / name)
        person.home.mkdir(parents=True)
        secret = person.home / "passphrase"
        secret.touch(mode=0o600)
        secret.write_text(secrets.token_urlsafe(18) + "\n", encoding="utf-8")
        lines = [
            f"export {key}={shlex.quote(value)}\n"
            for key, value in {**person.environment(), "DATASIGIL_DEV": "1"}.items()
        ]
        (person.home / "env").write_text(f"# . {relative(person.home)}/env\n{''.join(lines)}", encoding="utf-8")
        made.append(person)
    return made[0], made[1], made[2]


def fresh(folder: Path) -> None:
    """Clear what an earlier demo left, unless its registry is still being served.

    Raises:
        StoryFailed: the registry runs, or the folder is not a demo's.
    """
    there = registries.remembered(folder)
    if there is not None and there.answers("/healthz"):
        raise StoryFailed(
            f"the registry of an earlier demo is being served at {there.url}; stop it (Ctrl-C), then start again"
        )
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise StoryFailed(f"{folder} exists and was not made by a demo; it is left alone")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARK).write_text("Made by make demo, and cleared by the next one.\n", encoding="utf-8")


def perform(folder: Path, data: str, license_expression: str, epochs: str | None) -> None:
    """Play all acts.

    Raises:
        StoryFailed: something did not happen as told.
    """
    stage = Stage()
    fresh(folder)
    matter = material.choose(folder, data, license_expression)
    before = material.fingerprint(matter.source)
    publisher, developer, pipeline = people(folder)
    registry = registries.create(folder)
    scene = Scene(stage, folder, matter, registry, publisher, developer, pipeline, epochs)
    with registries.running(registry):
        for act in ACTS:
            act(scene)
    stage.ensure(material.fingerprint(matter.source) == before, f"{matter.source} is not as it was before the demo")
    epilogue(scene)


def main() -> int:
    """Play the story; exit 1 if anything does not happen as told."""
    parser = argparse.ArgumentParser(description="The main job of datasigil, end to end.")
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo", help="where everything is put (default: .demo)")
    parser.add_argument(
        "--data", default=os.environ.get("DATA", ""), help="your dataset's folder (default: the example)"
    )
    parser.add_argument("--license", default=os.environ.get("LICENSE", ""), help="its licence, an SPDX expression")
    parser.add_argument("--epochs", help="train for so many epochs instead of what the recipe says")
    given = parser.parse_args()
    try:
        perform(given.folder.resolve(), given.data, given.license, given.epochs)
    except StoryFailed as failure:
        print(f"\nThe demo stops here: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. make demo starts again from the beginning.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
