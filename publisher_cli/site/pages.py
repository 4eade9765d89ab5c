"""The pages of a static site: what a dataset is, who says so, whether it still holds, and how to check it, for any reader.

Here: HTML from credentials, without scripts, without anything loaded from elsewhere. Not here: files (`folder`). Every text from a
credential is escaped; what nobody said reads "not stated", never as a good answer.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from datasigil.report.terminal import size_text
from publisher_cli.keys import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from datasigil.credentials.types import Credential
    from publisher_cli.site.folder import Listed, Site

NOT_STATED = "not stated"
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#1d2733}"
    "h1{line-height:1.2}table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.35rem .5rem;"
    "border-bottom:1px solid #dde3ea}th{width:14rem;font-weight:600}td{overflow-wrap:anywhere}"
    "pre{background:#f2f5f8;padding:.8rem;overflow-x:auto}.good{background:#e6f4ea}.bad{background:#fce8e6}"
    ".good,.bad,.note{padding:.6rem .8rem;border-radius:.3rem}.note{background:#fef7e0}"
)
_STATES = {
    "active": ("good", "In force: neither withdrawn nor suspended, as of {time}."),
    "suspended": ("bad", "Suspended as of {time}: do not use it until it is lifted."),
    "revoked": ("bad", "Withdrawn for good as of {time}: do not use it."),
}
_TYPES = {
    "DatasetCredential": "Dataset",
    "DatasetLineageCredential": "How a dataset was made",
    "DatasetAuditCredential": "Audit, approval or review",
    "DatasetLicenseGrantCredential": "Licence to one grantee",
    "ModelTrainingCredential": "Trained model",
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
        link = f'<a href="{escape(one.name)}.html">{_text(_title(credential))}</a>'
        rows.append((link, f"{_text(_TYPES.get(credential.type, credential.type))}, {site.status_of(credential)}"))
    body = [
        f"<h1>Datasets of {_text(_host(site))}</h1>",
        (
            "<p>Each statement below is signed by its publisher, so that a copy of the data can be compared with what was published, "
            "and so that anybody can see whether it was withdrawn.</p>"
        ),
        _table(rows, header=("What", "Kind, state")) if rows else "<p>Nothing has been published here yet.</p>",
        (
            f"<p>Status and log were last signed on {_day(now)}. They are signed again at regular times; a check refuses what is older than a "
            "day online, or a week offline.</p>"
        ),
        _own_word(),
        (
            f'<p>For machines: <a href="{escape(site.address.document_path)}">DID document</a>, '
            '<a href="log/checkpoint">log checkpoint</a>, <a href="status/revocation.json">revocation list</a>, '
            '<a href="status/suspension.json">suspension list</a>.</p>'
        ),
    ]
    return _page(f"Datasets of {_host(site)}", body)


def dataset_page(site: Site, listed: Listed, now: datetime) -> str:
    """Return the page of one credential."""
    credential = site.credentials[listed.digest]
    kind, words = _STATES[site.status_of(credential)]
    changes = [
        (_text({True: "withdrawn", False: "resumed"}[one.value] if one.purpose == "revocation" or not one.value else "suspended"),
         f"{_text(str(one.created))}: {_text(one.reason)}")
        for _, one in site.requests(credential.digest)
    ]  # fmt: skip
    url = f"{site.address.base}/{listed.name}"
    body = [
        f"<h1>{_text(_title(credential))}</h1>",
        f'<p class="{kind}">{words.format(time=_day(now))}</p>',
        *([_table(changes)] if changes else []),
        *_about(credential),
        "<h2>Who says so</h2>",
        _table(_signer(site, credential)),
        _own_word(),
        "<h2>Check your copy</h2>",
        "<p>In a terminal, with <code>pip install datasigil</code>:</p>",
        (
            f"<pre>datasigil-verify fetch {_text(url)}.sigil.json\n"
            f"datasigil-verify trust add {_text(listed.name)}.sigil.json\n"
            f"datasigil-verify check {_text(listed.name)}.sigil.json --data FOLDER</pre>"
        ),
        "<p>The second command shows the fingerprint above and asks you first: compare it over another channel, such as the telephone.</p>",
        _downloads(listed),
    ]
    return _page(_title(credential), body)


def _about(credential: Credential) -> list[str]:
    if credential.type != "DatasetCredential":
        return ["<h2>What it says</h2>", _table(_flat(credential.subject))]
    subject = credential.subject
    parts = []
    if subject.get("role") == "observer":
        parts.append(
            '<p class="note">Observed: a user of this dataset computed these figures. Its publisher has said nothing here.</p>'
        )
    if subject.get("description"):
        parts.append(f"<p>{_text(subject['description'])}</p>")
    parts += ["<h2>At a glance</h2>", _table(_facts(subject))]
    measured = [
        (_text(_metric(str(one["metric"]))), f"{_text(one['value'])} <small>({_text(_WORDS[one['assurance']])}: {_text(one['method'])})</small>")
        for one in subject.get("qualityMeasurement", ())
    ]  # fmt: skip
    if measured:
        parts += ["<h2>Measured</h2>", _table(measured)]
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
    yield "Publisher", _said(subject["publisher"].get("name"))
    yield "Licence", f"{_said(licence['expression'])} <small>({_WORDS[licence['assurance']]})</small>"
    issued = _said(subject.get("issued"))
    yield "First published", issued if issued == NOT_STATED else f"{issued} <small>(by its own claim)</small>"
    yield "Version", _text(subject["version"])
    yield "Files", f"{manifest['fileCount']}, together {size_text(manifest['byteSize'])}"
    yield "Records", str(manifest["recordCount"]) if "recordCount" in manifest else "not counted"
    yield "Languages", _said(", ".join(subject.get("inLanguage", ())))
    period = subject.get("temporal")
    yield "Period", _said(f"{period['start']} to {period['end']}" if period else "")
    status = subject.get("personalData", {}).get("status", "unknown")
    yield "About living people", _PEOPLE.get(status, NOT_STATED)
    yield "Meant for", _said(", ".join(subject.get("intendedPurpose", ())))
    yield "Not to be used for", _said(", ".join(subject.get("prohibitedPurpose", ())))


def _signer(site: Site, credential: Credential) -> Iterable[tuple[str, str]]:
    yield "Signer", _text(credential.issuer)
    document = site.document
    for method in document.methods.values() if document is not None else ():
        yield "Key fingerprint", f"<code>{fingerprint(method.key.multibase)}</code>"
    yield "Signed from", _text(str(credential.valid_from))
    yield "Valid until", _text(str(credential.valid_until)) if credential.valid_until is not None else "no end"
    yield "Number", _text(credential.id)
    yield "Log entry", f"{site.index_of(credential.digest)} of {_text(site.address.origin)}"


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
            yield _text(label), _said(", ".join(str(one) for one in value) if isinstance(value, list) else str(value))


def _title(credential: Credential) -> str:
    subject = credential.subject
    if credential.type == "DatasetCredential":
        return f"{subject['name']} {subject['version']}"
    if credential.type == "DatasetAuditCredential":
        return f"{str(subject['attestationType']).capitalize()} by {subject['assessor'].get('name', credential.issuer)}"
    return f"{_TYPES.get(credential.type, credential.type)} ({credential.id[-8:]})"


def _host(site: Site) -> str:
    return site.address.base.partition("://")[2]


def _said(value: object) -> str:
    text = str(value or "")
    return NOT_STATED if text in ("", "unknown") else _text(text)


def _text(value: object) -> str:
    return escape("".join(one if one.isprintable() else " " for one in str(value)))


def _day(now: datetime) -> str:
    return f"{now:%Y-%m-%d %H:%M} UTC"


def _table(rows: Iterable[tuple[str, str]], header: tuple[str, str] | None = None) -> str:
    head = f'<tr><th scope="col">{header[0]}</th><th scope="col">{header[1]}</th></tr>' if header else ""
    body = "\n".join(f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' for name, value in rows)
    return f"<table>{head}{body}</table>"


def _page(title: str, body: list[str]) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">\n'
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )
