"""The story of the demo as one end-to-end test against real processes, and the pages it leaves as a browser sees them.

The same program that `make demo` runs, with a shorter training (docs/adr/0003). What it left behind is then looked at here
with nothing of datasigil: JSON, Ed25519, SHA-256.
"""

import base64
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import absent

pytestmark = [pytest.mark.training, pytest.mark.timeout(900)]
CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def told(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Tell the story once; return its folder and what it said."""
    folder = tmp_path_factory.mktemp("story") / "a folder with spaces"
    environment = {name: value for name, value in os.environ.items() if name not in {"DATA", "LICENSE"}}
    story = subprocess.run(
        [sys.executable, "examples/demo/story.py", "--folder", folder, "--epochs", "1"],
        cwd=repository,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=800,
    )
    assert story.returncode == 0, story.stdout[-6000:] + story.stderr[-3000:]
    return folder, story.stdout


def read(path: Path) -> dict[str, Any]:
    document = json.loads(path.read_text("utf-8"))
    assert isinstance(document, dict)
    return document


def model_credential(folder: Path) -> dict[str, Any]:
    for path in sorted((folder / "run").rglob("*.json")):
        document = json.loads(path.read_text("utf-8"))
        if isinstance(document, dict) and "ModelTrainingCredential" in document.get("type", ()):
            return document
        if isinstance(document, dict) and document.get("type") == "EvidenceBundle":
            inner = document["credential"]
            if "ModelTrainingCredential" in inner["type"]:
                return dict(inner)
    raise AssertionError("the run folder holds no ModelTrainingCredential")


def test_all_seven_acts_are_told(told: tuple[Path, str]) -> None:
    _, said = told
    assert [number for number in range(1, 8) if f"── {number} of 7" not in said] == []
    assert "what lies where" in said


def test_every_shown_command_is_one_of_ours(told: tuple[Path, str]) -> None:
    shown = re.findall(r"^  \$ (?:unshare(?: --[a-z-]+)* )?(\S+)", told[1], flags=re.MULTILINE)
    assert len(shown) >= 20
    assert set(shown) == {"datasigil", "datasigil-verify", "datasigil-train", "python"}


def test_the_manifest_lists_the_files_with_digests_that_anybody_can_compute(told: tuple[Path, str]) -> None:
    folder, _ = told
    bundle = read(folder / "developer/contract-clauses.sigil.json")
    data = folder / "data/contract-clauses"
    listed = {entry["path"]: entry["sha256"] for entry in bundle["manifest"]["entries"]}
    found = {
        path.relative_to(data).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in data.rglob("*")
        if path.is_file() and ".datasigil" not in path.parts
    }
    assert listed == found


def test_the_model_credential_cites_the_dataset_credential_and_the_files_of_the_run(told: tuple[Path, str]) -> None:
    folder, _ = told
    dataset = read(folder / "credential.json")
    subject = model_credential(folder)["credentialSubject"]
    cited = {entry["credential"] for entry in subject["trainingData"]}
    assert cited == {dataset["id"]}
    assert {entry["root"] for entry in subject["trainingData"]} == {dataset["credentialSubject"]["manifest"]["root"]}
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / "run").rglob("*") if path.is_file()}
    assert subject["weights"]["sha256"] in digests
    assert subject["receiptDigest"] in digests
    assert subject["cardDigest"] in digests


def test_the_adapter_is_safetensors_and_nothing_is_a_pickle(told: tuple[Path, str]) -> None:
    run = told[0] / "run"
    names = [path.name for path in run.rglob("*") if path.is_file()]
    assert any(name.endswith(".safetensors") for name in names)
    assert [name for name in names if name.endswith((".pt", ".pth", ".bin", ".pkl", ".pickle"))] == []


def test_the_card_has_the_front_matter_that_a_hub_reads_and_names_its_sources(told: tuple[Path, str]) -> None:
    card = (told[0] / "run/README.md").read_text("utf-8")
    assert card.startswith("---\n")
    assert read(told[0] / "credential.json")["id"] in card
    assert "NOT PROVIDED" in card
    assert "macro" in card.casefold()


def test_the_run_left_no_secret_and_no_snapshot_behind(told: tuple[Path, str]) -> None:
    folder, said = told
    secrets = [path.read_text("utf-8").strip() for path in folder.rglob("*passphrase") if path.is_file()]
    assert len(secrets) == 4
    shown = said + "".join(
        path.read_text("utf-8", errors="replace")
        for path in folder.rglob("*")
        if path.is_file() and "passphrase" not in path.name and path.stat().st_size < 4_000_000
    )
    assert [secret for secret in secrets if secret in shown] == []
    keys = list(folder.rglob("*.pem"))
    assert keys
    assert [path for path in keys if path.stat().st_mode & 0o077] == []


@pytest.fixture(scope="module")
def served(told: tuple[Path, str], repository: Path) -> Iterator[str]:
    """Serve the registry again on what the story left, as `make serve` does; return its address."""
    port = json.loads((told[0] / "registry.json").read_text("utf-8"))["port"]
    address = f"http://127.0.0.1:{port}"
    log = told[0] / "served.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "examples/demo/serve.py", "--folder", told[0]],
            cwd=repository,
            stdout=stream,
            stderr=stream,
        )
    try:
        for _ in range(200):
            try:
                get(f"{address}/readyz")
                break
            except OSError:
                assert process.poll() is None, log.read_text("utf-8")
                import time

                time.sleep(0.1)
        yield address
    finally:
        process.send_signal(2)
        process.wait(timeout=30)


def get(url: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as reply:
        return bytes(reply.read())


def test_the_served_log_holds_issue_model_and_revocation(told: tuple[Path, str], served: str) -> None:
    note = get(f"{served}/log/checkpoint").decode("utf-8").splitlines()
    assert note[0].endswith("/log")
    assert int(note[1]) >= 3
    assert len(base64.b64decode(note[2], validate=True)) == 32


def test_lookup_finds_the_dataset_by_the_digest_of_one_of_its_files(told: tuple[Path, str], served: str) -> None:
    dataset = read(told[0] / "credential.json")
    digest = dataset["credentialSubject"]["manifest"]["digest"]
    assert dataset["id"] in get(f"{served}/lookup?sha256={digest}").decode("utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Start Chromium, or skip."""
    if importlib.util.find_spec("playwright") is None or not CHROMIUM.exists():
        absent("Chromium (/usr/bin/chromium) with playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                  "--disable-background-networking", "--disable-component-update", "--disable-sync"],
        )  # fmt: skip
        yield started
        started.close()


@pytest.mark.needs_chromium
def test_a_visitor_finds_the_dataset_sees_it_revoked_and_follows_it_to_the_model(
    told: tuple[Path, str], served: str, browser: Any
) -> None:
    page = browser.new_page()
    problems: list[str] = []
    elsewhere: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("request", lambda request: elsewhere.append(request.url) if not request.url.startswith(served) else None)
    page.goto(served + "/")
    page.fill("input[type=search]", "clauses")
    page.press("input[type=search]", "Enter")
    page.wait_for_load_state()
    link = page.locator("a[href*='/datasets/']").first
    name = link.inner_text()
    link.click()
    page.wait_for_load_state()
    text = page.inner_text("body")
    assert name in text
    assert "revoked" in text.casefold()
    assert "CC-BY-4.0" in text
    page.locator("a[href*='/models/']").first.click()
    page.wait_for_load_state()
    assert model_credential(told[0])["credentialSubject"]["name"] in page.inner_text("body")
    page.goto(served + "/log/")
    assert "revoke" in page.inner_text("body").casefold()
    assert problems == []
    assert elsewhere == []


@pytest.mark.needs_chromium
def test_the_badge_is_a_picture_that_says_revoked(told: tuple[Path, str], served: str, browser: Any) -> None:
    identity = read(told[0] / "credential.json")["id"]
    page = browser.new_page()
    page.goto(f"{served}/badge/{identity}.svg")
    assert "revoked" in page.locator("svg").text_content().casefold()


@pytest.mark.needs_chromium
def test_pages_fit_a_narrow_screen(served: str, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 720})
    for path in ("/", "/log/"):
        page.goto(served + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_second_demo_in_the_same_folder_refuses_while_the_registry_is_served(
    told: tuple[Path, str], served: str, repository: Path
) -> None:
    again = subprocess.run(
        [sys.executable, "examples/demo/story.py", "--folder", told[0]],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 1
    assert served in again.stderr
    assert (told[0] / "credential.json").is_file()
