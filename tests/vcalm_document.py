"""What W3C's OpenAPI document of VCALM demands of the answers that a registry of ours gives, read from a checkout of w3c/vcalm.

The operations that we serve are kept, with every schema that they reach, references between files made into references inside one;
descriptions and examples are left out. Nothing is added or loosened. The document itself is W3C's and is not part of this repository.
"""

from pathlib import Path
from typing import Any

import yaml

SERVED = {
    "/credentials/issue": ["post"],
    "/credentials/status": ["post"],
    "/credentials/verify": ["post"],
    "/presentations/verify": ["post"],
    "/credentials/{id}": ["get"],
    "/status-lists": ["post"],
    "/status-lists/{id}": ["get"],
    "/challenges": ["post"],
}
DROPPED = ("description", "example", "examples")


class Bundle:
    """One document made of several files; schemas are named by their last pointer segment and their file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.schemas: dict[str, Any] = {}

    def load(self, path: Path) -> Any:
        return yaml.safe_load(path.read_text(encoding="utf-8"))

    def resolved(self, value: Any, file: Path, *, names: bool = False) -> Any:
        """`value` with its references made local; below `properties` every key is a name and none is dropped."""
        if isinstance(value, list):
            return [self.resolved(one, file) for one in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            return {"$ref": f"#/components/schemas/{self.named(value['$ref'], file)}"}
        return {
            key: self.resolved(one, file, names=key == "properties" and not names)
            for key, one in value.items()
            if names or key not in DROPPED
        }

    def named(self, reference: str, file: Path) -> str:
        where, _, pointer = reference.partition("#")
        source = (file.parent / where).resolve() if where else file
        name = f"{pointer.rsplit('/', 1)[-1]}.{source.stem}"
        if name not in self.schemas:
            self.schemas[name] = {}  # a schema may refer to itself
            found = self.load(source)
            for segment in pointer.strip("/").split("/"):
                found = found[segment]
            self.schemas[name] = self.resolved(found, source)
        return name


def vcalm_document(checkout: Path) -> dict[str, Any]:
    """Return `paths` (path, method, status, schema) and `components` of the document in a checkout."""
    file = (checkout / "oas.yaml").resolve()
    bundle = Bundle(checkout)
    document = bundle.load(file)
    paths: dict[str, Any] = {}
    for path, methods in SERVED.items():
        for method in methods:
            answers = {}
            for status, answer in document["paths"][path][method]["responses"].items():
                schema = answer.get("content", {}).get("application/json", {}).get("schema")
                answers[status] = {} if schema is None else {"schema": bundle.resolved(schema, file)}
            paths.setdefault(path, {})[method] = answers
    return {"paths": paths, "components": {"schemas": bundle.schemas}}
