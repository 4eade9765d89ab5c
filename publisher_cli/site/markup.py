"""The markup of a static site's pages: one style, tables, escaping; nothing is loaded from elsewhere and there are no scripts.

Here: words to HTML, and what a credential is called. Not here: what a page says (`pages`, `histories`). Every text from a credential passes through `text` or `said`.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from datasigil.credentials.types import Credential

NOT_STATED = "not stated"
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#1d2733;overflow-wrap:anywhere}"
    "h1{line-height:1.2}table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.35rem .5rem;"
    "border-bottom:1px solid #dde3ea}th{width:35%;font-weight:600}"
    "pre{background:#f2f5f8;padding:.8rem;overflow-x:auto}.good{background:#e6f4ea}.bad{background:#fce8e6}"
    "small{color:#4a5866}.wide{overflow-x:auto}.wide table{min-width:34rem}.wide td,.wide th{width:auto}nav{margin-bottom:1.5rem}"
    ".good,.bad,.note{padding:.6rem .8rem;border-radius:.3rem}.note{background:#fef7e0}"
)
TYPES = {
    "DatasetCredential": "Dataset",
    "DatasetLineageCredential": "How a dataset was made",
    "DatasetAuditCredential": "Audit, approval or review",
    "DatasetLicenseGrantCredential": "Licence to one grantee",
    "ModelTrainingCredential": "Trained model",
}
NAV = '<nav><a href="index.html">All</a> · <a href="status.html">Status</a> · <a href="log.html">Log</a></nav>\n'


def said(value: object) -> str:
    """Return what somebody said, escaped; nothing and `unknown` read "not stated"."""
    words = str(value or "")
    return NOT_STATED if words in ("", "unknown") else text(words)


def text(value: object) -> str:
    """Return words as HTML text; what cannot be printed becomes a space."""
    return escape("".join(one if one.isprintable() else " " for one in str(value)))


def day(now: datetime) -> str:
    """Return a time to the minute."""
    return f"{now:%Y-%m-%d %H:%M} UTC"


def table(rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> str:
    """Return a table of HTML cells, the first of each row its header; wide ones scroll by themselves on a small screen."""
    listed = list(rows)
    head = "".join(f'<th scope="col">{one}</th>' for one in header)
    lines = [
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{one}</td>" for one in rest)}</tr>' for first, *rest in listed
    ]
    shown = f"<table>{f'<tr>{head}</tr>' if head else ''}{chr(10).join(lines)}</table>"
    return f'<div class="wide">{shown}</div>' if any(len(row) > 2 for row in listed) else shown


def page(title: str, body: list[str]) -> str:
    """Return a whole page, with the way to the site's others."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">\n'
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{text(title)}</title><style>{STYLE}</style></head>\n<body>\n"
        + NAV
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def named(credential: Credential) -> str:
    """Return what a credential is called, for people; not escaped."""
    subject = credential.subject
    if credential.type == "DatasetCredential":
        return f"{subject['name']} {subject['version']}"
    if credential.type == "DatasetAuditCredential":
        return f"{str(subject['attestationType']).capitalize()} by {subject['assessor'].get('name', credential.issuer)}"
    return f"{TYPES.get(credential.type, credential.type)} ({credential.id[-8:]})"
