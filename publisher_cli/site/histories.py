"""What a static site's people want to follow over time: status, log, and what a dataset was made from.

Here: the pages `status.html` and `log.html`, and the section on lineage of a dataset's page. Not here: a credential's own page (`pages`),
markup (`markup`). Nothing is verified here: these pages show what the site's own files say, and how to check it.
"""

from __future__ import annotations

from datetime import timedelta
from html import escape
from typing import TYPE_CHECKING, Any

from datasigil.credentials.types import parse_credential
from datasigil.verification.license_evidence import license_evidence
from publisher_cli.bundled import graph_of_bundle
from publisher_cli.drawing import svg
from publisher_cli.site.markup import day, named, page, said, table, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from datasigil.bundle import Bundle
    from datasigil.credentials.types import Credential
    from publisher_cli.site.folder import Site

ENTRIES_SHOWN = 1000
_KINDS = {
    "issue": "published",
    "revoke": "withdrawn for good",
    "suspend": "suspended",
    "resume": "suspension lifted",
    "key": "signing key replaced",
}
_SHOWN = 16  # characters of a digest


def status_page(site: Site, now: datetime, valid_days: int) -> str:
    """Return the page that says of every credential whether it is in force, and when and why that changed."""
    rows = []
    for one in site.listed:
        credential = site.credentials[one.digest]
        changes = [
            f"{text(str(request.created))}: {_change(request.purpose, value=request.value)}, {text(request.reason)}"
            for _, request in site.requests(credential.digest)
        ]
        index = credential.status[0].index
        rows.append(
            (_link(one.name, named(credential)), site.status_of(credential), "<br>".join(changes) or "none", str(index))
        )
    body = [
        "<h1>Status</h1>",
        f"<p>As signed on {day(now)}; the lists hold until {day(now + timedelta(days=valid_days))}. A check asks for newer ones after a day.</p>",
        table(rows, header=("What", "State", "Changes, with their reasons", "Bit"))
        if rows
        else "<p>Nothing has been published here yet.</p>",
        (
            "<p>A change counts only if the publisher signed a request for it; the requests lie in <code>status/requests/</code> under the "
            'digests that the log holds. For machines: <a href="status/revocation.json">revocation list</a>, '
            '<a href="status/suspension.json">suspension list</a>.</p>'
        ),
    ]
    return page("Status", body)


def log_page(site: Site, now: datetime) -> str:
    """Return the page of the log's newest entries, in plain words."""
    names = {one.digest: one.name for one in site.listed}
    entries = list(site.entries())
    rows = []
    for index, entry in entries[::-1][:ENTRIES_SHOWN]:
        credential = site.credentials.get(entry.credential_digest)
        what = (
            _link(names[entry.credential_digest], named(credential)) if credential is not None else "this site itself"
        )
        rows.append(
            (
                str(index),
                text(_KINDS.get(entry.kind, entry.kind)),
                what,
                f"<code>{entry.credential_digest[:_SHOWN]}…</code>",
            )
        )
    hidden = len(entries) - len(rows)
    body = [
        "<h1>Log</h1>",
        "<p>Everything that was published, withdrawn or changed here, in order. An entry is never taken out: whoever keeps an older checkpoint can show it.</p>",
        table([("Entries", str(site.log.tree.size)), ("Root", f"<code>{site.log.tree.root.hex()}</code>"),
               ("Signed", day(now)), ("Origin", text(site.address.origin))]),
        *([table(rows, header=("Entry", "What happened", "To what", "Digest"))] if rows else []),
        *([f"<p>{hidden} older entries are in the tiles.</p>"] if hidden else []),
        "<h2>Watch it</h2>",
        f"<pre>datasigil-verify log monitor {text(site.address.log_url)}</pre>",
        '<p>It keeps what it saw and says so if an entry ever changes or goes. For machines: <a href="log/checkpoint">checkpoint</a>, tiles below <code>log/tile/</code>.</p>',
    ]  # fmt: skip
    return page("Log", body)


def lineage_section(site: Site, credential: Credential, bundle: Bundle) -> list[str]:
    """Return what a credential was made from, as table and picture, and by which steps; nothing for a source."""
    graph = graph_of_bundle(bundle)
    parts: list[str] = []
    if graph["edges"]:
        parts += ["<h2>Made from</h2>", *_parents(site, credential, bundle), *_picture(site, credential, graph)]
    for activity in _activities(credential, bundle):
        parts += _steps(activity)
    return parts


def _parents(site: Site, credential: Credential, bundle: Bundle) -> Iterator[str]:
    from datasigil.verification.lineage import references

    pages = {one.digest: one.name for one in site.listed}
    held = {one.digest: one for one in (parse_credential(part.credential) for part in bundle.walk())}
    rows = []
    for reference in references(credential):
        parent = held.get(reference.digest)
        if parent is None:
            rows.append((text(reference.credential), "its evidence is not here", ""))
            continue
        subject = parent.subject
        name = _link(pages[parent.digest], named(parent)) if parent.digest in pages else text(named(parent))
        rows.append(
            (
                name,
                f"{said(subject['license']['expression'])} <small>({text(license_evidence(subject).words)})</small>",
                text(parent.issuer),
            )
        )
    yield table(rows, header=("Dataset", "Licence", "Signed by"))


def _picture(site: Site, credential: Credential, graph: Mapping[str, Any]) -> Iterator[str]:
    known = site.credentials
    nodes = {
        one["digest"]: {**one, "status": site.status_of(known[one["digest"]]) if one["digest"] in known else "published elsewhere"}
        for one in graph["nodes"]
    }  # fmt: skip
    yield f'<div class="wide">{svg(credential.digest, nodes, graph["edges"])}</div>'


def _activities(credential: Credential, bundle: Bundle) -> Iterator[Credential]:
    """Yield the lineage credentials about this dataset: its own page's, or those that its bundle carries."""
    if credential.type == "DatasetLineageCredential":
        yield credential
        return
    root = credential.subject.get("manifest", {}).get("root")
    for one in bundle.parents:
        other = parse_credential(one.credential)
        if other.type == "DatasetLineageCredential" and other.subject["generated"]["root"] == root:
            yield other


def _steps(activity: Credential) -> Iterable[str]:
    subject = activity.subject
    word = (
        "anybody with the parents can repeat it"
        if subject["assurance"] == "computed"
        else "on the word of whoever did it"
    )
    rows = [
        (
            f"{number}. {text(one['rule'])}",
            *(str(one[name]) for name in ("recordsIn", "removed", "added", "recordsOut")),
        )
        for number, one in enumerate(subject["steps"], 1)
    ]
    return (
        "<h2>How it was made</h2>",
        f"<p>By {said(subject['agent'].get('name'))}, {text(str(subject['startedAt']))} to {text(str(subject['endedAt']))}; {word}.</p>",
        table(rows, header=("Step", "Records in", "Removed", "Added", "Records out")),
    )


def _change(purpose: str, *, value: bool) -> str:
    if purpose == "revocation":
        return _KINDS["revoke"]
    return _KINDS["suspend" if value else "resume"]


def _link(name: str, words: str) -> str:
    return f'<a href="{escape(name)}.html">{text(words)}</a>'
