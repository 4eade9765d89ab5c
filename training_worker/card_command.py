"""`datasigil-train card`: check a run folder's card, ask for the facts that only people can state, take their answers, render anew.

Here: the command. Not here: building a card (`card`), its checks (`datasigil.models`), signatures and status of the cited credentials
(`datasigil-verify card`), documents (`documents`).

Taking answers makes another card: reviews of the old one are void and are set aside, a release is withdrawn, and a signed model
credential must be signed anew, because it names the card by digest.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from datasigil.bundle import parse_bundle, read_file
from datasigil.canonical import sha256_hex
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError, MalformedError
from datasigil.limits import BUNDLE_MAX_BYTES
from datasigil.models.card import card_bytes
from datasigil.models.laws import HUMAN_FACTS, facts_of
from datasigil.models.model_folder import CARD, STATEMENTS
from datasigil.models.offered import OFFERED_MAX_BYTES, is_offered
from datasigil.models.receipt import Receipt
from datasigil.models.related import bundles_by_digest
from datasigil.models.release import RELEASE
from datasigil.models.reviews import REVIEWS, VOID
from datasigil.models.statements import STATEMENTS_MAX_BYTES, check_facts, parse_statements, statements_bytes
from datasigil.report.terminal import Console
from training_worker import places
from training_worker.card import build_card
from training_worker.documents import read_card, write_documents
from training_worker.finished import check_run, read_run
from training_worker.online import MODEL_BUNDLE, Publishing
from training_worker.recipe import read_recipe_bytes
from training_worker.run_folder import translated, write_file
from training_worker.sign_model import CREDENTIAL
from training_worker.strict_yaml import parse_yaml


def run(given: Namespace, console: Console) -> int:
    """Show every check of the folder; with `--facts`, `--questions` or `--render`, do that first."""
    folder = Path(given.run_folder)
    if given.offered is not None:
        from training_worker.offered_card import write_offered

        write_offered(
            folder, Path(given.offered), [Path(one) for one in given.evidence], given.name or folder.absolute().name
        )
        console.say(f"receipt.json, evidence/, card.json and README.md written into {folder}")
    elif given.questions:
        console.result(_questions_document(folder), questions(folder))
        return 0
    elif _is_offered(folder) and (given.facts is not None or given.render):
        _change_offered(folder, given, console)
    elif given.facts is not None:
        _take(folder, Path(given.facts), given, console)
    elif given.render:
        # The documents are functions of card.json and the reviews; card.json itself is never rewritten: signatures rest on its digest.
        for path in write_documents(folder):
            console.detail(f"{folder / path} written from {CARD}")
        console.say(f"README.md, documents/ and the bill of materials in {folder} written from {CARD}")
    finding = check_run(folder)
    console.result(finding.document(), finding.render())
    console.say("signatures and status of the cited credentials: datasigil-verify card, under your trust file")
    return finding.exit_code


def _change_offered(folder: Path, given: Namespace, console: Console) -> None:
    from training_worker.offered_card import take_facts, write_readme

    if given.facts is None:
        write_readme(folder)
        console.say(f"README.md in {folder} written from {CARD}")
        return
    before, after = take_facts(folder, read_answers(Path(given.facts)))
    console.say(f"the card is another one now: {after}, was {before}")


def _is_offered(folder: Path) -> bool:
    receipt = folder / "receipt.json"
    return receipt.is_file() and is_offered(read_file(receipt, OFFERED_MAX_BYTES))


# Questions ---------------------------------------------------------------------------------------------------------


def _missing(folder: Path) -> list[str]:
    card = read_card(folder)
    return [leaf.pointer.rsplit("/", 1)[-1] for leaf in card.leaves() if leaf.assurance == "not-provided"]


def _questions_document(folder: Path) -> dict[str, Any]:
    asked = {fact.key: fact for fact in HUMAN_FACTS}
    missing = [{"fact": key, "asks": asked[key].heading, "askedBy": asked[key].asked_by} for key in _missing(folder)]
    return {"type": "CardQuestions", "formatVersion": 1, "missing": missing}


def questions(folder: Path) -> str:
    """Return a YAML file that asks for every fact that is missing, to be filled in and given to `--facts`."""
    missing = _missing(folder)
    lines = [
        "# What only people can say about this model. Fill in, delete what you cannot answer, then:",
        "#   datasigil-train card RUN --facts THIS_FILE",
        'by: ""  # your name, as it will stand in the card',
        "facts:",
    ]
    for fact in HUMAN_FACTS:
        if fact.key in missing:
            lines += [f"  # {fact.heading} (asked for by {fact.asked_by})", f'  {fact.key}: ""']
    return "\n".join(lines) + "\n"


# Answers -----------------------------------------------------------------------------------------------------------


def _take(folder: Path, answers: Path, given: Namespace, console: Console) -> None:
    statement = read_answers(answers)
    publishing = _publishing(folder, given)
    before, after = take_answers(folder, statement, publishing)
    if publishing is not None and not given.no_publish:
        told = publishing.publish(folder)
        console.say(f"new model credential registered in the log as entry {told['logIndex']}: {told['id']}")
    console.say(f"the card is another one now: {after}, was {before}; reviews of the old card are void")


def read_answers(path: Path) -> dict[str, Any]:
    """Return what a person said in a YAML file with `by` and `facts`; answers left empty are left out.

    Raises:
        DatasigilError: UNREADABLE, the YAML reader's codes, SCHEMA or UNKNOWN_FACT.
    """
    value = parse_yaml(read_recipe_bytes(path), place=str(path))
    facts = value.get("facts")
    if set(value) != {"by", "facts"} or not isinstance(value["by"], str) or not isinstance(facts, dict):
        raise DatasigilError(
            "SCHEMA",
            "not a file of answers",
            place=str(path),
            expected="by: NAME, and facts: a mapping",
            found=", ".join(sorted(value))[:200],
            next_action="datasigil-train card RUN --questions writes one to fill in",
        )
    facts = {key: text.strip() if isinstance(text, str) else text for key, text in facts.items() if text != ""}
    try:
        check_facts(value["by"], facts, str(path))
    except MalformedError as error:  # the same check judges evidence; here it is the user's own file
        raise DatasigilError(
            error.code, error.message, place=error.place, expected=error.expected, found=error.found
        ) from None
    return {"by": value["by"].strip(), "facts": facts}


def _publishing(folder: Path, given: Namespace) -> Publishing | None:
    """Return who signs the new card, which a folder with a signed model credential needs.

    Raises:
        DatasigilError: CARD_SIGNED or USAGE, and those of opening a key.
    """
    if given.key is None:
        if (folder / CREDENTIAL).is_file():
            raise DatasigilError(
                "CARD_SIGNED",
                "the signed model credential names the card as it is, so another card needs another credential",
                place=str(folder / CREDENTIAL),
                next_action="add --key NAME --registry URL to sign a new one, and `datasigil revoke` the old one",
            )
        return None
    url = places.named_registry(given.registry)
    if not url:
        raise DatasigilError("USAGE", "--key needs the registry you are logged in to", next_action="add --registry URL")
    return Publishing.open(url, given.key, given.publisher, dev=places.is_dev(given.dev))


def take_answers(folder: Path, statement: Mapping[str, Any], publishing: Publishing | None) -> tuple[str, str]:
    """Add a statement to a run folder and make its card, documents and credential follow; returns both cards' digests.

    Whatever it is stopped by, running it again completes it: statements first, then card, then documents.

    Raises:
        ManifestMismatchError: RUN_CHANGED, for a folder that does not hold together to begin with.
        DatasigilError: UNKNOWN_FACT, for a fact that this model's sector does not ask for.
    """
    receipt, before = read_run(folder), read_card(folder).digest
    sector = str(receipt.document["gate"].get("sector", ""))
    foreign = set(statement["facts"]) - {fact.key for fact in facts_of(sector)}
    if foreign:
        raise DatasigilError(
            "UNKNOWN_FACT", "nobody asks for this fact about this model", place=f"facts.{min(foreign)}",
            expected="one of " + ", ".join(fact.key for fact in facts_of(sector)), found=f"sector {sector or 'none'}",
        )  # fmt: skip
    old = folder / STATEMENTS
    known = list(parse_statements(read_file(old, STATEMENTS_MAX_BYTES))) if old.is_file() else []
    time = str(Instant.from_datetime(datetime.now(UTC).replace(microsecond=0)))
    statements = [*known, {"by": statement["by"], "time": time, "facts": dict(statement["facts"])}]
    write_file(old, statements_bytes(statements))
    data = _rebuilt(folder, receipt, statements)
    after = sha256_hex(data)
    set_aside(folder)
    write_file(folder / CARD, data)
    if publishing is not None:
        (folder / MODEL_BUNDLE).unlink(missing_ok=True)
        for name, content in publishing.sign(receipt.document, receipt.digest, after).items():
            write_file(folder / name, content)
    write_documents(folder)
    return before, after


def _rebuilt(folder: Path, receipt: Receipt, statements: list[Mapping[str, Any]]) -> bytes:
    """Return the card again from the run's own receipt and evidence; of others' credentials those that it cited before."""
    cited = {leaf.source.split("#")[0].rpartition(":")[2] for leaf in read_card(folder).leaves()}
    bundles = [
        parse_bundle(read_file(folder / one["evidence"], BUNDLE_MAX_BYTES)) for one in receipt.document["datasets"]
    ]
    own = {one["credentialDigest"] for one in receipt.document["datasets"]}
    related = []
    for bundle in bundles:
        held = bundles_by_digest(bundle)
        related.append([held[digest].credential for digest in sorted(held) if digest in cited - own])
    credentials = [bundle.credential for bundle in bundles]
    return card_bytes(build_card(dict(receipt.document), receipt.digest, credentials, statements, related=related))


def set_aside(folder: Path) -> None:
    """Move every review into `reviews/void/` and withdraw a release: they were about a card that is no more."""
    with translated(folder):
        for path in sorted((folder / REVIEWS).glob("*.json")):
            (folder / VOID).mkdir(exist_ok=True)
            path.replace(folder / VOID / path.name)
        (folder / RELEASE).unlink(missing_ok=True)


__all__ = ["questions", "read_answers", "run", "set_aside", "take_answers"]
