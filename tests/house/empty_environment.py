"""Run by the Python of an empty environment that holds the wheel and its base dependencies: verify a frozen bundle there.

Usage: PYTHON tests/house/empty_environment.py BUNDLE TRUST_FILE DATA_FOLDER TIME
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

NOT_IN_THE_BASE = {
    "torch",
    "transformers",
    "pydantic",
    "fastapi",
    "sqlmodel",
    "sqlalchemy",
    "jsonschema",
    "pytest",
    "numpy",
}


def check(bundle: str, policy: str, data: Path, at: str) -> tuple[int, dict[str, object]]:
    """Run `datasigil-verify check` on the frozen bundle and return exit code and report."""
    script = Path(sys.executable).parent / "datasigil-verify"
    explain = [script, "policy", "explain", "--policy", policy, "--json"]
    explained = subprocess.run(explain, capture_output=True, text=True, check=True)
    pin = json.loads(explained.stdout)["digest"]  # in CI a trust file of the commit must be pinned
    command = [
        script,
        "check",
        bundle,
        "--data",
        data,
        "--policy",
        policy,
        "--policy-digest",
        pin,
        "--offline",
        "--at",
        at,
        "--json",
    ]
    unshare = shutil.which("unshare")
    jail = (
        [unshare, "--net"]
        if unshare and subprocess.run([unshare, "--net", "true"], check=False).returncode == 0
        else []
    )
    with tempfile.TemporaryDirectory() as memory:  # not what the machine's user has seen of other logs
        environment = {**os.environ, "XDG_STATE_HOME": memory, "XDG_CONFIG_HOME": memory}
        ran = subprocess.run([*jail, *command], env=environment, capture_output=True, text=True, check=False)
    try:
        return ran.returncode, json.loads(ran.stdout)
    except ValueError:
        raise SystemExit(f"no report on stdout (exit {ran.returncode}): {ran.stdout}{ran.stderr}") from None


def main() -> None:
    """Check the environment, then the bundle whole, then with one byte of the data changed."""
    bundle, policy, folder, at = sys.argv[1:]
    installed = {distribution.metadata["Name"].lower() for distribution in metadata.distributions()}
    assert not installed & NOT_IN_THE_BASE, f"not an empty environment: {sorted(installed & NOT_IN_THE_BASE)}"

    import datasigil

    assert Path(str(datasigil.__file__)).is_relative_to(sys.prefix), f"found {datasigil.__file__} instead of the wheel"

    code, report = check(bundle, policy, Path(folder), at)
    assert (code, report.get("decision"), report.get("scope")) == (0, "VALID", "all files"), report

    with tempfile.TemporaryDirectory() as scratch:
        tampered = Path(scratch) / "data"
        shutil.copytree(folder, tampered)
        victim = min(path for path in tampered.rglob("*") if path.is_file())
        victim.write_bytes(victim.read_bytes()[:-1] + b"\x00")
        code, report = check(bundle, policy, tampered, at)
        assert (code, report["decision"]) == (1, "INVALID"), report
    print(f"verified in an empty environment of {len(installed)} distributions: VALID, and INVALID with a byte changed")


if __name__ == "__main__":
    main()
