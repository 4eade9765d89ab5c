"""One verdict over a run folder: receipt, artefacts, evidence, card, Markdown and the signed model credential hold together.

Here: `check_model`, which `datasigil-verify card MODEL_DIR` and `datasigil-train card` show. Not here: reading disks (files are
handed in as a manifest and a reader), fetching, retraining (`datasigil-train replay`).

What VALID means: every file is the one the receipt names, every leaf of the card says what its source says, every cited
credential is VALID under the reader's policy now, and the model credential is about exactly this receipt and card.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from datasigil.bundle import MANIFEST_SUFFIX, SUFFIX, Bundle, bundle_bytes, parse_bundle
from datasigil.canonical import document_digest
from datasigil.credentials.types import parse_credential
from datasigil.encoding import parse_json
from datasigil.errors import DatasigilError, MalformedError
from datasigil.models.card import CardEvidence, LeafFinding, ModelCard, check_card, parse_card
from datasigil.models.companions import FOLDER as DOCUMENTS
from datasigil.models.companions import Shown, documents
from datasigil.models.examples import check_examples, parse_example_list
from datasigil.models.folder_checks import FolderChecks, Read
from datasigil.models.mlbom import FILE as MLBOM
from datasigil.models.mlbom import render_mlbom
from datasigil.models.model_finding import UNDETERMINED, Finding, ModelFinding
from datasigil.models.readme import render_readme
from datasigil.models.receipt import Receipt, parse_receipt
from datasigil.models.related import bundles_by_digest
from datasigil.models.release import RELEASE, Release, check_release, parse_release
from datasigil.models.reviews import REVIEWS, VOID, Review, check_review, parse_review
from datasigil.models.statements import parse_statements

if TYPE_CHECKING:
    from datasigil.datasets.entry import Manifest
    from datasigil.transparency.client_state import ClientState
    from datasigil.trust.policy import TrustPolicy

RECEIPT, CARD, README, EXAMPLES = "receipt.json", "card.json", "README.md", "examples.json"
CREDENTIAL, BUNDLE, RECIPE, BASE_README = (
    "model-credential.json",
    "model.sigil.json",
    "recipe.yaml",
    "evidence/base-README.md",
)
STATEMENTS = "statements.json"
_VOUCHED_ELSEWHERE = frozenset(
    {RECEIPT, CARD, README, CREDENTIAL, BUNDLE, RECIPE, BASE_README, STATEMENTS, MLBOM, RELEASE}
)
_CREDENTIAL_SUFFIX = ".credential.json"


class _Folder(FolderChecks):
    """The checks of a run's folder."""

    def __init__(self, *folder: Any, offline: bool) -> None:
        super().__init__(*folder, offline=offline)
        self.bundles: dict[str, Bundle] = {}  # of the datasets, and those inside them, by their credential's digest

    @property
    def pictures(self) -> frozenset[str]:
        """The plots in the folder; the receipt vouches for them as artefacts."""
        return frozenset(path for path in self.digests if path.startswith("plots/"))

    def artefacts(self, receipt: Receipt) -> None:
        """Compare every produced file with the receipt, and refuse files that nothing vouches for."""
        for path, digest in receipt.artefacts.items():
            if self.digests.get(path) != digest:
                raise DatasigilError(
                    "FILE_DIGEST",
                    "a file of the model is not the one in the receipt",
                    place=path,
                    expected=digest,
                    found=self.digests.get(path, "no file"),
                )
        known = {*receipt.artefacts, *_VOUCHED_ELSEWHERE} | {
            dataset["evidence"] for dataset in receipt.document["datasets"]
        }
        known |= {name.removesuffix(SUFFIX) + MANIFEST_SUFFIX for name in known if name.startswith("evidence/")}
        for path in self.digests:
            # Documents are compared with the card below, reviews are read one by one; both may come after the receipt.
            if path not in known and not path.startswith((DOCUMENTS, REVIEWS)):
                raise DatasigilError("EXTRA_FILE", "nothing vouches for a file in the run folder", place=path)

    def evidence(self, receipt: Receipt) -> dict[str, Mapping[str, Any]]:
        """Return the datasets' credentials, each being the one the receipt names, and all others in their evidence, by digest."""
        for dataset in receipt.document["datasets"]:
            name = dataset["evidence"]
            if self.digests.get(name) != dataset["evidenceDigest"]:
                raise DatasigilError("FILE_DIGEST", "the evidence is not the one the gate read", place=name)
            bundle = parse_bundle(self.read(name))
            credential = bundle.credential
            if (
                document_digest(credential) != dataset["credentialDigest"]
                or credential.get("id") != dataset["credential"]
            ):
                raise DatasigilError(
                    "OTHER_CREDENTIAL", "the evidence holds another credential than the receipt names", place=name
                )
            self.bundles |= bundles_by_digest(bundle)
        return {digest: bundle.credential for digest, bundle in self.bundles.items()}

    def check_cited(self, receipt: Receipt, leaves: Iterable[LeafFinding]) -> None:
        """Run the plan on every credential that a fact cites and that is not a dataset's own: audits, grants, lineage."""
        own = {dataset["credentialDigest"] for dataset in receipt.document["datasets"]}
        cited = {one.leaf.source.partition("#")[0].removeprefix("credential:sha256:") for one in leaves}
        for digest in sorted((cited & set(self.bundles)) - own):
            self.note(f"cited credential {digest[:12]}", self.verified(bundle_bytes(self.bundles[digest])), digest)

    def reviews(self, card: ModelCard) -> tuple[Review, ...]:
        """Return the reviews of this very card; a review of another card is a finding, one that was set aside as void is not."""
        found = []
        for name in sorted(self.digests):
            if name.startswith(REVIEWS) and not name.startswith(VOID):
                review = self.check(f"review in {name}", partial(self._review, name, card))
                if review is not None:
                    found.append(review)
        return tuple(found)

    def _review(self, name: str, card: ModelCard) -> Review:
        if not name.endswith((SUFFIX, _CREDENTIAL_SUFFIX)):
            raise DatasigilError("EXTRA_FILE", "nothing vouches for a file in the run folder", place=name)
        review = parse_review(self.read(name), name)
        check_review(review, card)
        return review

    def model_credential(self, receipt: Receipt, card: ModelCard) -> None:
        """Check that the model credential is about this receipt, this card and these artefacts."""
        document = parse_json(self.read(CREDENTIAL))
        if BUNDLE in self.digests and parse_bundle(self.read(BUNDLE)).credential != document:
            raise DatasigilError("OTHER_CREDENTIAL", "the bundle holds another model credential", place=BUNDLE)
        subject = parse_credential(document).subject
        expected = {
            "receiptDigest": receipt.digest,
            "cardDigest": card.digest,
            "configDigest": receipt.document["recipe"]["digest"],
            "examplesRoot": receipt.document["training"]["examplesRoot"],
        }
        for key, value in expected.items():
            if subject.get(key) != value:
                raise DatasigilError(
                    "MODEL_BINDING",
                    "the signed model credential is about another run",
                    place=f"{CREDENTIAL}: {key}",
                    expected=value,
                    found=str(subject.get(key)),
                )
        weights = subject["weights"]
        if (
            weights["root"] != receipt.document["artefacts"]["root"]
            or weights["sha256"] not in receipt.artefacts.values()
        ):
            raise DatasigilError(
                "MODEL_BINDING", "the signed model credential names other weights", place=f"{CREDENTIAL}: weights"
            )


def check_model(
    manifest: Manifest,
    read: Read,
    *,
    at: datetime,
    policy: TrustPolicy | None = None,
    offline: bool = True,
    state: ClientState | None = None,
) -> ModelFinding:
    """Check a run folder whose files `manifest` lists and `read` returns; bad content is a finding, never an exception.

    Without `policy` the cited credentials are compared by digest and content alone, and nothing is said about signatures or
    status. `at` is an aware UTC time.
    """
    folder = _Folder(manifest, read, policy, at, state, offline=offline)
    receipt: Receipt | None = folder.check("receipt", lambda: parse_receipt(folder.read(RECEIPT)))
    card: ModelCard | None = folder.check("card", lambda: parse_card(folder.read(CARD)))
    if receipt is None or card is None:
        return ModelFinding(tuple(folder.findings), (), folder.reports, receipt, card)
    known = receipt
    folder.check("card is about this receipt", lambda: _same(card, known))
    folder.check("recipe in the receipt", lambda: _recipe(known))
    folder.check("files of the model", lambda: folder.artefacts(known))
    folder.check("examples", lambda: check_examples(known, parse_example_list(folder.read(EXAMPLES))))
    credentials = folder.check("evidence", lambda: folder.evidence(known)) or {}
    statements = (
        folder.check("statements", lambda: parse_statements(folder.read(STATEMENTS)))
        if STATEMENTS in folder.digests
        else ()
    )
    reviews = folder.reviews(card)
    release: Release | None = None
    if RELEASE in folder.digests:
        release = folder.check("release", lambda: _release(folder, known, card, reviews))
    shown = Shown(card, reviews, release.time if release else "", folder.pictures)
    folder.check("documents are the card", lambda: _rendered(folder, shown))
    files = {}
    if BASE_README in folder.digests:
        files[folder.digests[BASE_README]] = folder.read(BASE_README)
    leaves = check_card(card, CardEvidence(known.document, credentials, files, statements or ()))
    if policy is not None:
        for review in reviews:
            if review.file.endswith(SUFFIX):
                folder.check_verified(review.file, "DatasetAuditCredential")
            else:
                folder.findings.append(
                    Finding(
                        f"credential in {review.file}",
                        UNDETERMINED,
                        "LOG_PROOF_MISSING",
                        "the review is signed but was not registered",
                        review.file,
                    )
                )
        for dataset in known.document["datasets"]:
            folder.check_verified(dataset["evidence"], "DatasetCredential")
        folder.check_cited(known, leaves)
    if CREDENTIAL in folder.digests:
        folder.check("model credential", lambda: folder.model_credential(known, card))
        if policy is not None and BUNDLE in folder.digests:
            folder.check_verified(BUNDLE, "ModelTrainingCredential")
    return ModelFinding(tuple(folder.findings), leaves, folder.reports, receipt, card, shown)


def _release(folder: _Folder, receipt: Receipt, card: ModelCard, reviews: tuple[Review, ...]) -> Release:
    release = parse_release(folder.read(RELEASE))
    check_release(release, receipt, card, reviews)
    return release


def _same(card: ModelCard, receipt: Receipt) -> None:
    if card.document["receiptDigest"] != receipt.digest:
        raise MalformedError(
            "CARD_RECEIPT",
            "the card was made from another receipt",
            expected=receipt.digest,
            found=card.document["receiptDigest"],
        )


def _recipe(receipt: Receipt) -> None:
    recipe = receipt.document["recipe"]
    if document_digest(recipe["document"]) != recipe["digest"]:
        raise MalformedError(
            "RECIPE_DIGEST", "the recipe in the receipt does not have the digest beside it", expected=recipe["digest"]
        )


def rendered(shown: Shown) -> dict[str, bytes]:
    """Return every file of a run folder that is made from the card: README.md, documents and bill of materials, by path."""
    return {README: render_readme(shown), MLBOM: render_mlbom(shown), **documents(shown)}


def _rendered(folder: _Folder, shown: Shown) -> None:
    expected = rendered(shown)
    for path, data in expected.items():
        if folder.read(path) != data:
            raise MalformedError(
                "README",
                "a document says something else than the card",
                place=path,
                next_action="`datasigil-train card --render` writes it anew",
            )
    for path in folder.digests:
        if path.startswith(DOCUMENTS) and path not in expected:
            raise DatasigilError("EXTRA_FILE", "nothing vouches for a file in the run folder", place=path)


__all__ = ["Finding", "ModelFinding", "check_model", "rendered"]
