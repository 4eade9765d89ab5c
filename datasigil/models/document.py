"""A document one would sign, as values, and its two faces: Markdown and a self-contained page of HTML that prints on A4.

Here: headings, facts with their sources, tables, pictures, a block for signatures, and how each is written. Not here: what any
document says (`readme`, `companions`). Both faces are pure functions of the document: rendering twice gives the same bytes, so that a
checker can compare. Somebody else's words never become markup.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape as html_escape
from typing import Any

from datasigil.record import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; `strong` sets it off."""

    text: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact as a document shows it."""

    name: str
    value: Any
    source: str = ""
    assurance: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts in a table; `heading` stands above it, `asks` says what is asked for."""

    facts: Sequence[Fact]
    heading: str = ""
    asks: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table with one column per name; `note` stands below."""

    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    heading: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture by relative path."""

    path: str
    caption: str


@dataclass(frozen=True, slots=True)
class Signature:
    """A place to sign, filled from a credential or empty."""

    rows: Sequence[tuple[str, str]]


Block = Text | Facts | Grid | Picture | Signature


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it."""

    heading: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Document:
    """A whole document; `state` is what stands on the badge beside the title."""

    title: str
    subtitle: str
    state: str
    identity: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    footer: str


# Words -------------------------------------------------------------------------------------------------------------


def plain(value: Any) -> str:
    """Return a value as one line of text; control characters become visible."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(item) for item in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {plain(item)}" for key, item in value.items()) or "none"
    return "".join(one if one.isprintable() else "\ufffd" for one in " ".join(str(value).split()))


SHORT_DIGITS = 8  # of a digest in a document; card.json has them all


def short_source(source: str) -> str:
    """Return a source with its digest shortened."""
    kind, mark, rest = source.partition("sha256:")
    if not mark:
        return plain(source)
    digest, _, pointer = rest.partition("#")
    return plain(f"{kind}{digest[:SHORT_DIGITS]}…#{pointer}")


# Markdown ----------------------------------------------------------------------------------------------------------


def inline(value: Any) -> str:
    """Return text that cannot become Markdown or HTML."""
    text = plain(value)
    for mark in ("\\", "`", "*", "_", "[", "]", "|", "#", "!"):
        text = text.replace(mark, f"\\{mark}")
    return text.replace("<", "&lt;").replace(">", "&gt;")


def code(value: Any) -> str:
    """Return text as a code span that cannot end early, leave a table, or hold a tag, whatever renders it."""
    text = plain(value).translate({ord("`"): "'", ord("|"): "/", ord("<"): "\u2039", ord(">"): "\u203a"})
    return f"`{text}`"


def to_markdown(document: Document) -> bytes:
    """Return the document as GitHub-flavoured Markdown, UTF-8 with line feeds."""
    parts = [f"# {inline(document.title)}", inline(document.subtitle), f"**Status: {inline(document.state)}**"]
    parts.append("\n".join(f"- {inline(name)}: {code(value)}" for name, value in document.identity))
    for section in document.sections:
        parts.append(f"## {inline(section.heading)}")
        parts += [markdown_block(block) for block in section.blocks]
    parts.append(f"---\n\n{inline(document.footer)}")
    return ("\n\n".join(part for part in parts if part) + "\n").encode("utf-8")


def markdown_block(block: Block) -> str:
    """Return one block as Markdown."""
    if isinstance(block, Text):
        return f"**{inline(block.text)}**" if block.strong else inline(block.text)
    if isinstance(block, Facts):
        rows = ["| Fact | Value | Source | Assurance |", "| --- | --- | --- | --- |"]
        rows += [
            f"| {inline(one.name)} | {inline(one.value)} | {code(short_source(one.source)) if one.source else ''} | {inline(one.assurance)} |"
            for one in block.facts
        ]
        heading = [f"### {inline(block.heading)}"] if block.heading else []
        asks = [f"*{inline(block.asks)}*"] if block.asks else []
        return "\n\n".join([*heading, *asks, "\n".join(rows)])
    if isinstance(block, Grid):
        rows = ["| " + " | ".join(map(inline, block.header)) + " |", "|" + " --- |" * len(block.header)]
        rows += ["| " + " | ".join(map(inline, row)) + " |" for row in block.rows]
        heading = [f"### {inline(block.heading)}"] if block.heading else []
        return "\n\n".join([*heading, "\n".join(rows), *([inline(block.note)] if block.note else [])])
    if isinstance(block, Picture):
        return f"![{inline(block.caption)}]({block.path})"
    return "\n".join(
        ["| Sign-off | |", "| --- | --- |", *(f"| {inline(name)} | {inline(text)} |" for name, text in block.rows)]
    )


# HTML --------------------------------------------------------------------------------------------------------------

_STYLE = """
:root{--ink:#1a1f28;--soft:#5b6472;--rule:#d5d9e0;--band:#f5f6f8;--accent:#1d3f72;--warn:#8a4b00;--warnbg:#fff6e8;--good:#1b5e3a}
*{box-sizing:border-box}
html{background:#e9ebef}
body{margin:0 auto;max-width:62rem;background:#fff;color:var(--ink);font:15px/1.55 Charter,"Bitstream Charter",Georgia,"DejaVu Serif",serif;padding:3.2rem 3.6rem 2.4rem}
header{border-bottom:2px solid var(--ink);padding-bottom:1.3rem;margin-bottom:1.8rem;position:relative}
h1{font-size:1.95rem;line-height:1.2;margin:0 9rem .35rem 0;font-weight:600;overflow-wrap:anywhere}
.subtitle{color:var(--soft);margin:0 0 1.1rem;max-width:46rem}
.state{position:absolute;top:.2rem;right:0;border:1.5px solid var(--warn);color:var(--warn);font:600 .78rem/1 Arial,Helvetica,sans-serif;letter-spacing:.07em;text-transform:uppercase;padding:.5rem .75rem;border-radius:3px;max-width:9rem;text-align:center}
.state.good{border-color:var(--good);color:var(--good)}
dl.identity{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.2rem;margin:0;font-size:.83rem}
dl.identity dt{color:var(--soft)}
dl.identity dd{margin:0;font-family:"DejaVu Sans Mono",Consolas,monospace;font-size:.78rem;overflow-wrap:anywhere}
h2{font-size:1.22rem;margin:2.1rem 0 .7rem;padding-bottom:.25rem;border-bottom:1px solid var(--rule);break-after:avoid}
h3{font-size:.98rem;margin:1.25rem 0 .3rem;break-after:avoid}
p{margin:.5rem 0}
p.asks{color:var(--soft);font-style:italic;margin:.1rem 0 .45rem}
table{border-collapse:collapse;width:100%;margin:.4rem 0 1rem;font-size:.87rem;break-inside:auto}
tr{break-inside:avoid}
th{text-align:left;font:600 .72rem/1.3 Arial,Helvetica,sans-serif;letter-spacing:.03em;color:var(--soft);border-bottom:1px solid var(--ink);padding:.3rem .6rem .3rem 0;vertical-align:bottom}
td{border-bottom:1px solid var(--rule);padding:.38rem .6rem .38rem 0;vertical-align:top;overflow-wrap:anywhere}
table.facts{table-layout:fixed}
table.facts col:nth-child(1){width:24%}
table.facts col:nth-child(2){width:37%}
table.facts col:nth-child(3){width:28%}
table.facts col:nth-child(4){width:11%}
table.facts td:nth-child(1){color:var(--soft)}
table.facts td:nth-child(4){color:var(--soft);font-size:.8rem}
td code{font-family:"DejaVu Sans Mono",Consolas,monospace;font-size:.7rem;color:var(--soft);overflow-wrap:anywhere}
td code.digest{color:var(--ink);font-size:.68rem;letter-spacing:-.02em}
td.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;padding-right:1.2rem}
th.number{text-align:right;padding-right:1.2rem}
.missing{background:var(--warnbg);color:var(--warn);font:600 .8rem/1.4 Arial,Helvetica,sans-serif;padding:.05rem .35rem;border-radius:2px}
figure{margin:1rem 0;break-inside:avoid}
figure img{max-width:100%;height:auto;border:1px solid var(--rule)}
figcaption,.note{font-size:.82rem;color:var(--soft);margin-top:.3rem}
.signature{border:1px solid var(--ink);padding:.9rem 1.2rem;margin:1rem 0;break-inside:avoid}
.signature table{margin:0}
.signature td:first-child{width:30%;color:var(--soft)}
.signature tr:last-child td{border-bottom:0}
.signature td.line{height:1.9rem}
footer{border-top:1px solid var(--rule);margin-top:2.4rem;padding-top:.8rem;font-size:.78rem;color:var(--soft)}
@media(max-width:46rem){body{padding:1.4rem 1.1rem}h1{margin-right:0}.state{position:static;display:inline-block;margin-bottom:.8rem;max-width:none}table{display:block;overflow-x:auto}}
@page{size:A4;margin:18mm 16mm}
@media print{html{background:#fff}body{padding:0;max-width:none;font-size:10.5pt}}
""".strip()


def to_html(document: Document) -> bytes:
    """Return the document as one page without scripts and without anything from elsewhere but the pictures beside it."""
    good = " good" if document.state.startswith(("reviewed", "released")) else ""
    identity = "".join(f"<dt>{_h(name)}</dt><dd>{_h(value)}</dd>" for name, value in document.identity)
    body = "\n".join(
        f"<section>\n<h2>{_h(section.heading)}</h2>\n" + "\n".join(map(html_block, section.blocks)) + "\n</section>"
        for section in document.sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src 'self' file: data:\">\n"
        f"<title>{_h(document.title)}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n<header>\n"
        f'<div class="state{good}">{_h(document.state)}</div>\n<h1>{_h(document.title)}</h1>\n'
        f'<p class="subtitle">{_h(document.subtitle)}</p>\n<dl class="identity">{identity}</dl>\n</header>\n'
        f"<main>\n{body}\n</main>\n<footer>{_h(document.footer)}</footer>\n</body>\n</html>\n"
    ).encode()


def html_block(block: Block) -> str:
    """Return one block as HTML."""
    if isinstance(block, Text):
        return f"<p><strong>{_h(block.text)}</strong></p>" if block.strong else f"<p>{_h(block.text)}</p>"
    if isinstance(block, Facts):
        return _html_facts(block)
    if isinstance(block, Grid):
        return _html_grid(block)
    if isinstance(block, Picture):
        return f'<figure><img src="{_h(block.path)}" alt="{_h(block.caption)}"><figcaption>{_h(block.caption)}</figcaption></figure>'
    rows = "".join(
        f'<tr><td>{_h(name)}</td><td class="{"" if text else "line"}">{_value(text)}</td></tr>'
        for name, text in block.rows
    )
    return f'<div class="signature"><table>{rows}</table></div>'


def _html_facts(block: Facts) -> str:
    head = (f"<h3>{_h(block.heading)}</h3>" if block.heading else "") + (
        f'<p class="asks">{_h(block.asks)}</p>' if block.asks else ""
    )
    rows = "".join(
        f"<tr><td>{_h(one.name)}</td><td>{_value(one.value)}</td><td><code>{_breakable(short_source(one.source))}</code></td><td>{_h(one.assurance)}</td></tr>"
        if one.source
        else f'<tr><td>{_h(one.name)}</td><td colspan="3">{_value(one.value)}</td></tr>'
        for one in block.facts
    )
    cited = "<th>Source</th><th>Assurance</th>" if any(one.source for one in block.facts) else "<th></th><th></th>"
    return (
        f'{head}<table class="facts"><colgroup><col><col><col><col></colgroup>'
        f"<thead><tr><th>Fact</th><th>Value</th>{cited}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _breakable(text: str) -> str:
    """Return a pointer as HTML that breaks after its slashes, not within its names."""
    return re.sub("([/#])", r"\1<wbr>", _h(text).replace("&#x27;", "&apos;"))


def _html_grid(block: Grid) -> str:
    numeric = [all(_is_number(row[column]) for row in block.rows) for column in range(len(block.header))]
    mark = [' class="number"' if one else "" for one in numeric]
    head = "".join(f"<th{kind}>{_h(name)}</th>" for name, kind in zip(block.header, mark, strict=True))
    rows = "".join(
        "<tr>" + "".join(f"<td{kind}>{_value(cell)}</td>" for cell, kind in zip(row, mark, strict=True)) + "</tr>"
        for row in block.rows
    )
    heading = f"<h3>{_h(block.heading)}</h3>" if block.heading else ""
    note = f'<p class="note">{_h(block.note)}</p>' if block.note else ""
    return f"{heading}<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{note}"


def _is_number(value: Any) -> bool:
    text = str(value)
    return text != "" and text.replace(".", "", 1).replace("-", "", 1).isdigit()


_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


def _value(value: Any) -> str:
    text = plain(value)
    if _DIGEST.match(text):
        return f'<code class="digest">{text}</code>'
    return f'<span class="missing">{_h(text)}</span>' if text.startswith("NOT PROVIDED") else _h(text)


def _h(value: Any) -> str:
    return html_escape(plain(value), quote=True)


__all__ = [
    "Block",
    "Document",
    "Fact",
    "Facts",
    "Grid",
    "Picture",
    "Section",
    "Signature",
    "Text",
    "code",
    "inline",
    "markdown_block",
    "plain",
    "short_source",
    "to_html",
    "to_markdown",
]
