"""House rules that a linter does not know: where tests lie, how long modules are, what may not be a name."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from datasigil.credentials.contexts import SCHEMAS_FOLDER

PACKAGES = ("datasigil", "verifier_cli", "publisher_cli", "training_worker", "service")
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}
LONGEST_WITHOUT_REASON = 400  # lines (house rule 6)


def modules(repository: Path) -> list[Path]:
    return [
        path
        for package in PACKAGES
        for path in sorted((repository / package).rglob("*.py"))
        if "_schemas" not in path.parts and "__pycache__" not in path.parts
    ]


def test_no_package_below_tests(repository: Path) -> None:
    assert list((repository / "tests").rglob("__init__.py")) == []


def test_every_package_folder_with_modules_is_a_package(repository: Path) -> None:
    # Alembic loads its scripts by path; a package there would be imported twice under two names.
    folders = {path.parent for path in modules(repository) if "migrations" not in path.parts}
    assert sorted(str(folder) for folder in folders if not (folder / "__init__.py").is_file()) == []


def test_no_module_is_named_after_nothing(repository: Path) -> None:
    named = [path for path in modules(repository) if {path.stem, *path.relative_to(repository).parts} & FORBIDDEN_NAMES]
    assert named == []


def test_long_modules_say_why(repository: Path) -> None:
    unexplained = []
    for path in modules(repository):
        source = path.read_text("utf-8")
        lines = source.count("\n")
        header = ast.get_docstring(ast.parse(source)) or ""
        if lines > LONGEST_WITHOUT_REASON and "400 lines" not in header:
            unexplained.append(
                f"{path.relative_to(repository)}: {lines} lines; its header must say why it is past 400 lines"
            )
    assert unexplained == []


def test_every_module_opens_with_what_lives_there(repository: Path) -> None:
    silent = [
        str(path.relative_to(repository))
        for path in modules(repository)
        if path.read_text("utf-8").strip() and not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert silent == []


def public_definitions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    found: list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            found.append(node)
            if isinstance(node, ast.ClassDef):
                found += [
                    inner
                    for inner in node.body
                    if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and not inner.name.startswith("_")
                ]
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_described(repository: Path, package: str) -> None:
    silent = []
    for path in modules(repository):
        if path.relative_to(repository).parts[0] != package or "versions" in path.parts:
            continue
        for node in public_definitions(ast.parse(path.read_text("utf-8"))):
            overload = any("overload" in ast.dump(decorator) for decorator in node.decorator_list)
            if not ast.get_docstring(node) and not overload:
                silent.append(f"{path.relative_to(repository)}:{node.lineno} {node.name}")
    assert silent == []


def test_constraints_pin_versions_and_nothing_else(repository: Path) -> None:
    for line in (repository / "constraints.txt").read_text("utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            name, separator, version = line.partition("==")
            assert separator, f"not a pin: {line!r}"
            assert "+" not in version, f"a local version exists on one index only: {line!r}"
            assert "/" not in line, f"an address: {line!r}"
            assert name.strip() == name


def test_schemas_are_reached_through_the_committed_link(repository: Path) -> None:
    assert SCHEMAS_FOLDER.resolve() == (repository / "schemas").resolve()
    link = repository / "datasigil/_schemas"  # a plain file holds the same text where git cannot make links
    text = str(link.readlink()) if link.is_symlink() else link.read_text("utf-8")
    assert text.strip() == "../schemas"


def test_a_checkout_without_symbolic_links_finds_its_schemas(repository: Path, tmp_path: Path) -> None:
    shutil.copytree(
        repository / "datasigil", tmp_path / "datasigil", ignore=shutil.ignore_patterns("_schemas", "__pycache__")
    )
    shutil.copytree(repository / "schemas", tmp_path / "schemas")
    (tmp_path / "datasigil/_schemas").write_bytes(b"../schemas")
    program = "from datasigil.credentials import contexts; contexts.check_installed(); print(contexts.SCHEMAS_FOLDER)"
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(run.stdout.strip()).resolve() == (tmp_path / "schemas").resolve()
