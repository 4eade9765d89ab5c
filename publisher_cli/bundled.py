"""The lineage that a bundle itself holds, as a graph like the registry's; nobody is asked, and nothing is verified.

Here: credentials in a bundle as nodes, the datasets that they name as edges. Not here: showing a graph (`asking`, `drawing`), whether any
of it holds (`datasigil-verify check`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasigil.bundle import parse_bundle, read_file
from datasigil.credentials.types import parse_credential
from datasigil.errors import DatasigilError, MalformedError
from datasigil.limits import BUNDLE_MAX_BYTES
from datasigil.verification.lineage import references

if TYPE_CHECKING:
    from datasigil.bundle import Bundle
    from datasigil.credentials.types import Credential

UNASKED = "not asked"
_RELATIONS = {"DatasetLineageCredential": "used", "ModelTrainingCredential": "trained with"}


def graph_of(path: Path) -> dict[str, Any]:
    """Return `credential`, `nodes`, `edges` and `missing` of the bundle in a file, as the registry's answer has them.

    Raises:
        DatasigilError: UNREADABLE. MalformedError: the parser's codes.
    """
    try:
        return graph_of_bundle(parse_bundle(read_file(path, BUNDLE_MAX_BYTES)))
    except OSError as error:
        raise DatasigilError(
            "UNREADABLE", f"the bundle cannot be read: {error.strerror}", place=str(path), expected="a bundle", next_action="check the path, or ask the registry without --offline"
        ) from None  # fmt: skip
    except MalformedError as error:
        error.place = f"{path}: {error.place}" if error.place else str(path)
        error.next_action = error.next_action or "name a bundle: a credential alone holds no parents"
        raise


def graph_of_bundle(bundle: Bundle) -> dict[str, Any]:
    """Return the graph of a bundle, as `graph_of`.

    Raises:
        MalformedError: the parser's codes.
    """
    found = {one.digest: one for one in (parse_credential(part.credential) for part in bundle.walk())}
    start = parse_credential(bundle.credential)
    edges: list[dict[str, str]] = []
    reached, pending = {start.digest: None}, [start]
    while pending:
        child = pending.pop()
        for one in references(child):
            edges.append({"child": child.digest, "parent": one.digest, "relation": _RELATIONS.get(child.type, "derivedFrom")})  # fmt: skip
            if one.digest not in reached:
                reached[one.digest] = None
                pending += [found[one.digest]] if one.digest in found else []
    return {
        "credential": start.id,
        "nodes": [_node(found[digest]) for digest in reached if digest in found],
        "edges": edges,
        "missing": [digest for digest in reached if digest not in found],
        "complete": True,
    }


def _node(credential: Credential) -> dict[str, Any]:
    subject = credential.subject
    said = {name: subject[name] for name in ("name", "version") if isinstance(subject.get(name), str)}
    licence = subject.get("license")
    return {
        "id": credential.id,
        "digest": credential.digest,
        "type": credential.type,
        **said,
        **({"license": licence["expression"]} if isinstance(licence, dict) else {}),
        "status": UNASKED,
    }
