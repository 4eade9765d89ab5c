"""`datasigil-train pack`: a run folder as one zip that an auditor can read without a network and check with one program.

Here: the archive, the same bytes for the same folder, and its first page. Not here: the documents (`documents`), the checks.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from datasigil.errors import DatasigilError
from datasigil.limits import GIB
from datasigil.models.companions import Shown
from datasigil.models.document import Document, Fact, Facts, Grid, Section, Text, to_html
from datasigil.models.model_folder import ModelFinding
from datasigil.report.terminal import Console, size_text
from training_worker.finished import check_run
from training_worker.run_folder import translated

INDEX, SUMS, MODEL = "index.html", "SHA256SUMS", "model/"
PACK_MAX_BYTES = 64 * GIB
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can hold: a pack says nothing about when it was made
_WHAT = {
    "README.md": "the model card for the Hugging Face Hub",
    "card.json": "the canonical card: every fact with value, source and assurance",
    "receipt.json": "what the run consumed, how it ran, what it made",
    "examples.json": "which record of which file every step consumed",
    "recipe.yaml": "the recipe as it was run",
    "mlbom.cdx.json": "CycloneDX 1.7 bill of materials",
    "model-credential.json": "the signed ModelTrainingCredential",
    "model.sigil.json": "its evidence: log proof, status, keys",
    "statements.json": "what people stated after the run",
    "release.json": "the release: which card, which reviews",
    "adapter_model.safetensors": "adapter weights",
    "head.safetensors": "classification head",
    "classifier.json": "classes, thresholds, pooling",
    "generator.json": "base model and chat template",
}
_FOLDERS = {
    "evidence/base-README.md": "what the base model's publisher says of it",
    "evidence/": "credentials of the datasets with their evidence",
    "documents/model-card": "the whole card, to read and to sign",
    "documents/annex-iv": "EU AI Act, Annex IV: a skeleton from the card",
    "documents/ab-2013": "California AB 2013: a page from the card",
    "documents/privacy-card": "what is known of persons in the data",
    "documents/mrm-memo": "model-risk memo",
    "documents/": "a document of this card",
    "reviews/void/": "a review of an earlier card; void",
    "reviews/": "a signed review of the card",
    "plots/": "plot",
}


def run(given: Namespace, console: Console) -> int:
    """Pack a run folder that holds together."""
    folder = Path(given.run_folder)
    output = Path(given.output) if given.output else folder.with_name(folder.name + ".zip")
    finding, digest = pack(folder, output)
    size = output.stat().st_size
    state = finding.shown.state if finding.shown else "draft"
    shown = {"type": "PackResult", "formatVersion": 1, "path": str(output), "sha256": digest, "byteSize": size, "state": state}  # fmt: skip
    console.result(shown, f"{output}: {size_text(size)}, {state}\nsha256 {digest}\n")
    console.say("the auditor opens index.html in it, and runs: datasigil-verify card model --offline")
    return 0


def pack(folder: Path, output: Path) -> tuple[ModelFinding, str]:
    """Write the zip in one step; returns what was found in the folder and the SHA-256 of the zip.

    Raises:
        DatasigilError: NO_RUN, OUT_EXISTS, NOT_WHOLE for a folder that does not hold together, LIMIT, DISK_FULL, UNWRITABLE.
    """
    if os.path.lexists(output):
        raise DatasigilError(
            "OUT_EXISTS", "the pack exists already", place=str(output), next_action="choose another -o"
        )
    if folder.resolve() in output.resolve().parents:
        raise DatasigilError("OUT_EXISTS", "the pack would lie inside what it packs", place=str(output), next_action="choose another -o")  # fmt: skip
    finding = check_run(folder)
    failed = next((one for one in finding.findings if one.outcome == "failed"), None)
    if finding.decision == "INVALID" or finding.shown is None:
        raise DatasigilError(
            "NOT_WHOLE", "the run folder does not hold together, so it is not packed", place=str(folder),
            found=f"{failed.name}: {failed.message}" if failed else finding.headline, next_action=f"datasigil-train card {folder}",
        )  # fmt: skip
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and not path.is_symlink())  # fmt: skip
    if sum((folder / path).stat().st_size for path in paths) > PACK_MAX_BYTES:
        raise DatasigilError("LIMIT", "the run folder is too large for a pack", place=str(folder), expected=f"at most {PACK_MAX_BYTES} bytes")  # fmt: skip
    sums = {path: _digest(folder / path) for path in paths}
    extra = {INDEX: index_page(finding, finding.shown, sums), SUMS: _sums(sums)}
    _write(folder, output, paths, extra)
    return finding, _digest(output)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sums(sums: Mapping[str, str]) -> bytes:
    return "".join(f"{digest}  {MODEL}{path}\n" for path, digest in sums.items()).encode("utf-8")


def _write(folder: Path, output: Path, paths: list[str], extra: Mapping[str, bytes]) -> None:
    part = output.with_name(f".{output.name}.partial")
    with translated(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        try:
            with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, data in extra.items():
                    archive.writestr(_info(name), data)
                for path in paths:
                    with (
                        archive.open(_info(MODEL + path), "w", force_zip64=True) as into,
                        (folder / path).open("rb") as source,
                    ):
                        while chunk := source.read(1 << 20):
                            into.write(chunk)
            part.replace(output)
        finally:
            part.unlink(missing_ok=True)


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    info.create_system = 3
    return info


def index_page(finding: ModelFinding, shown: Shown, sums: Mapping[str, str]) -> bytes:
    """Return the first page an auditor opens: what this is, how to check it, where everything lies."""
    assert finding.receipt is not None
    receipt = finding.receipt.document
    checks = [[one.name, one.outcome, one.code] for one in finding.findings]
    check = (
        "datasigil-verify card model --offline follows every fact of the card to its source, compares every document with the card "
        "byte for byte, and runs the numbered verification plan on every signed credential under your own trust file."
    )
    how = (
        "Nothing in this archive needs a network. SHA256SUMS lists every file: sha256sum -c SHA256SUMS.",
        check,
        "datasigil-train replay trains the run again from the same data and says REPRODUCED, WITHIN_TOLERANCE or DIVERGED.",
    )
    facts = [
        Fact("Model", shown.name),
        Fact("State", shown.state),
        Fact("Gate", f"{receipt['gate']['decision']} at {receipt['gate']['time']}, {receipt['gate']['scope']}, {receipt['gate']['mode']}"),
        Fact("Datasets", [one["credential"] for one in receipt["datasets"]]),
        Fact("Run", receipt["run"]["id"]),
        Fact("Facts that agree with their sources", sum(one.outcome == "passed" for one in finding.leaves)),
        Fact("Facts not provided by people", sum(one.outcome == "not_provided" for one in finding.leaves)),
    ]  # fmt: skip
    readable = [path for path in sums if path.endswith((".html", ".md", ".svg", ".json"))]
    document = Document(
        f"Audit pack: {shown.name}",
        "A trained model with its receipt, its card, the credentials it rests on and the documents made from them.",
        shown.state,
        [("Card, SHA-256", shown.card.digest), ("Receipt, SHA-256", finding.receipt.digest)],
        [
            Section("What this is", [Facts(facts)]),
            Section("Read first", [Text("Open the documents in model/documents/; each prints on A4.")]),
            Section("How to check it", [Text(line) for line in how]),
            Section("Checks when it was packed", [Grid(["Check", "Outcome", "Code"], checks, note="By digests and content, without a trust file: signatures and status are for you to check.")]),
            Section("Contents", [Grid(["File", "What it is", "SHA-256"], [[path, _what(path), digest] for path, digest in sums.items()])]),
        ],
        "This page was made when the pack was made. Only the checks that you run yourself count.",
    )  # fmt: skip
    page = to_html(document).decode("utf-8")
    for path in readable:
        page = page.replace(f"<td>{path}</td>", f'<td><a href="{MODEL}{path}">{path}</a></td>')
    return page.encode("utf-8")


def _what(path: str) -> str:
    if path in _WHAT:
        return _WHAT[path]
    return next((said for folder, said in _FOLDERS.items() if path.startswith(folder)), "a file of the model")


__all__ = ["index_page", "pack", "run"]
