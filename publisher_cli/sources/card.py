"""Hugging Face dataset cards: the YAML front matter of README.md, and its first words.

Here: a strict reader for the part of YAML that card metadata uses (plain keys, scalars, lists), because the base install has no YAML
library; a line that it does not understand is passed over and named. Not here: rendering cards.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from publisher_cli.sources.finding import Findings, one_line, read_text
from publisher_cli.sources.license_text import from_label

_KEY = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*):(?:\s+(.*))?\Z")
_ITEM = re.compile(r"\s*-\s+(.*)\Z")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*\Z")
_MARKUP = re.compile(r"\*\*|__|`|\[([^\]]*)\]\([^)]*\)")


def read_card(path: Path, findings: Findings) -> None:
    """Note what a dataset card says of name, licence, languages and content.

    Raises:
        DatasigilError: SOURCE_FILE.
    """
    metadata, body = split_card(read_text(path), findings, path.name)
    findings.read.append(path.name)
    if name := metadata.get("pretty_name"):
        findings.found("name", one_line(name), path.name)
    for label in _listed(metadata.get("license")):
        expression = from_label(label)
        if expression:
            findings.licensed(expression, f"the label in {path.name}")
        else:
            findings.note(f"{path.name} gives the licence as {one_line(label, 60)!r}, which names none")
    languages = sorted({one for one in _listed(metadata.get("language")) if _LANGUAGE.match(one)})
    findings.found("inLanguage", languages, path.name)
    findings.found("version", one_line(metadata.get("version") or "", 100), path.name)
    findings.found("description", _first_words(body), path.name)


def split_card(text: str, findings: Findings, name: str) -> tuple[dict[str, Any], str]:
    """Return the front matter's plain members and the text after it."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != "---":
        return {}, text
    end = next((number for number, line in enumerate(lines[1:], 1) if line.strip() == "---"), None)
    if end is None:
        findings.note(f"{name} opens a front matter and never closes it; it was not read")
        return {}, text
    return _members(lines[1:end], findings, name), "\n".join(lines[end + 1 :])


def _members(lines: list[str], findings: Findings, name: str) -> dict[str, Any]:
    members: dict[str, Any] = {}
    current = ""
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, item = _KEY.match(line), _ITEM.match(line)
        if key:
            current = key[1]
            if current in members:
                findings.note(f"{name} states {current} twice; the first counts")
                current = ""
                continue
            members[current] = _value(key[2])
        elif item and current and (members[current] == "" or isinstance(members[current], list)):
            members[current] = [*_listed(members[current]), *_listed(_value(item[1]))]
        # Anything deeper (configs, dataset_info) says nothing that a description holds.
    return members


def _value(text: str | None) -> Any:
    plain = (text or "").strip()
    if plain.startswith("[") and plain.endswith("]"):
        return [_scalar(one) for one in plain[1:-1].split(",") if one.strip()]
    return _scalar(plain)


def _scalar(text: str) -> str:
    plain = text.strip()
    if len(plain) > 1 and plain[0] == plain[-1] and plain[0] in "'\"":
        return plain[1:-1]
    return plain.partition(" #")[0].strip()


def _listed(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)] if value else []


def _first_words(body: str) -> str:
    """Return the first paragraph that is prose, without markup, at most 1,000 characters."""
    for paragraph in re.split(r"\n\s*\n", body):
        plain = paragraph.strip()
        if plain and not plain.startswith(("#", "|", "```", "<", "!", "- ", "* ")):
            return one_line(_MARKUP.sub(lambda found: found[1] or "", plain), 1000)
    return ""
