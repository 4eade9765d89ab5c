r"""The exact examples of a run: which record of which file each optimisation step consumed, and the tree over them.

Here: `examples.json`, its leaves and root, and the check against a receipt. Not here: the receipt (`receipt`), who consumed them
(`training_worker/training`).

Tree: RFC 9162 section 2.1, each leaf `datasigil/example/v1\0` + JCS of the leaf object (DESIGN.md section 6).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from datasigil.canonical import jcs, sha256_hex
from datasigil.encoding import hex_digest, parse_json
from datasigil.errors import MalformedError, ManifestMismatchError
from datasigil.merkle import leaf_hash, root_of
from datasigil.models.form import check_form, wrong_form
from datasigil.record import dataclass

if TYPE_CHECKING:
    from datasigil.encoding import JsonValue
    from datasigil.models.receipt import Receipt

EXAMPLES_TYPE = "TrainingExamples"
EXAMPLES_FORMAT_VERSION = 1
EXAMPLES_MAX_BYTES = 256 * 1024 * 1024

_LEAF_PREFIX = b"datasigil/example/v1\0"


def example_leaf(credential_digest: str, path_digest: str, record: int, transform_digest: str, step: int) -> bytes:
    """Return the RFC 9162 leaf hash of one example that one optimisation step consumed.

    `path_digest` is SHA-256 over the file's UTF-8 path; `record` counts from 0 within the file; `step` from 0 in the run.
    """
    leaf = {
        "credentialDigest": credential_digest,
        "pathDigest": path_digest,
        "recordIndex": record,
        "step": step,
        "transformDigest": transform_digest,
    }
    return leaf_hash(_LEAF_PREFIX + jcs(leaf))


def examples_root(leaves: Iterable[bytes]) -> str:
    """Return the tree's root as 64 hexadecimal digits; an empty tree is refused.

    Raises:
        MalformedError: EMPTY, when no example was used.
    """
    hashes = list(leaves)
    if not hashes:
        raise MalformedError("EMPTY", "a run that used no example has no tree")
    return root_of(hashes).hex()


@dataclass(frozen=True, slots=True)
class ExampleList:
    """Which record of which file each step consumed, in order; the preimage of the examples root."""

    transform_digest: str
    files: tuple[tuple[str, str], ...]  # (credential digest, path)
    steps: tuple[tuple[tuple[int, int], ...], ...]  # per step: (file number, record index)

    def leaves(self) -> Iterable[bytes]:
        """Yield the leaf hash of every example, step by step, in batch order."""
        heads = [(credential, sha256_hex(path.encode("utf-8"))) for credential, path in self.files]
        for step, examples in enumerate(self.steps):
            for file, record in examples:
                credential, path = heads[file]
                yield example_leaf(credential, path, record, self.transform_digest, step)

    def to_bytes(self) -> bytes:
        """Return the canonical bytes of `examples.json`; each step is a flat array of file and record numbers in turn."""
        return jcs(
            {
                "type": EXAMPLES_TYPE,
                "formatVersion": EXAMPLES_FORMAT_VERSION,
                "transformDigest": self.transform_digest,
                "files": [{"credentialDigest": credential, "path": path} for credential, path in self.files],
                "steps": [[number for example in step for number in example] for step in self.steps],
            }
        )


def parse_example_list(data: bytes) -> ExampleList:
    """Parse `examples.json`.

    Raises:
        MalformedError: the parser's codes, SCHEMA or VERSION.
    """
    document = parse_json(data, max_bytes=EXAMPLES_MAX_BYTES)
    if not isinstance(document, dict) or set(document) != {
        "type",
        "formatVersion",
        "transformDigest",
        "files",
        "steps",
    }:
        raise MalformedError("SCHEMA", "not an example list", expected=EXAMPLES_TYPE)
    if document["type"] != EXAMPLES_TYPE or document["formatVersion"] != EXAMPLES_FORMAT_VERSION:
        raise MalformedError("VERSION", "an unknown kind or version of example list", place="/formatVersion")
    hex_digest(document["transformDigest"], place="/transformDigest")
    files: JsonValue = document["files"]
    check_form(files, [(("credentialDigest", "digest", True), ("path", "text", True))], "/files")
    steps: JsonValue = document["steps"]
    if not isinstance(steps, list):
        raise wrong_form("/steps", "an array", steps)
    return ExampleList(
        document["transformDigest"],
        tuple((entry["credentialDigest"], entry["path"]) for entry in files),
        tuple(_step(step, len(files), f"/steps/{number}") for number, step in enumerate(steps)),
    )


def _step(step: JsonValue, files: int, place: str) -> tuple[tuple[int, int], ...]:
    if not isinstance(step, list) or len(step) % 2 or not step:
        raise wrong_form(place, "an even number of whole numbers", step)
    for number in step:
        if type(number) is not int or number < 0:
            raise wrong_form(place, "whole numbers of at least 0", number)
    pairs = tuple(zip(step[::2], step[1::2], strict=True))
    if any(file >= files for file, _ in pairs):
        raise wrong_form(place, f"file numbers below {files}", step)
    return pairs


def check_examples(receipt: Receipt, examples: ExampleList) -> None:
    """Check that an example list is the preimage of the receipt's examples root.

    Raises:
        ManifestMismatchError: EXAMPLES, with what differs.
    """
    training = receipt.document["training"]
    leaves = list(examples.leaves())
    root = examples_root(leaves)
    found = (len(examples.steps), len(leaves), root)
    expected = (training["steps"], training["examples"], training["examplesRoot"])
    if found != expected:
        raise ManifestMismatchError(
            "EXAMPLES",
            "the example list is not the one the receipt's root was taken over",
            expected="steps {}, examples {}, root {}".format(*expected),
            found="steps {}, examples {}, root {}".format(*found),
        )


__all__ = [
    "ExampleList",
    "check_examples",
    "example_leaf",
    "examples_root",
    "parse_example_list",
]
