"""Reports for people: text for terminals, HTML for notebooks.

Lives here: layout and escaping. Not here: the words of headline and checks (`verification`), when to colour (the command lines,
NO_COLOR). Everything that came from outside is escaped: control characters and bidirectional overrides never reach a terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from datasigil.report.model import (
    FAILED,
    NOT_REQUIRED,
    PASSED,
    UNDETERMINED,
    VALID,
    Check,
    CredentialSummary,
    Report,
)

_MARKS: Final = {PASSED: "ok  ", FAILED: "FAIL", UNDETERMINED: "open", NOT_REQUIRED: "-   "}
_COLORS: Final = {PASSED: "32", FAILED: "31", UNDETERMINED: "33", NOT_REQUIRED: "2"}
_DECISION_COLORS: Final = {"VALID": "1;32", "INVALID": "1;31", "INDETERMINATE": "1;33"}
_RESET: Final = "\x1b[0m"
_HTML_COLORS: Final = {PASSED: "#1a7f37", FAILED: "#cf222e", UNDETERMINED: "#9a6700", NOT_REQUIRED: "#57606a"}
_TITLES: Final = (
    (FAILED, "What is wrong"),
    (UNDETERMINED, "What could not be established"),
    (PASSED, "What was established"),
    (NOT_REQUIRED, "What was not asked for"),
)


def safe(text: str) -> str:
    """Return `text` with everything escaped that could move a cursor, hide itself or turn the reading direction."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def render_text(report: Report, *, color: bool = False, width: int = 100) -> str:
    """Return the report as text of lines up to `width` characters where words allow it; ends in a newline."""
    lines = [
        _colored(safe(report.headline), _DECISION_COLORS[report.decision], color=color),
        *_wrapped(_basis(report), "  ", width),
        "",
    ]
    if report.credential is not None:
        lines += [f"  {name:<9} {safe(value)}" for name, value in _facts(report.credential)] + [""]
    for outcome, title in _TITLES:
        checks = [check for check in report.checks if check.outcome == outcome]
        if checks:
            lines += [title, *_grouped(checks, width, color=color), ""]
    if report.warnings:
        lines += [
            "What you should know",
            *(line for one in report.warnings for line in _wrapped(f"! {safe(one.message)} ({one.code})", "  ", width)),
            "",
        ]
    for parent in report.parents:
        name = parent.credential.name if parent.credential is not None else "a parent"
        # The word VALID appears nowhere in a report that refuses: a reader who skims must not find it.
        fine = parent.decision == VALID != report.decision
        lines += [f"Parent {safe(name)}: {'passes by itself' if fine else safe(parent.headline)}"]
    return "\n".join(lines).rstrip("\n") + "\n"


def _basis(report: Report) -> str:
    policy = report.policy
    place = f" ({safe(policy.source)})" if policy.source else ""
    how = "offline" if report.offline else "online"
    quorum = f"{policy.witness_quorum} witnesses had to cosign" if policy.witness_quorum else "no witness had to cosign"
    return f"As of {report.as_of}, {how}, under trust policy {policy.digest[:16]}…{place}; {quorum}. What a signer claims is the signer's word."


def _facts(one: CredentialSummary) -> Iterator[tuple[str, str]]:
    title = " ".join(part for part in (one.name, one.version) if part)
    yield "Subject", f"{title or one.type} ({one.id})"
    word = "Observer" if one.role == "observer" else "Signer"
    names = one.issuer_name or "not named in your trust file"
    yield word, f"{names}, {one.issuer}" + (f"; calls itself {one.claimed_name!r}" if one.claimed_name else "")
    if one.license:
        yield "Licence", one.license
    if one.file_count is not None:
        yield "Files", f"{one.file_count} files, {one.byte_size} bytes, root {one.manifest_root}"
    if one.age:
        yield "Age", one.age
    if one.log_index is not None:
        yield "Log", f"entry {one.log_index} of {one.log_origin}, held by {one.logged_by} ({one.time_basis})"
    yield "Digest", one.digest


def _grouped(checks: Sequence[Check], width: int, *, color: bool) -> Iterator[str]:
    """Yield the lines of checks, those that rest on one word together, in the order in which the plan first met each word."""
    for word in dict.fromkeys(check.word for check in checks):
        if word:
            yield from _wrapped(f"on the word of {safe(word)}", "  ", width)
        for check in checks:
            if check.word == word:
                yield from _check_lines(check, width, color=color)


def _check_lines(check: Check, width: int, *, color: bool) -> Iterator[str]:
    mark = _colored(_MARKS[check.outcome], _COLORS[check.outcome], color=color)
    code = f" [{check.code}]" if check.code else ""
    place = f" at {safe(check.place)}" if check.place and check.outcome in (FAILED, UNDETERMINED) else ""
    text = f"{check.step:>2} {check.name}: {safe(check.message)}{place}{code}"
    first, *rest = _lines(text, max(width - 7, 40))
    yield f"  {mark} {safe(first)}"
    yield from (f"          {safe(line)}" for line in rest)
    if check.outcome == PASSED and check.found:
        yield from _wrapped(safe(check.found), "          ", width)
    if check.outcome not in (FAILED, UNDETERMINED):
        return
    if check.expected:
        yield from _wrapped(f"expected  {safe(check.expected)}", "          ", width)
    if check.found:
        yield from _wrapped(f"found     {safe(check.found)}", "          ", width)
    if check.next_action is not None:
        retry = "; trying again can help" if check.next_action.retry else ""
        yield from _wrapped(
            f"next      {check.next_action.actor}: {safe(check.next_action.command)}{retry}", "          ", width
        )


def _wrapped(text: str, indent: str, width: int) -> list[str]:
    return _lines(text, max(width, 40), indent, indent + "  ")


def _lines(text: str, width: int, first: str = "", hanging: str = "") -> list[str]:
    """Return text in lines of at most `width` characters, broken at spaces alone; a longer word has a line to itself.

    As `textwrap` does it, whose import and patterns cost a check more than its signature.
    """
    lines, line, indent = list[str](), "", first
    for word in text.split(" "):
        if line and len(indent) + len(line) + 1 + len(word) > width:
            lines.append(indent + line.rstrip())
            line, indent = word, hanging
        else:
            line = f"{line} {word}" if line else word
    return [*lines, indent + line.rstrip()] if line or not lines else lines


def _colored(text: str, code: str, *, color: bool) -> str:
    return f"\x1b[{code}m{text}{_RESET}" if color else text


def render_html(report: Report) -> str:
    """Return the report as an HTML fragment without script, style sheet or outside resources."""
    from html import escape

    rows = []
    for check in report.checks:
        details = " ".join(
            f"<br><small>{label} {escape(safe(value))}</small>"
            for label, value in (("at", check.place), ("expected", check.expected), ("found", check.found))
            if value and check.outcome in (FAILED, UNDETERMINED)
        )
        action = (
            f"<br><small>next: {escape(check.next_action.actor)}: {escape(safe(check.next_action.command))}</small>"
            if check.next_action
            else ""
        )
        rows.append(
            f"<tr><td>{check.step}</td><td>{escape(safe(check.name))}</td>"
            f'<td style="color:{_HTML_COLORS[check.outcome]}">{check.outcome.replace("_", " ")}</td>'
            f"<td>{escape(check.code)}</td><td>{escape(safe(check.message))}{details}{action}</td><td>{escape(safe(check.word))}</td></tr>"
        )
    warnings = "".join(f"<li>{escape(safe(one.message))} ({escape(one.code)})</li>" for one in report.warnings)
    return (
        f"<div><p><strong>{escape(safe(report.headline))}</strong><br><small>{escape(_basis(report))}</small></p>"
        f"<table><thead><tr><th>step</th><th>check</th><th>outcome</th><th>code</th><th>what was found</th><th>on the word of</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>{f'<ul>{warnings}</ul>' if warnings else ''}</div>"
    )
