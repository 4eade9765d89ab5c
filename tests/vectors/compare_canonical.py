"""Compare our canonical N-Quads with those of npm's jsonld and rdf-canonize on generated documents.

    python tests/vectors/compare_canonical.py [--count 10000] [--seed 1] [--write]

Needs node and npm; installs the two packages into a temporary folder. Every document goes through pyld, and through the term tables
where they answer; both must give the reference's digest. `--write` also replaces the committed subset,
tests/vectors/credentials/rdf-documents.jsonl. Exit status 1 when a digest differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path[:0] = [str(REPOSITORY), str(HERE.parent)]

from vectors.make_rdf_documents import documents  # noqa: E402 - the path above makes it importable

from datasigil.credentials.rdf import canonicalize  # noqa: E402
from datasigil.credentials.rdf_direct import canonicalize_directly  # noqa: E402
from datasigil.errors import MalformedError  # noqa: E402

PACKAGES = ("jsonld@9.0.0", "rdf-canonize@5.0.0")
COMMITTED = HERE / "credentials" / "rdf-documents.jsonl"


def reference(lines: list[str]) -> list[str]:
    """The digest, or `error: NAME`, that the JavaScript implementations give each document."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, *PACKAGES], check=True
        )
        command = ["node", HERE / "canonical_digests.mjs", folder, REPOSITORY / "schemas" / "contexts"]
        ran = subprocess.run(command, input="\n".join(lines) + "\n", capture_output=True, text=True, check=True)
    return ran.stdout.splitlines()


def ours(document: dict) -> str:
    """Our digest, or `error: CODE`."""
    try:
        return hashlib.sha256(canonicalize(document, "sha256")).hexdigest()
    except MalformedError as error:
        return f"error: {error.code}"


def main() -> int:
    """Compare and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    generated = documents(options.count, options.seed)
    lines = [json.dumps(document, ensure_ascii=False) for document in generated]
    expected = reference(lines)
    assert len(expected) == len(generated)
    counts = {
        "equal": 0,
        "different": 0,
        "both refuse": 0,
        "only the reference refuses": 0,
        "answered by the term tables": 0,
    }
    for document, wanted in zip(generated, expected, strict=True):
        found, direct = ours(document), canonicalize_directly(document, "sha256")
        counts["answered by the term tables"] += direct is not None
        refused = wanted.startswith("error")
        if refused:
            counts["both refuse" if found.startswith("error") else "only the reference refuses"] += 1
            continue
        same = found == wanted and (direct is None or hashlib.sha256(direct).hexdigest() == wanted)
        counts["equal" if same else "different"] += 1
        if not same:
            print(f"{found} instead of {wanted}: {json.dumps(document, ensure_ascii=False)}")
    print(
        f"{options.count} documents, seed {options.seed}: "
        + ", ".join(f"{number} {name}" for name, number in counts.items())
    )
    if options.write:
        rows = [
            json.dumps({"document": one, "digest": digest}, ensure_ascii=False)
            for one, digest in zip(generated, expected, strict=True)
        ]
        COMMITTED.write_text("\n".join(rows) + "\n", "utf-8")
    return 1 if counts["different"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
