"""What README and docs tell people to type exists, and every command's help shows an example."""

import contextlib
import functools
import importlib
import io
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = {
    "datasigil": "publisher_cli.main",
    "datasigil-verify": "verifier_cli.main",
    "datasigil-train": "training_worker.main",
}
PROGRAMS = tuple(MODULES)
DOCUMENTS = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


@functools.cache
def help_of(*command: str) -> str:
    """Return the help text of a command, run within this process; empty where there is no such command."""
    if command[0] in PROGRAMS:
        module, arguments = MODULES[command[0]], command[1:]
    else:  # python -m service …
        module, arguments = "service.__main__", command[3:]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        try:
            code = importlib.import_module(module).main([*arguments, "--help"])
        except SystemExit as end:
            code = end.code
    return said.getvalue() if code == 0 else ""


def typed_lines(document: Path) -> Iterator[str]:
    """Yield the lines of a document's sh blocks, joined where they end in a backslash."""
    for block in re.findall(r"^```sh\n(.*?)^```", document.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            yield line.split("  #")[0].strip()


def commands() -> list[tuple[str, tuple[str, ...]]]:
    """Return (document, words) of every command of ours."""
    found = []
    for document in DOCUMENTS:
        for line in typed_lines(document):
            words = tuple(shlex.split(line, comments=True))
            if words and (words[0] in PROGRAMS or words[:3] == ("python", "-m", "service")):
                found.append((document.name, words))
    return found


def subcommands(*command: str) -> list[tuple[str, ...]]:
    """Return every subcommand below a command, itself included, read off argparse's help."""
    found = [command]
    listed = re.search(r"\{([a-z0-9,-]+)\}", help_of(*command).split("options:")[0])
    for name in listed.group(1).split(",") if listed else []:
        if help_of(*command, name) != help_of(*command):  # else a choice of values, as of shells
            found += subcommands(*command, name)
    return found


def test_documents_show_commands_of_every_program() -> None:
    assert {words[0] for _, words in commands()} >= set(PROGRAMS)


@pytest.mark.parametrize(
    ("document", "words"), commands(), ids=lambda value: value if isinstance(value, str) else " ".join(value)
)
def test_a_shown_command_exists_with_its_options(document: str, words: tuple[str, ...]) -> None:
    start = 3 if words[0] == "python" else 1
    chain = words[:start]
    assert help_of(*chain), f"{document} names {' '.join(chain)}, which does not run"
    for word in words[start:]:
        deeper = help_of(*chain, word) if re.fullmatch(r"[a-z][a-z0-9-]*", word) else ""
        if not deeper or deeper == help_of(*chain):
            break
        chain = (*chain, word)
    assert len(chain) > start, f"{document}: {' '.join(words)} names no command of {words[0]}"
    for word in words[len(chain) :]:
        if word == "--":
            break
        if word.startswith("-"):
            option = word.split("=")[0]
            assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", help_of(*chain)), (
                f"{document}: {' '.join(chain)} has no {option}"
            )


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_help_text_shows_an_example(program: str) -> None:
    silent = [" ".join(command) for command in subcommands(program) if "example" not in help_of(*command).casefold()]
    assert silent == []


def test_the_service_describes_its_commands_with_an_example() -> None:
    assert "example" in help_of("python", "-m", "service").casefold()


def test_make_targets_that_documents_name_exist() -> None:
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    for document in DOCUMENTS:
        for line in typed_lines(document):
            if line.startswith("make "):
                assert re.search(rf"^{re.escape(line.split()[1])}:", makefile, flags=re.MULTILINE), (
                    f"{document.name}: {line}"
                )


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for document in [*DOCUMENTS, REPOSITORY / "SECURITY.md", *sorted((REPOSITORY / "docs/adr").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", document.read_text("utf-8")):
            if not (document.parent / target).exists():
                broken.append(f"{document.name}: {target}")
    assert broken == []


def test_no_committed_text_names_a_machine_path() -> None:
    listed = (
        subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=False)
        .stdout.decode()
        .split("\0")
    )
    named = []
    for name in filter(None, listed):
        path = REPOSITORY / name
        if (
            path.is_file()
            and not path.is_symlink()
            and path.suffix in {".py", ".md", ".toml", ".txt", ".yml", ".json", ""}
        ):
            text = path.read_bytes()
            if re.search(rb"/(?:work|root|home)/(?:main|shared|plan|\.library|\.pyenv)", text):
                named.append(name)
    assert named == [name for name in named if name == "tests/house/test_documents.py"]
