"""`datasigil init`: read what is there, ask at most eight questions, write the description beside the data.

Here: the questions in plain words, and what an answer means. Not here: reading sources (`sources`), the description's format
(`description`). What nobody said stays `unknown`.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from datasigil.credentials.dataset import PURPOSES, SUBJECT
from datasigil.datasets.hub_cache import is_plain_file
from datasigil.datasets.manifest import ManifestClaim
from datasigil.datasets.paths import EVIDENCE_FOLDER
from datasigil.datasets.tree import open_tree
from datasigil.datasets.walk import list_tree
from datasigil.encoding import parse_date
from datasigil.errors import DatasigilError, MalformedError
from datasigil.limits import CHUNK_BYTES
from datasigil.transparency.durable import write_durably
from publisher_cli.description import beside, description_text, parse_description, read_description
from publisher_cli.hashing import dataset_folder
from publisher_cli.sources import card, license_text, linked, sheet
from publisher_cli.sources.finding import Findings, one_line, read_text, source_error

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from datasigil.report.terminal import Console
    from publisher_cli.profiling.profile import Profile

UNKNOWN = "unknown"
QUESTIONS_MAX = 8
_STAND_IN = ManifestClaim("0" * 64, "0" * 64, 1, 0, CHUNK_BYTES, (EVIDENCE_FOLDER,))


@dataclass(frozen=True, slots=True)
class Question:
    """One question: the member that it is about, its words, and how an answer becomes the member's value."""

    member: str
    words: str
    read: Callable[[str], Any]
    flag: str = ""


def run(given: Namespace, console: Console) -> int:
    """Write NAME.dataset.toml beside the folder."""
    folder = dataset_folder(given.folder)
    target = Path(given.output) if given.output else beside(folder)
    identity = _identity(target, force=given.force)
    with open_tree(folder) as tree:
        files = list_tree(tree, (EVIDENCE_FOLDER,)).files
    findings = gather(folder, files, [Path(one) for one in given.sources])
    profile = None if given.no_profile else profile_files(folder, files, console)
    if profile is not None:
        _heed_profile(profile, findings)
    _heed_flags(given, findings)
    asked = 0 if given.yes else _ask(findings, console)
    members = _members(folder, identity, findings)
    text = description_text(members, findings.origins)
    _check(text, target)
    write_durably(target, text.encode("utf-8"))
    return _shown(target, members, findings, asked, profile, console)


def profile_files(folder: Path, files: list[str] | tuple[str, ...], console: Console) -> Profile:
    """Return what a computer can say of the files' content, with progress."""
    from publisher_cli.profiling.profile import profile_folder

    meter = console.meter("looking into")
    try:
        return profile_folder(folder, files, meter)
    finally:
        if meter is not None:
            meter.close()


def _heed_profile(profile: Profile, findings: Findings) -> None:
    """Languages and dates that were computed fill in what no source said; where they differ from what one said, say so."""
    languages = profile.found_languages()
    said = findings.members.get("inLanguage")
    if said and languages and not set(languages) <= {one.split("-")[0] for one in said}:
        findings.note(f"the sources name {', '.join(said)}; the text looks like {', '.join(languages)}")
    findings.found("inLanguage", languages, "the text itself (computed)")
    if profile.first_date:
        period = {"start": profile.first_date, "end": profile.last_date}
        findings.found("temporal", period, "the dates in the records (computed)")


def gather(folder: Path, files: list[str] | tuple[str, ...], named: list[Path]) -> Findings:
    """Return what the named sources and then those in the folder say; a named source must be readable and of a known kind.

    Raises:
        DatasigilError: SOURCE_FILE.
    """
    findings = Findings()
    for path in named:
        _read_source(path, folder, files, findings, named=True)
    for path in _sources_in(folder):
        if path not in named:
            try:
                _read_source(path, folder, files, findings, named=False)
            except DatasigilError as error:  # what merely lies there may be of another kind; say so and go on
                findings.note(f"{path.name} was not read: {error.message}")
    for path in license_text.license_files(folder):
        expression = license_text.recognise(read_text(path))
        if expression:
            findings.licensed(expression, f"the text of {path.name}")
        else:
            findings.note(f"{path.name} was not recognised as a known licence")
        findings.read.append(path.name)
    _settle_license(folder, findings)
    return findings


def _sources_in(folder: Path) -> list[Path]:
    found = [folder / name for name in linked.CROISSANT_NAMES]
    found += sorted(one for one in folder.iterdir() if one.name.lower().endswith(linked.SPDX_SUFFIXES))
    found += [folder / "README.md"]
    table = sheet.sheet_beside(folder)
    if table is not None:
        found.append(table)
    return [one for one in found if is_plain_file(one)]


def _read_source(
    path: Path, folder: Path, files: list[str] | tuple[str, ...], findings: Findings, *, named: bool
) -> None:
    name = path.name.lower()
    if name.endswith(sheet.SUFFIXES):
        sheet.read_sheet(path, folder, files, findings)
    elif name.endswith(".md"):
        card.read_card(path, findings)
    elif name.endswith(".spdx"):
        linked.read_spdx(path, findings)
    elif name.endswith(".json"):
        if not linked.read_json_source(path, findings) and named:
            raise source_error(path, "it is neither Croissant nor SPDX", expected="@type sc:Dataset, or spdxVersion")
    elif license_text.NAMES.match(path.name):
        findings.licensed(license_text.recognise(read_text(path)), f"the text of {path.name}")
    else:
        raise source_error(
            path, "this kind of source is not known", expected="Croissant, SPDX, a dataset card (.md), csv, tsv or xlsx"
        )


def _settle_license(folder: Path, findings: Findings) -> None:
    """One licence by all sources is found; several are a contradiction that only a person can resolve."""
    texts = license_text.license_files(folder)
    table: dict[str, Any] = {}
    if len(findings.licenses) == 1:
        ((expression, origins),) = findings.licenses.items()
        table = {"expression": expression, "source": one_line("; ".join(dict.fromkeys(origins)), 1000)}
    elif findings.licenses:
        said = "; ".join(
            f"{expression} ({', '.join(dict.fromkeys(origins))})" for expression, origins in findings.licenses.items()
        )
        findings.note(f"the sources contradict each other about the licence: {said}")
    if table:
        if len(texts) == 1:
            table["textPath"] = texts[0].name
        findings.found("license", table, table["source"])


def _heed_flags(given: Namespace, findings: Findings) -> None:
    """What the command line says goes before every source."""
    for question in _QUESTIONS:
        said = getattr(given, question.flag, None) if question.flag else None
        if said is not None:
            findings.members[question.member] = _answer(question, said, findings)
            findings.origins[question.member] = "from the command line"


def _ask(findings: Findings, console: Console) -> int:
    """Ask what no source said; return how many questions were asked."""
    open_questions = [one for one in _QUESTIONS if one.member not in findings.members][:QUESTIONS_MAX]
    if not open_questions:
        return 0
    if not sys.stdin.isatty():
        raise DatasigilError(
            "USAGE", "there is nobody to ask", expected="a terminal, or --yes", found=", ".join(one.member for one in open_questions),
            next_action="add --yes: what nobody said is written as unknown",
        )  # fmt: skip
    for said in findings.notes:
        console.say(f"note: {said}")
    console.err.write("Enter alone means unknown.\n")
    for question in open_questions:
        _ask_one(question, findings, console)
    return len(open_questions)


def _ask_one(question: Question, findings: Findings, console: Console) -> None:
    while True:
        console.err.write(f"{question.words}\n> ")
        console.err.flush()
        line = sys.stdin.readline()
        said = line.strip()
        if not said or said.casefold() == UNKNOWN:
            if not line:
                raise KeyboardInterrupt
            return
        try:
            findings.members[question.member] = _answer(question, said, findings)
        except MalformedError as error:
            console.err.write(f"  {error}\n")
            continue
        findings.origins[question.member] = "your answer"
        return


def _answer(question: Question, said: str, findings: Findings) -> Any:
    value = question.read(one_line(said, 1000))
    if question.member == "license" and value["expression"] != UNKNOWN and not license_text.known(value["expression"]):
        findings.note(f"{value['expression']} is not on the SPDX list; a policy will probably not know it")
    return value


def _members(folder: Path, identity: str, findings: Findings) -> dict[str, Any]:
    found = findings.members
    fixed: dict[str, Any] = {
        "id": identity,
        "name": found.get("name") or one_line(folder.absolute().name) or UNKNOWN,
        "version": found["version"]
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+:@/-]*", found.get("version", ""))
        else "1.0.0",
        "issued": found.get("issued", UNKNOWN),
        "publisher": found.get("publisher", {"name": UNKNOWN}),
        "license": found.get("license", {"expression": UNKNOWN}),
    }
    return fixed | {name: value for name, value in found.items() if name not in fixed}


def _identity(target: Path, *, force: bool) -> str:
    """Return the identity of the dataset, which stays the same over its versions.

    Raises:
        DatasigilError: EXISTS, when there is a description and nobody said to replace it.
    """
    if not target.exists():
        return f"urn:uuid:{uuid4()}"
    if not force:
        raise DatasigilError(
            "EXISTS",
            "there is a description already",
            place=str(target),
            next_action="edit it, or write it anew with --force (the identity stays)",
        )
    return str(read_description(target).get("id") or f"urn:uuid:{uuid4()}")


def _check(text: str, target: Path) -> None:
    """Put what is about to be written to the readers that `issue` will put it to.

    Raises:
        DatasigilError: DESCRIPTION_FILE.
    """
    stated = parse_description(text.encode("utf-8"), target)
    stated["license"].setdefault("assurance", "declared")
    subject = {
        "type": "Dataset",
        "role": "publisher",
        "profile": "minimal",
        **stated,
        "manifest": _STAND_IN.to_subject(),
    }
    try:
        SUBJECT.check(subject, None)
    except MalformedError as error:
        raise DatasigilError(
            "DESCRIPTION_FILE", f"an answer does not fit the vocabulary: {error.message}", place=error.place.lstrip("/"), expected=error.expected,
            found=error.found, next_action="answer differently, or leave it unknown",
        ) from None  # fmt: skip


def _shown(
    target: Path, members: dict[str, Any], findings: Findings, asked: int, profile: Profile | None, console: Console
) -> int:
    unknown = [name for name in ("license", "publisher", "issued") if UNKNOWN in str(members[name])]
    for said in findings.notes:
        console.say(f"note: {said}")
    if unknown:
        console.say(f"unknown: {', '.join(unknown)}; edit {target} if you know better")
    shown = {
        "type": "DescriptionWritten", "formatVersion": 1, "path": str(target), "id": members["id"], "name": members["name"],
        "license": members["license"]["expression"], "read": findings.read, "questions": asked, "unknown": unknown, "notes": findings.notes,
    }  # fmt: skip
    read = f"read:    {', '.join(findings.read)}\n" if findings.read else ""
    measured = ""
    if profile is not None:
        from publisher_cli.profiling.profile import summary

        shown["profile"] = summary(profile)
        measured = _profile_text(profile)
    from datasigil.report.terminal import escape

    text = f"name:    {escape(str(members['name']))}\nlicence: {escape(shown['license'])}\n{escape(read.rstrip())}\n{measured}wrote:   {escape(str(target))}\n"
    console.result(shown, text.replace("\n\n", "\n"))
    return 0


def _profile_text(profile: Profile) -> str:
    """Return the computed figures in words, for people."""
    values = {one["metric"]: one["value"] for one in profile.measurements()}
    formats = ", ".join(f"{count} {name}" for name, count in profile.formats.most_common(6))
    lines = [f"files:   {formats}"]
    if profile.tables:
        lines.append(
            f"records: {profile.records}, {profile.malformed} unreadable, {values['duplicate-records']} seen before; "
            f"completeness {values['completeness']}, uniqueness {values['uniqueness']}, validity {values['validity']}"
        )
    personal = [f"{count} like {kind}" for kind, count in profile.personal.most_common()]
    if profile.searched:
        lines.append(
            f"people:  {', '.join(personal) or 'nothing with the form of an address or number'} (names have no form: this proves nothing)"
        )
    return "".join(f"{line}\n" for line in lines)


# The questions ------------------------------------------------------------------------------------------------------


def _name(text: str) -> str:
    return text[:200]


def _party(text: str) -> dict[str, str]:
    return {"name": text[:200]}


def _license(text: str) -> dict[str, str]:
    return {"expression": text if text.casefold() != UNKNOWN else UNKNOWN, "source": "stated by the publisher"}


def _date(text: str) -> str:
    return text if text == UNKNOWN else parse_date(text)


def _people(text: str) -> dict[str, Any]:
    word = text.casefold()
    if word in ("no", "n", "none", "absent"):
        return {"status": "absent"}
    if word in ("yes", "y", "present"):
        return {
            "status": "present",
            "categories": [UNKNOWN],
            "subjects": [UNKNOWN],
            "originalPurpose": UNKNOWN,
            "legalBasis": UNKNOWN,
        }
    if word == UNKNOWN:
        return {"status": UNKNOWN}
    raise MalformedError("USAGE", "the answer is not understood", expected="yes, no or unknown", found=text[:40])


def _purposes(text: str) -> list[str]:
    words = sorted({one.strip().casefold() for one in text.split(",") if one.strip()})
    for word in words:
        if word not in PURPOSES:
            raise MalformedError("USAGE", "this purpose is not known", expected=", ".join(PURPOSES), found=word[:40])
    return words


_QUESTIONS = (
    Question("name", "What is the dataset called?", _name, "name"),
    Question("publisher", "Who publishes it, a person or an organisation?", _party, "publisher"),
    Question("description", "In one or two sentences, what is in it?", str, "about"),
    Question(
        "license",
        "Under which licence may others use it? An SPDX identifier such as CC-BY-4.0, or LicenseRef-YOURS.",
        _license,
        "license",
    ),
    Question("issued", "When was it first published? YYYY-MM-DD", _date, "issued"),
    Question(
        "personalData",
        "Is there anything in it about living people: names, addresses, opinions? yes or no",
        _people,
        "personal_data",
    ),
    Question("intendedPurpose", f"What is it meant for? Any of: {', '.join(PURPOSES)}", _purposes),
    Question("prohibitedPurpose", "What must it not be used for? The same words", _purposes),
)
