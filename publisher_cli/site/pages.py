"""The pages of a static site's credentials and its front page: what a dataset is, who says so, whether it still holds, and how to check it, for any reader.

Here: HTML from credentials. Not here: status, log and lineage (`histories`), markup (`markup`), files (`folder`). Every text from a
credential is escaped; what nobody said reads "not stated", never as a good answer.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from datasigil.report.terminal import size_text
from datasigil.verification.license_evidence import license_evidence
from publisher_cli.keys import fingerprint
from publisher_cli.site.histories import lineage_section
from publisher_cli.site.markup import NOT_STATED, TYPES, day, named, page, said, table, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from datasigil.bundle import Bundle
    from datasigil.credentials.types import Credential
    from publisher_cli.site.folder import Listed, Site

_STATES = {
    "active": ("good", "In force: neither withdrawn nor suspended, as of {time}."),
    "suspended": ("bad", "Suspended as of {time}: do not use it until it is lifted."),
    "revoked": ("bad", "Withdrawn for good as of {time}: do not use it."),
}
_METRICS = {
    "completeness": "Share of cells that are filled in",
    "uniqueness": "Share of records that are distinct",
    "validity": "Share of records that can be read",
    "duplicate-records": "Records that occur more than once",
    "duplicate-files": "Files that occur more than once",
    "sheet-coverage": "Share of files that the sheet names",
    "sheet-dangling": "Rows of the sheet without a file",
}
_PEOPLE = {"present": "yes", "absent": "none, the publisher says"}
_WORDS = {
    "declared": "stated by the publisher",
    "computed": "computed from the files",
    "attested": "attested by a third party",
}


def front_page(site: Site, now: datetime) -> str:
    """Return the page that lists everything of a site."""
    rows = []
    for one in site.listed:
        credential = site.credentials[one.digest]
        link = f'<a href="{escape(one.name)}.html">{text(named(credential))}</a>'
        rows.append((link, f"{text(TYPES.get(credential.type, credential.type))}, {site.status_of(credential)}"))
    body = [
        f"<h1>Datasets of {text(_host(site))}</h1>",
        (
            "<p>Each statement below is signed by its publisher, so that a copy of the data can be compared with what was published, "
            "and so that anybody can see whether it was withdrawn.</p>"
        ),
        table(rows, header=("What", "Kind, state")) if rows else "<p>Nothing has been published here yet.</p>",
        (
            f"<p>Status and log were last signed on {day(now)}. They are signed again at regular times; a check refuses what is older than a "
            "day online, or a week offline.</p>"
        ),
        _own_word(),
        (
            f'<p>For machines: <a href="{escape(site.address.document_path)}">DID document</a>, '
            '<a href="log/checkpoint">log checkpoint</a>, <a href="status/revocation.json">revocation list</a>, '
            '<a href="status/suspension.json">suspension list</a>.</p>'
        ),
    ]
    return page(f"Datasets of {_host(site)}", body)


def dataset_page(site: Site, listed: Listed, bundle: Bundle, now: datetime) -> str:
    """Return the page of one credential; `bundle` holds what it was made from."""
    credential = site.credentials[listed.digest]
    kind, words = _STATES[site.status_of(credential)]
    changes = [
        (text({True: "withdrawn", False: "resumed"}[one.value] if one.purpose == "revocation" or not one.value else "suspended"),
         f"{text(str(one.created))}: {text(one.reason)}")
        for _, one in site.requests(credential.digest)
    ]  # fmt: skip
    url = f"{site.address.base}/{listed.name}"
    body = [
        f"<h1>{text(named(credential))}</h1>",
        f'<p class="{kind}">{words.format(time=day(now))}</p>',
        *([table(changes)] if changes else []),
        *_about(credential),
        *lineage_section(site, credential, bundle),
        "<h2>Who says so</h2>",
        table(_signer(site, credential)),
        _own_word(),
        "<h2>Check your copy</h2>",
        "<p>In a terminal, with <code>pip install datasigil</code>:</p>",
        (
            f"<pre>datasigil-verify fetch {text(url)}.sigil.json\n"
            f"datasigil-verify trust add {text(listed.name)}.sigil.json\n"
            f"datasigil-verify check {text(listed.name)}.sigil.json --data FOLDER</pre>"
        ),
        "<p>The second command shows the fingerprint above and asks you first: compare it over another channel, such as the telephone.</p>",
        _downloads(listed),
    ]
    return page(named(credential), body)


def _about(credential: Credential) -> list[str]:
    if credential.type != "DatasetCredential":
        return ["<h2>What it says</h2>", table(_flat(credential.subject))]
    subject = credential.subject
    parts = []
    if subject.get("role") == "observer":
        parts.append(
            '<p class="note">Observed: a user of this dataset computed these figures. Its publisher has said nothing here.</p>'
        )
    if subject.get("description"):
        parts.append(f"<p>{text(subject['description'])}</p>")
    parts += ["<h2>At a glance</h2>", table(_facts(subject))]
    measured = [
        (text(_metric(str(one["metric"]))), f"{text(one['value'])} <small>({text(_WORDS[one['assurance']])}: {text(one['method'])})</small>")
        for one in subject.get("qualityMeasurement", ())
    ]  # fmt: skip
    if measured:
        parts += ["<h2>Measured</h2>", table(measured)]
    return parts


def _metric(name: str) -> str:
    """Return what a measurement is called in plain words."""
    kind, _, rest = name.partition(":")
    if rest:
        label = {"files": "Files of the kind", "pii": "Looks like personal data:", "language": "Share of text in"}.get(
            kind, kind
        )
        return f"{label} {rest}" if rest != "unknown" else "Share of text in no language that was recognised"
    return _METRICS.get(name, name)


def _facts(subject: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    manifest, licence = subject["manifest"], subject["license"]
    yield "Publisher", said(subject["publisher"].get("name"))
    rests = license_evidence(subject).words
    yield "Licence", f"{said(licence['expression'])} <small>({_WORDS[licence['assurance']]}; {text(rests)})</small>"
    issued = said(subject.get("issued"))
    yield "First published", issued if issued == NOT_STATED else f"{issued} <small>(by its own claim)</small>"
    yield "Version", text(subject["version"])
    yield "Files", f"{manifest['fileCount']}, together {size_text(manifest['byteSize'])}"
    yield "Records", str(manifest["recordCount"]) if "recordCount" in manifest else "not counted"
    yield "Languages", said(", ".join(subject.get("inLanguage", ())))
    period = subject.get("temporal")
    yield "Period", said(f"{period['start']} to {period['end']}" if period else "")
    status = subject.get("personalData", {}).get("status", "unknown")
    yield "About living people", _PEOPLE.get(status, NOT_STATED)
    yield "Meant for", said(", ".join(subject.get("intendedPurpose", ())))
    yield "Not to be used for", said(", ".join(subject.get("prohibitedPurpose", ())))


def _signer(site: Site, credential: Credential) -> Iterable[tuple[str, str]]:
    yield "Signer", text(credential.issuer)
    document = site.document
    for method in document.methods.values() if document is not None else ():
        yield "Key fingerprint", f"<code>{fingerprint(method.key.multibase)}</code>"
    yield "Signed from", text(str(credential.valid_from))
    yield "Valid until", text(str(credential.valid_until)) if credential.valid_until is not None else "no end"
    yield "Number", text(credential.id)
    yield "Log entry", f"{site.index_of(credential.digest)} of {text(site.address.origin)}"


def _downloads(listed: Listed) -> str:
    name = escape(listed.name)
    links = [
        f'<a href="{name}.sigil.json">evidence bundle</a>',
        f'<a href="{name}.json">signed credential</a>',
    ]
    if listed.public_manifest:
        links.append(f'<a href="{name}.manifest.json">list of files</a>')
    return f"<p>Downloads: {' · '.join(links)}</p>"


def _own_word() -> str:
    return (
        '<p class="note">This site is run by the publisher alone: the log and the clock are the publisher\'s own word, and no '
        "registry or witness has confirmed them.</p>"
    )


def _flat(subject: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in subject.items():
        label = f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _flat(value, f"{label}: ")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for one in value:
                yield from _flat(one, f"{label}: ")
        else:
            yield text(label), said(", ".join(str(one) for one in value) if isinstance(value, list) else str(value))


def _host(site: Site) -> str:
    return site.address.base.partition("://")[2]
