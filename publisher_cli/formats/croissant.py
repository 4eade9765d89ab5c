"""Croissant 1.1 (MLCommons): files with their SHA-256, and record sets for csv and jsonl files whose columns can be seen.

Here: writing it, such that `mlcroissant` reads it and can stream the records beside the data. Not here: reading Croissant (`sources.linked`).
The context is the one that `mlcroissant` itself writes: the specification's own spells schema.org otherwise, which that library refuses.
"""

from __future__ import annotations

import csv
import os
import re
from typing import TYPE_CHECKING, Any

from datasigil.datasets.tree import open_tree
from datasigil.encoding import GENERIC, parse_json
from datasigil.errors import MalformedError
from publisher_cli.formats.media_types import media_type

if TYPE_CHECKING:
    from pathlib import Path

    from datasigil.credentials.types import Credential
    from datasigil.datasets.entry import Manifest, ManifestEntry
    from datasigil.datasets.tree import Tree
    from datasigil.encoding import JsonObject

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
FIRST_LINE_MAX_BYTES = 1024 * 1024
COLUMNS_MAX = 1000
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*", re.ASCII)  # what may stand in an @id as it is
_CONTEXT: JsonObject = {
    "@language": "en", "@vocab": "https://schema.org/", "arrayShape": "cr:arrayShape", "citeAs": "cr:citeAs", "column": "cr:column",
    "conformsTo": "dct:conformsTo", "containedIn": "cr:containedIn", "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/", "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"}, "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract", "field": "cr:field",
    "fileProperty": "cr:fileProperty", "fileObject": "cr:fileObject", "fileSet": "cr:fileSet", "format": "cr:format",
    "includes": "cr:includes", "isArray": "cr:isArray", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath", "key": "cr:key",
    "md5": "cr:md5", "name": {"@container": "@language"}, "parentField": "cr:parentField", "path": "cr:path", "recordSet": "cr:recordSet",
    "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace", "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/", "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField", "transform": "cr:transform",
}  # fmt: skip
# Members of the vocabulary that Croissant RAI has as well.
_RAI = {
    "dataBiases": "rai:dataBiases", "limitations": "rai:dataLimitations", "annotationProtocol": "rai:dataAnnotationProtocol",
    "annotationPlatform": "rai:dataAnnotationPlatform", "maintenance": "rai:dataReleaseMaintenancePlan",
}  # fmt: skip


def document(credential: Credential, manifest: Manifest, data: Path | None) -> JsonObject:
    """Return the Croissant document of a dataset; with its folder at hand, record sets as well."""
    subject = credential.subject
    made: JsonObject = {
        "@context": _CONTEXT, "@type": "sc:Dataset", "conformsTo": CONFORMS_TO, "name": subject["name"],
        "description": subject.get("description") or f"{subject['name']}; its publisher describes it no further.",
        "version": subject["version"], "identifier": credential.id, "sameAs": subject["id"],
        "publisher": _party(subject["publisher"]), "isLiveDataset": subject.get("isLiveDataset", False),
    }  # fmt: skip
    licence = subject["license"]["expression"]
    if licence != "unknown":
        made["license"] = _license(licence)
    if subject.get("issued", "unknown") != "unknown":
        made["datePublished"] = subject["issued"]
    if subject.get("creator"):
        made["creator"] = [_party(one) for one in subject["creator"]]
    languages = [one for one in subject.get("inLanguage", ()) if one != "unknown"]
    made |= {"inLanguage": languages} if languages else {}
    source = subject.get("observation", {}).get("sourceUrl")
    made["url"] = source or credential.id
    made |= {name: subject[member] for member, name in _RAI.items() if subject.get(member, "unknown") != "unknown"}
    made["distribution"] = [_file(number, entry) for number, entry in enumerate(manifest.entries)]
    records = _record_sets(manifest, data) if data is not None else []
    return made | ({"recordSet": records} if records else {})


def _party(party: dict[str, Any]) -> JsonObject:
    return {"@type": "sc:Organization", "name": party.get("name", "unknown")} | (
        {"url": party["id"]} if "id" in party else {}
    )


def _license(expression: str) -> str:
    """Return the licence as SPDX's own URL where it is one plain identifier, else as the expression."""
    plain = re.fullmatch(r"[A-Za-z0-9.+-]+", expression) and not expression.startswith("LicenseRef-")
    return f"https://spdx.org/licenses/{expression}" if plain else expression


def _file(number: int, entry: ManifestEntry) -> JsonObject:
    return {
        "@type": "cr:FileObject", "@id": f"file-{number}", "name": entry.path, "contentUrl": entry.path,
        "contentSize": f"{entry.size} B", "encodingFormat": media_type(entry.path), "sha256": entry.sha256,
    }  # fmt: skip


# Record sets ----------------------------------------------------------------------------------------------------------


def _record_sets(manifest: Manifest, data: Path) -> list[JsonObject]:
    sets = []
    with open_tree(data) as tree:
        for number, entry in enumerate(manifest.entries):
            columns = _columns(tree, entry.path)
            if columns:
                sets.append(_record_set(number, entry.path, columns))
    return sets


def _record_set(number: int, path: str, columns: dict[str, str]) -> JsonObject:
    identifier = path if _PLAIN.fullmatch(path) else f"records-{number}"
    fields: list[JsonObject] = [
        {
            "@type": "cr:Field", "@id": f"{identifier}/{name if _PLAIN.fullmatch(name) else position}", "name": name, "dataType": kind,
            "source": {"fileObject": {"@id": f"file-{number}"}, "extract": {"column": name}},
        }
        for position, (name, kind) in enumerate(columns.items())
    ]  # fmt: skip
    return {"@type": "cr:RecordSet", "@id": identifier, "name": path, "field": fields}


def _columns(tree: Tree, path: str) -> dict[str, str]:
    """Return the columns of a csv, tsv or jsonl file by its first line, with their Croissant types; empty for other files."""
    name = path.lower()
    if not name.endswith((".csv", ".tsv", ".jsonl", ".ndjson")):
        return {}
    with os.fdopen(tree.open(path), "rb") as file:
        line = file.readline(FIRST_LINE_MAX_BYTES)
    try:
        text = line.decode("utf-8-sig").strip("\r\n")
        if name.endswith((".csv", ".tsv")):
            columns = next(csv.reader([text], delimiter="\t" if name.endswith(".tsv") else ",", strict=True), [])
            good = (
                len(columns) <= COLUMNS_MAX
                and len(set(columns)) == len(columns)
                and all(one.strip() for one in columns)
            )
            return dict.fromkeys(columns, "sc:Text") if good else {}
        first = parse_json(text.encode(), max_bytes=FIRST_LINE_MAX_BYTES, profile=GENERIC)
    except (UnicodeDecodeError, MalformedError, csv.Error):
        return {}  # not a table after all; its bytes are listed all the same
    return (
        {key: _kind(value) for key, value in first.items()}
        if isinstance(first, dict) and len(first) <= COLUMNS_MAX
        else {}
    )


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "sc:Boolean"
    return "sc:Integer" if isinstance(value, int) else "sc:Float" if isinstance(value, float) else "sc:Text"
