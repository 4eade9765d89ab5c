"""Croissant (1.0, 1.1) and SPDX (2.3 tag-value and JSON) files.

Here: the few members that a description holds. Not here: validating these formats, or their hashes: `issue` computes its own.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from datasigil.encoding import GENERIC, parse_date, parse_json
from datasigil.errors import MalformedError
from publisher_cli.sources.finding import SOURCE_MAX_BYTES, Findings, one_line, read_text, source_error
from publisher_cli.sources.license_text import from_label, known

CROISSANT_NAMES = ("croissant.json", "metadata.json")
SPDX_SUFFIXES = (".spdx", ".spdx.json")
_SPDX_TAG = re.compile(
    r"^(PackageName|PackageVersion|PackageLicenseConcluded|PackageLicenseDeclared|PackageSupplier):\s*(.+)$",
    re.MULTILINE,
)
_LICENSE_URL = re.compile(
    r"https?://creativecommons\.org/(licenses/(by(?:-nc)?(?:-sa|-nd)?)|publicdomain/zero)/([1-4]\.[05])/?",
    re.IGNORECASE,
)
_SPDX_URL = re.compile(r"https?://(?:www\.)?spdx\.org/licenses/([A-Za-z0-9.-]+?)(?:\.html)?/?\Z")
_NOT_STATED = {"NOASSERTION", "NONE", ""}


def read_json_source(path: Path, findings: Findings) -> bool:
    """Note what a Croissant or SPDX JSON file says; False when it is neither.

    Raises:
        DatasigilError: SOURCE_FILE.
    """
    try:
        document = parse_json(read_text(path).encode(), max_bytes=SOURCE_MAX_BYTES, profile=GENERIC)
    except MalformedError as error:
        raise source_error(path, f"it is not JSON: {error.message}", found=error.place) from None
    if not isinstance(document, dict):
        return False
    if "spdxVersion" in document:
        _spdx(document, path, findings)
        return True
    kind = document.get("@type", "")
    if kind not in ("sc:Dataset", "Dataset", "schema:Dataset", "https://schema.org/Dataset"):
        return False
    _croissant(document, path, findings)
    return True


def read_spdx(path: Path, findings: Findings) -> None:
    """Note what an SPDX tag-value file says of its first package.

    Raises:
        DatasigilError: SOURCE_FILE.
    """
    tags: dict[str, str] = {}
    for name, value in _SPDX_TAG.findall(read_text(path)):
        tags.setdefault(name, value.strip())
    findings.read.append(path.name)
    findings.found("name", one_line(tags.get("PackageName", "")), path.name)
    findings.found("version", one_line(tags.get("PackageVersion", ""), 100), path.name)
    _spdx_license(tags.get("PackageLicenseConcluded", ""), tags.get("PackageLicenseDeclared", ""), path, findings)


def _spdx(document: dict[str, Any], path: Path, findings: Findings) -> None:
    packages = document.get("packages")
    first = packages[0] if isinstance(packages, list) and packages and isinstance(packages[0], dict) else {}
    findings.read.append(path.name)
    findings.found("name", one_line(first.get("name") or ""), path.name)
    findings.found("version", one_line(first.get("versionInfo") or "", 100), path.name)
    _spdx_license(str(first.get("licenseConcluded") or ""), str(first.get("licenseDeclared") or ""), path, findings)


def _spdx_license(concluded: str, declared: str, path: Path, findings: Findings) -> None:
    stated = next((one for one in (concluded, declared) if one not in _NOT_STATED), "")
    if stated:
        findings.licensed(one_line(stated, 500), path.name)


def _croissant(document: dict[str, Any], path: Path, findings: Findings) -> None:
    findings.read.append(path.name)
    findings.found("name", one_line(document.get("name") or ""), path.name)
    findings.found("description", one_line(document.get("description") or "", 1000), path.name)
    findings.found("version", one_line(document.get("version") or "", 100), path.name)
    findings.found("issued", _day(document.get("datePublished")), path.name)
    people = _names(document.get("publisher")) or _names(document.get("creator"))
    if people:
        findings.found("publisher", {"name": people[0]}, path.name)
    findings.found("creator", [{"name": one} for one in _names(document.get("creator"))], path.name)
    findings.found(
        "inLanguage",
        sorted({one for one in _texts(document.get("inLanguage")) if re.fullmatch("[a-z]{2,3}", one)}),
        path.name,
    )
    for one in _texts(document.get("license")):
        expression = license_of(one)
        if expression:
            findings.licensed(expression, path.name)
        else:
            findings.note(f"{path.name} gives the licence as {one_line(one, 80)!r}, which was not recognised")


def license_of(text: str) -> str:
    """Return the SPDX identifier of a licence given as identifier, Hub label or URL, or the empty string."""
    found = _LICENSE_URL.match(text.strip())
    if found:
        return f"CC-{found[2].upper()}-{found[3]}" if found[2] else f"CC0-{found[3]}"
    listed = _SPDX_URL.match(text.strip())
    plain = listed[1] if listed else text.strip()
    return from_label(plain) or (plain if known(plain) else "")


def _texts(value: Any) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _names(value: Any) -> list[str]:
    entries = value if isinstance(value, list) else [value]
    names = [one.get("name") if isinstance(one, dict) else one for one in entries]
    return [one_line(name) for name in names if isinstance(name, str) and one_line(name)]


def _day(value: Any) -> str:
    try:
        return parse_date(str(value)[:10])
    except MalformedError:
        return ""
