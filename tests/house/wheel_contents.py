"""Check what a wheel holds: the four packages and the schemas as real files, and nothing else.

Usage: python tests/house/wheel_contents.py WHEEL
"""

import sys
import zipfile
from pathlib import Path

PACKAGES = {"datasigil", "verifier_cli", "publisher_cli", "training_worker"}
SCRIPTS = {
    "datasigil = publisher_cli.main:main",
    "datasigil-verify = verifier_cli.main:program",
    "datasigil-train = training_worker.main:main",
}


def faults(wheel: Path) -> list[str]:
    """Return what is wrong with the wheel, in words."""
    found = []
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
        if tops != PACKAGES:
            found.append(f"top-level names: expected {sorted(PACKAGES)}, found {sorted(tops)}")
        tree = Path(__file__).resolve().parents[2] / "schemas"
        for path in sorted(tree.rglob("*.json*")):
            inside = f"datasigil/_schemas/{path.relative_to(tree).as_posix()}"
            if inside not in names:
                found.append(f"missing: {inside}")
            elif archive.read(inside) != path.read_bytes():
                found.append(f"differs from the tree: {inside}")
        entry_points = [name for name in names if name.endswith(".dist-info/entry_points.txt")]
        text = archive.read(entry_points[0]).decode() if entry_points else ""
        found += [f"missing console script: {script}" for script in SCRIPTS if script not in text]
        if "datasigil/py.typed" not in names:
            found.append("missing: datasigil/py.typed")
        if not any(name.endswith("licenses/LICENSE") for name in names):
            found.append("missing: the licence text")
        found += [f"does not belong in a wheel: {name}" for name in names if "__pycache__" in name or "/tests/" in name]
    return found


def main() -> int:
    """Print the faults and exit 1 if there are any."""
    wheel = Path(sys.argv[1])
    found = faults(wheel)
    for fault in found:
        print(f"{wheel.name}: {fault}", file=sys.stderr)
    if not found:
        print(f"{wheel.name}: {wheel.stat().st_size // 1024} KiB, four packages, schemas as files")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
