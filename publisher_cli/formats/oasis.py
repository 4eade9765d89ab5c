"""OASIS Data Provenance Metadata 1.0 (CSD02): set, source, provenance and use of a dataset.

Here: writing it, such that the OASIS schema accepts it. Not here: reading it. The standard demands some statements that nobody may have
made: where it has a word for that (`other`) it is used with "not stated"; a date has none, and then there is no export.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from datasigil import __version__
from datasigil.credentials.did import parse_did_web
from datasigil.errors import DatasigilError, MalformedError
from publisher_cli.formats.media_types import media_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from datasigil.credentials.types import Credential
    from datasigil.datasets.entry import Manifest
    from datasigil.encoding import JsonObject

SCHEMA = "https://docs.oasis-open.org/dps/prov-meta/v1.0/schema/data-provenance.json"
NOT_STATED = "not stated"
# Every format that the standard knows; others are `other`.
_FORMATS = {
    "application/json", "application/msword", "application/vnd.ms-excel", "application/zip", "image/bmp", "image/gif", "image/jpeg",
    "image/png", "text/csv", "text/plain",
}  # fmt: skip
_JSON_TOO = {"application/jsonlines": "application/json"}
_PURPOSES = {
    "alignment", "evaluation", "other", "pre-training", "production", "quality-assurance", "research", "staging-testing",
    "synthetic-data-generation",
}  # fmt: skip
_VERSION = re.compile(
    r"(0|[1-9][0-9]*)\Z|(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-[0-9a-zA-Z][0-9a-zA-Z.-]*)?(?:\+[0-9a-zA-Z.-]+)?\Z",
    re.ASCII,
)


def document(credential: Credential, manifest: Manifest) -> JsonObject:
    """Return the OASIS document of a dataset.

    Raises:
        DatasigilError: EXPORT_LACKS, naming the key of the description that has to be filled first.
    """
    return {
        "$schema": SCHEMA,
        "set": _set(credential),
        "source": _source(credential),
        "provenance": _provenance(credential, manifest),
        "use": _use(credential.subject),
    }


def _set(credential: Credential) -> JsonObject:
    subject, signed = credential.subject, str(credential.valid_from)
    version = _version(subject["version"])
    return {
        "category": "training-data", "schema-version": "1.0",
        "publisher": {"name": _known(subject["publisher"].get("name")) or NOT_STATED, "namespace": _namespace(credential)},
        "label": f"{subject['name']} {subject['version']}",
        "tracking": {
            "current-release-date": signed, "initial-release-date": signed, "id": credential.id, "status": "final", "version": version,
            "revision-history": [{"date": signed, "number": version, "summary": "As signed in the credential of this id."}],
            "generator": {"engine": {"name": "datasigil", "version": __version__}},
        },
    }  # fmt: skip


def _source(credential: Credential) -> JsonObject:
    subject, manifest = credential.subject, credential.subject["manifest"]
    purposes = ", ".join(subject.get("intendedPurpose", ()))
    about = {"content": subject.get("description") or NOT_STATED, "purpose": _known(purposes) or NOT_STATED}
    about |= {"scope": subject["limitations"]} if _known(subject.get("limitations")) else {}
    identity: JsonObject = {
        "custom-ids": [
            {"method": "SHA-256 of the manifest", "tool": f"datasigil {__version__}", "value": manifest["digest"]},
            {"method": "RFC 9162 root of the manifest", "tool": f"datasigil {__version__}", "value": manifest["root"]},
            {"method": "SHA-256 of the credential", "tool": f"datasigil {__version__}", "value": credential.digest},
        ]
    }
    found = re.fullmatch(r"urn:uuid:([0-9a-f-]{36})", subject["id"])
    identity |= {"uuids": [found[1]]} if found else {"uris": [subject["id"]]}
    if "omsRoot" in manifest:
        identity["hashes"] = [{"path": ".", "tree-hashes": [{"algorithm": "sha256", "value": manifest["omsRoot"]}]}]
    return {
        "about": about, "id": identity, "issuer": [{"legal-name": _known(subject["publisher"].get("name")) or NOT_STATED}],
        "location": subject.get("observation", {}).get("sourceUrl") or credential.id, "name": subject["name"],
        "data-version": _version(subject["version"]),
    }  # fmt: skip


def _provenance(credential: Credential, manifest: Manifest) -> JsonObject:
    subject = credential.subject
    issued = _known(subject.get("issued"))
    if not issued:
        raise DatasigilError(
            "EXPORT_LACKS", "OASIS asks for the date of the data, and nobody has stated one", place="provenance/date", expected="a date",
            found="unknown", next_action='write issued = "YYYY-MM-DD" into the description, then issue again',
        )  # fmt: skip
    made: JsonObject = {
        "date": issued,
        "origin-geography": [_region(one) for one in _listed(subject.get("originGeography"))] or [{"country": NOT_STATED}],
        "generation-method": [
            {"code": one, "long-description": NOT_STATED} for one in _listed(subject.get("generationMethod"))
        ] or [{"code": "other", "long-description": NOT_STATED}],
        "format": sorted({_format(entry.path) for entry in manifest.entries}),
    }  # fmt: skip
    period = subject.get("temporal", {})
    if _known(period.get("start")) and _known(period.get("end")):
        made["generation-period"] = {"start": f"{period['start']}T00:00:00Z", "end": f"{period['end']}T00:00:00Z"}
    source = subject.get("observation", {}).get("sourceUrl")
    return made | ({"source": source} if source else {})


def _use(subject: Mapping[str, Any]) -> JsonObject:
    made: JsonObject = {
        "intended-purpose": [_purpose(one) for one in _listed(subject.get("intendedPurpose"))] or [_purpose("")]
    }
    classes = [
        {"regulation": {"code": one["regulation"]}, "evaluated": one["evaluated"]} | ({"tool": one["tool"]} if "tool" in one else {})
        for one in subject.get("classification", ())
    ]  # fmt: skip
    made |= {"classification": classes} if classes else {}
    licence = _known(subject["license"]["expression"])
    made |= {"license": [licence]} if licence else {}
    for member, (allowed, denied) in {
        "processingGeography": ("processing-included", "processing-excluded"),
        "storageGeography": ("storage-allowed", "storage-forbidden"),
    }.items():
        rule = subject.get(member, {})
        made |= {allowed: [_region(one) for one in rule["allowed"]]} if rule.get("allowed") else {}
        made |= {denied: [_region(one) for one in rule["denied"]]} if rule.get("denied") else {}
    return made


def _purpose(code: str) -> JsonObject:
    if code in _PURPOSES:
        return {"code": code, "long-description": f"The publisher means it for {code}."}
    # The standard has no word for fine-tuning (vocabulary.md, "Independent validators").
    return {"code": "other", "long-description": code or NOT_STATED}


def _namespace(credential: Credential) -> str:
    if credential.issuer.startswith("did:web:"):
        try:
            return (
                parse_did_web(credential.issuer, allow_loopback=True)
                .removesuffix("did.json")
                .removesuffix(".well-known/")
            )
        except MalformedError:
            pass  # the DID itself is a URI as well
    return credential.issuer


def _region(code: str) -> JsonObject:
    country, _, state = code.partition("-")
    return {"country": country} | ({"state": state} if state else {})


def _format(path: str) -> str:
    kind = media_type(path)
    kind = _JSON_TOO.get(kind, kind)
    return kind if kind in _FORMATS else "other"


def _version(text: str) -> str:
    """Return a version that the standard accepts; any other is carried as the build part of 0.0.0, so that nothing is lost or made up."""
    if _VERSION.match(text):
        return text
    return "0.0.0+" + (re.sub(r"[^0-9A-Za-z.-]+", "-", text).strip("-.") or "unversioned")


def _listed(values: Iterable[str] | None) -> list[str]:
    return [one for one in values or () if one != "unknown"]


def _known(text: object) -> str:
    return "" if text in (None, "unknown") else str(text)
