"""`make demo DATA=… LICENSE=…`: a user's own folder, and what a script is told when something is missing."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(900)


def tell(repository: Path, folder: Path, *more: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "examples/demo/story.py", "--folder", folder, *more],
        cwd=repository, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=800,
    )  # fmt: skip


def own_rows(count: int) -> str:
    words = {"fruit": ["apple", "pear", "plum", "cherry", "grape"], "metal": ["iron", "copper", "zinc", "tin", "lead"]}
    lines = []
    for number in range(count):
        label = ("fruit", "metal")[number % 2]
        word = words[label][number % 5]
        lines.append(json.dumps({"text": f"{number} crates of {word} were delivered on day {number}", "label": label}))
    return "\n".join(lines) + "\n"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "my own data"
    folder.mkdir()
    (folder / "rows.jsonl").write_text(own_rows(120), encoding="utf-8")
    return folder


@pytest.mark.slow
@pytest.mark.training
def test_the_story_is_told_on_a_folder_of_the_users_which_stays_as_it_was(
    repository: Path, own: Path, tmp_path: Path
) -> None:
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in own.iterdir()}
    told = tell(repository, tmp_path / "demo", "--data", own, "--license", "MIT", "--epochs", "1")
    assert told.returncode == 0, told.stdout[-5000:] + told.stderr[-3000:]
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in own.iterdir()} == before
    assert sorted(path.name for path in own.parent.iterdir()) == ["demo", "my own data"]


def test_without_a_licence_a_script_sees_the_invalid_report_and_what_is_missing(
    repository: Path, own: Path, tmp_path: Path
) -> None:
    told = tell(repository, tmp_path / "demo", "--data", own)
    assert told.returncode == 1
    assert "INVALID" in told.stdout
    assert "Missing: LICENSE" in told.stderr
    assert "make demo DATA=" in told.stderr


@pytest.mark.parametrize("kind", ["absent", "a file", "empty"])
def test_a_path_that_is_no_dataset_is_refused_with_what_was_found(repository: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "data"
    if kind == "a file":
        path.write_text("one", encoding="utf-8")
    elif kind == "empty":
        path.mkdir()
    told = tell(repository, tmp_path / "demo", "--data", path, "--license", "MIT")
    assert told.returncode == 1
    assert str(path) in told.stderr
    assert "Traceback" not in told.stderr


def test_a_folder_that_no_demo_made_is_left_alone(repository: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work", encoding="utf-8")
    told = tell(repository, precious)
    assert told.returncode == 1
    assert (precious / "thesis.txt").read_text("utf-8") == "years of work"


@pytest.mark.long
@pytest.mark.training
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("corpus", ["unfair_tos_claudette50", "multilingual_unfair_en"])
def test_the_story_is_told_on_the_two_shared_corpora(
    repository: Path, shared: Path, tmp_path: Path, corpus: str
) -> None:
    told = tell(
        repository, tmp_path / "demo", "--data", shared / "data" / corpus, "--license", "CC-BY-4.0", "--epochs", "1"
    )
    assert told.returncode == 0, told.stdout[-5000:] + told.stderr[-3000:]
    shutil.rmtree(tmp_path / "demo")
