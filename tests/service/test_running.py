"""What operators are told is what there is: the configuration page, the compose file, and the Dockerfile's steps without a container engine."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import httpx
import pytest
import yaml
from databases import create_database
from prepared_service import Prepared, run_prepared
from registry_process import LivePublisher, RegistryProcess, free_port

from datasigil.signing import LocalSigner
from service.settings import Settings

START_SECONDS = 90


def test_the_configuration_page_names_every_setting(repository):
    page = (repository / "docs/running.md").read_text("utf-8")
    named = set(re.findall(r"`DATASIGIL_([A-Z_]+)`", page))
    assert named == {name.upper() for name in Settings.model_fields}


SERVICE_MEMBERS = {
    *("build", "cap_drop", "command", "depends_on", "environment", "healthcheck", "image", "network_mode", "ports", "profiles", "read_only"),
    *("restart", "secrets", "security_opt", "stop_grace_period", "tmpfs", "volumes"),
}  # fmt: skip
OURS = ("registry", "witness", "worker")


def test_the_compose_file_starts_what_there_is(repository):
    found = yaml.safe_load((repository / "compose.yaml").read_text("utf-8"))
    assert set(found) == {"services", "secrets", "volumes"}
    services = found["services"]
    assert set(services) == {"database", *OURS}
    for name, service in services.items():
        assert set(service) <= SERVICE_MEMBERS, (
            "a misspelled member would be refused by the engine, which is not here to say so"
        )
        assert set(service.get("secrets", [])) <= set(found["secrets"])
        assert set(service.get("depends_on", {})) <= set(services)
        for one in service.get("volumes", []):
            source = re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", one).partition(":")[0]
            assert source.startswith("./") or source in found["volumes"]
        secrets = re.findall(r"/run/secrets/(\w+)", json.dumps(service))
        assert set(secrets) == set(service["secrets"]), name
    assert {secret["file"] for secret in found["secrets"].values()} == {
        f"./secrets/{name}" for name in found["secrets"]
    }
    for name in OURS:
        service = services[name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]
    given = {key.removeprefix("DATASIGIL_").lower() for name in OURS[:2] for key in services[name]["environment"]}
    assert given <= set(Settings.model_fields)
    assert services["registry"]["ports"] == ["127.0.0.1:8080:8080"]
    stages = re.findall(r"^FROM \S+ AS (\S+)$", (repository / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert stages[-1] == "registry", "what `docker build .` makes"
    assert (
        {one["build"]["target"] for one in services.values() if "build" in one} == {"registry", "worker"} <= set(stages)
    )
    assert services["witness"]["image"] == services["registry"]["image"]


class Composed:
    """The compose file's services as processes: volumes and secrets are folders here, all services share this machine's loopback address."""

    def __init__(self, repository: Path, folder: Path, database_url: str) -> None:
        self.repository, self.folder, self.database_url = repository, folder, database_url
        self.services = yaml.safe_load((repository / "compose.yaml").read_text("utf-8"))["services"]
        self.ports = {"8080": str(free_port()), "8801": str(free_port())}
        self.running: dict[str, Prepared] = {}

    def here(self, service: str, text: str) -> str:
        """A word of a command, or a variable, with what the engine would have put into the container."""
        for one in self.services[service]["volumes"]:
            source, inside = self.interpolated(one).split(":")[:2]
            (self.folder / source).mkdir(parents=True, exist_ok=True)
            text = re.sub(rf"(?<![\w.]){inside}(?=/|$)", str(self.folder / source), text)
        text = text.replace("/run/secrets", str(self.folder / "secrets")).replace("0.0.0.0", "127.0.0.1")
        server = self.database_url.replace("postgresql+psycopg", "postgresql")
        text = text.replace("postgresql://datasigil@database/datasigil?", f"{server}&")
        return re.sub(r"\b(8080|8801)\b", lambda found: self.ports[found[1]], text)

    def interpolated(self, text: str) -> str:
        kept = self.folder / ".env"
        known = dict(line.split("=", 1) for line in kept.read_text().splitlines()) if kept.exists() else {}
        return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: known.get(found[1], found[2]), text)

    def environment(self, service: str) -> dict[str, str]:
        given = {key: self.interpolated(str(value)) for key, value in self.services[service]["environment"].items()}
        image = {
            name: f"/data/{name[4:-5].lower()}" for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME")
        }  # of the Dockerfile
        own = {key: self.here(service, value) for key, value in {**image, **given}.items()}
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), **own}

    def run(self, line: str, *more: str) -> str:
        """Do as `docker compose run --rm [--entrypoint NAME] SERVICE WORDS…` would; what it printed."""
        words = shlex.split(line.removeprefix("docker compose run --rm "))
        program = {"registry": "service", "witness": "service", "worker": "training_worker"}
        if words[0] == "--entrypoint":
            module, words = {"datasigil": "publisher_cli", "datasigil-verify": "verifier_cli"}[words[1]], words[2:]
        else:
            module = program[words[0]]
        service, words = words[0], [self.here(words[0], word) for word in [*words[1:], *more]]
        if module == "service":
            done = run_prepared(words, self.environment(service))
        else:
            done = subprocess.run(
                [sys.executable, "-m", module, *words],
                cwd=self.repository, env=self.environment(service), capture_output=True, text=True, check=False, timeout=120,
            )  # fmt: skip
        assert done.returncode == 0, (line, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout

    def up(self, service: str) -> None:
        """Start a service with its own command, or that of the image."""
        command = self.services[service].get("command")
        if command is None:
            stage = (self.repository / "Dockerfile").read_text("utf-8").partition(" AS registry")[2]
            command = yaml.safe_load(re.search(r"^CMD (\[.*\])$", stage, re.MULTILINE)[1])
        words = [self.here(service, self.interpolated(word)) for word in command]
        if service == "witness":
            words += ["--port", self.ports["8801"]]
        journal = self.folder / f"{service}.log"
        self.running[service] = Prepared(words, self.environment(service), journal, journal)
        deadline = time.monotonic() + START_SECONDS
        while service == "registry" and not ready(int(self.ports["8080"])):
            assert self.running[service].poll() is None, journal.read_text()[-3000:]
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def stop(self, *services: str) -> None:
        for name in services:
            self.running[name].terminate()
            self.running.pop(name).wait(30)


@pytest.fixture
def composed(repository, tmp_path, postgres_admin):
    made = Composed(repository, tmp_path, create_database(postgres_admin))
    yield made
    made.stop(*made.running)


@pytest.mark.slow
@pytest.mark.needs_postgres
@pytest.mark.training
def test_every_command_about_compose_works_as_written(composed, repository):
    """In the order in which a stranger reads them: the head of the file, then the page; an engine is all that is left out."""
    head = [
        line[4:] for line in (repository / "compose.yaml").read_text("utf-8").splitlines() if line.startswith("#   ")
    ]
    page = (
        (repository / "docs/running.md")
        .read_text("utf-8")
        .partition("## With compose")[2]
        .partition("## Configuration")[0]
    )
    lines = iter(
        [*head, *(line for block in re.findall(r"```\n(.*?)```", page, re.DOTALL) for line in block.splitlines())]
    )
    known: dict[str, str] = {}
    while (line := next(lines, None)) is not None:
        for name, value in known.items():
            line = re.sub(rf"\b{name}\b", value, line)
        if line.startswith(("mkdir", "echo", "chmod")):
            subprocess.run(["sh", "-c", line.partition(" && sudo")[0]], cwd=composed.folder, check=True)
        elif line.startswith("docker compose run"):
            said = composed.run(line, *(["--until-empty"] if " worker work" in line else []))
            if "registry init" in line:
                known["LOG_KEY"] = re.search(r"^log key: +(\S+)$", said, re.MULTILINE)[1]
            elif "witness init" in line:
                known["WITNESS_KEY"] = said.strip()
            elif "key new" in line:
                known["DID"] = re.search(r"did:key:\w+", said)[0]
                composed.stop("registry")
                composed.run(f"docker compose run --rm registry admin invite {known['DID']} --data-dir /data")
                composed.up("registry")
            elif "worker login" in line:
                known["BUNDLE"] = publish(composed)
        elif line.startswith(("docker compose build", "docker compose stop")):
            composed.stop("registry")
        elif "--profile witness up" in line:
            composed.stop("registry")
            composed.up("registry")
            composed.up("witness")
        elif "--profile worker up" in line:
            words = " ".join(composed.services["worker"]["command"])
            composed.run(f"docker compose run --rm worker {words}", "--until-empty")
        elif line.startswith(("docker compose up", "docker compose start")):
            composed.up("registry")
        else:
            raise AssertionError(f"no way to try: {line}")
        known.setdefault("DID", LocalSigner.generate("ed25519").controller)
    note = f"http://127.0.0.1:{composed.ports['8080']}/log/checkpoint"
    deadline = time.monotonic() + START_SECONDS
    while "\u2014 witness.localhost " not in httpx.get(note, timeout=20).text:
        assert time.monotonic() < deadline, (composed.folder / "witness.log").read_text()[-2000:]
        time.sleep(0.1)


def publish(composed: Composed) -> str:
    """Register a dataset with the worker's key, and lay its bundle where the worker's data are; its name."""
    volume = Path(composed.here("worker", "/data"))
    signer = LocalSigner.load(
        next(volume.glob("config/**/trainer.pem")), (composed.folder / "secrets/worker").read_bytes().rstrip()
    )
    publisher = LivePublisher(RegistryProcess(composed.folder / "none", port=int(composed.ports["8080"])), signer)
    document = publisher.publish()
    bundle = httpx.get(f"{publisher.registry.url}/credentials/{document['id']}/bundle", timeout=20).content
    (Path(composed.here("worker", "/datasets")) / "clauses.sigil.json").write_bytes(bundle)
    return "clauses.sigil.json"


class Build:
    """The steps of the Dockerfile, read from it, in a prefix that stands for the image's root."""

    def __init__(self, repository: Path, root: Path) -> None:
        text = (repository / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
        self.repository, self.root = repository, root
        composed = yaml.safe_load((repository / "compose.yaml").read_text("utf-8"))["services"]
        self.services = {name: one.get("command", []) for name, one in composed.items()}
        self.stages: dict[str, list[tuple[str, str]]] = {}
        for line in text.splitlines():
            if line.strip() and not line.startswith("#"):
                name, rest = line.split(None, 1)
                if name == "FROM":
                    steps = self.stages.setdefault(rest.split()[-1], [])
                steps.append((name, rest))
        self.place, self.environment = root, {"PATH": os.environ["PATH"], "HOME": str(root)}
        self.entrypoint, self.command, self.health = [], [], []

    def inside(self, path: str) -> Path:
        return self.root / path.lstrip("/") if path.startswith("/") else self.place / path

    def text(self, words: str) -> str:
        """A command with the image's folders below the prefix."""
        return re.sub(r"(?<![\w./])/(opt|src|app|data|backups)\b", lambda found: str(self.root / found[1]), words)

    def run(self, stage: str) -> None:
        """Do the steps of a stage, after those of the stages that it is made from."""
        for name, rest in self.stages[stage]:
            used = rest.split()[0] if name == "FROM" else next(iter(re.findall(r"--from=(\S+)", rest)), "")
            if used in self.stages:
                self.run(used)
            getattr(self, f"do_{name.lower()}", lambda _: None)(rest)

    def do_workdir(self, path: str) -> None:
        self.place = self.inside(path)
        self.place.mkdir(parents=True, exist_ok=True)

    def do_env(self, rest: str) -> None:
        for one in shlex.split(rest):
            key, _, value = one.partition("=")
            self.environment[key] = self.text(value).replace("$PATH", os.environ["PATH"])

    def do_copy(self, rest: str) -> None:
        if "--from" in rest:
            return  # what the build stage made lies in this prefix already
        *sources, target = rest.split()
        for source in sources:
            origin, place = self.repository / source, self.inside(target)
            if origin.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(origin, place, dirs_exist_ok=True, symlinks=True, ignore=ignored)
            else:
                shutil.copy(origin, place)

    def do_run(self, rest: str) -> None:
        if "groupadd" in rest:
            (self.root / "data").mkdir(
                mode=0o700, parents=True, exist_ok=True
            )  # users and groups are the engine's; the folder is ours
            return
        command = self.text(rest).replace("python -m venv", f"{sys._base_executable} -m venv")
        kept = {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "SSL_", "HTTPS_"))}
        for part in command.split(" && "):
            done = subprocess.run(
                ["sh", "-c", part], cwd=self.place, env={**kept, **self.environment}, capture_output=True, text=True
            )
            assert done.returncode == 0, (part, done.stdout[-2000:], done.stderr[-2000:])
            if part.endswith("-m venv " + str(self.root / "opt/worker")):
                # PyTorch is not installed once more: pip finds what this environment has.
                (packages,) = (self.root / "opt/worker/lib").glob("python3.*/site-packages")
                (packages / "here.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def do_entrypoint(self, rest: str) -> None:
        self.entrypoint = yaml.safe_load(rest)

    def do_cmd(self, rest: str) -> None:
        self.command = yaml.safe_load(self.text(rest))

    def do_healthcheck(self, rest: str) -> None:
        self.health = yaml.safe_load(rest.partition("CMD ")[2])


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_dockerfiles_steps_make_a_registry_that_runs(repository, tmp_path):
    build = Build(repository, tmp_path / "image")
    build.root.mkdir()
    build.run("registry")
    (tmp_path / "passphrase").write_text("correct horse")
    build.environment["DATASIGIL_PASSPHRASE_FILE"] = str(tmp_path / "passphrase")
    programs = build.root / "opt/venv/bin"
    program = [str(programs / build.entrypoint[0]), *build.entrypoint[1:]]
    port = free_port()
    folder = ["--data-dir", str(build.root / "data")]
    started = [*program, "init", *folder, "--public-url", f"http://127.0.0.1:{port}"]
    made = subprocess.run(started, cwd=build.place, env=build.environment, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    changed = {"8080": str(port), "0.0.0.0": "127.0.0.1"}
    command = [changed.get(word, word) for word in build.command]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*program, *command], cwd=build.place, env=build.environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not ready(port):
            assert process.poll() is None, (tmp_path / "log").read_text()[-3000:]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        check = [word.replace("8080", str(port)) for word in build.health]
        assert subprocess.run([str(programs / check[0]), *check[1:]], env=build.environment).returncode == 0
        assert httpx.get(f"http://127.0.0.1:{port}/", timeout=20).status_code == 200
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_dockerfiles_steps_make_a_worker_that_starts(repository, tmp_path):
    build = Build(repository, tmp_path / "image")
    build.run("worker")
    program = build.root / "opt/worker/bin" / build.entrypoint[0]
    assert program.read_text("utf-8").startswith("#!" + str(build.root)), (
        "the image's own, not the one of this environment"
    )
    words = build.services["worker"]
    told = subprocess.run(
        [program, "work", "--help"], cwd=build.place, env=build.environment, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    assert {word for word in words if word.startswith("--")} <= set(re.findall(r"--[a-z-]+", told.stdout))


def ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False
