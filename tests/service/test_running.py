"""What operators are told is what there is: the configuration page, the compose file, and the Dockerfile's steps without a container engine."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml
from registry_process import free_port

from service.settings import Settings

START_SECONDS = 90


def test_the_configuration_page_names_every_setting(repository):
    page = (repository / "docs/running.md").read_text("utf-8")
    named = set(re.findall(r"`DATASIGIL_([A-Z_]+)`", page))
    assert named == {name.upper() for name in Settings.model_fields}


def test_the_compose_file_starts_what_there_is(repository):
    found = yaml.safe_load((repository / "compose.yaml").read_text("utf-8"))
    assert set(found["services"]) == {"database", "registry", "witness"}
    for name in ("registry", "witness"):
        service = found["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        given = {key.removeprefix("DATASIGIL_").lower() for key in service["environment"]}
        assert given <= set(Settings.model_fields)
        assert set(service["secrets"]) <= set(found["secrets"])
    flags = [word for word in found["services"]["witness"]["command"] if word.startswith("--")]
    told = subprocess.run(
        [sys.executable, "-m", "service", "witness", "--help"], capture_output=True, text=True, check=True
    )
    assert all(flag in told.stdout for flag in flags)
    assert found["services"]["registry"]["ports"] == ["127.0.0.1:8080:8080"]


class Build:
    """The steps of the Dockerfile, read from it, in a prefix that stands for the image's root."""

    def __init__(self, repository: Path, root: Path) -> None:
        text = (repository / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
        self.repository, self.root = repository, root
        self.steps = [line.split(None, 1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
        self.place, self.environment = root, {"PATH": os.environ["PATH"], "HOME": str(root)}
        self.entrypoint, self.command, self.health = [], [], []

    def inside(self, path: str) -> Path:
        return self.root / path.lstrip("/") if path.startswith("/") else self.place / path

    def text(self, words: str) -> str:
        """A command with the image's folders below the prefix."""
        return re.sub(r"(?<![\w./])/(opt|src|app|data)\b", lambda found: str(self.root / found[1]), words)

    def run(self) -> None:
        for name, rest in self.steps:
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
            (self.root / "data").mkdir(mode=0o700)  # users and groups are the engine's; the folder is ours
            return
        command = self.text(rest).replace("python -m venv", f"{sys._base_executable} -m venv")
        kept = {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "SSL_", "HTTPS_"))}
        done = subprocess.run(
            ["sh", "-c", command], cwd=self.place, env={**kept, **self.environment}, capture_output=True, text=True
        )
        assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])

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
    build.run()
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


def ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False
