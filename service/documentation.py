"""What the OpenAPI document says beyond what FastAPI derives.

Lives here: request bodies (which endpoints read as raw bytes, so FastAPI does not see them), documented problems, response
headers, and the export. Not here: the endpoints. Spec: OpenAPI 3.1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.problems import PROBLEM_TYPE, ProblemBody, RefusedBody

REF = "#/components/schemas/{model}"
Responses = dict[int | str, dict[str, Any]]


def body_of(
    model: type[BaseModel],
    example: Mapping[str, Any],
    *,
    media_type: str = "application/json",
    required: bool = True,
) -> dict[str, Any]:
    """The `openapi_extra` of an endpoint that reads `model` from the raw body."""
    schema = _without_null(model.model_json_schema(ref_template=REF))
    definitions = schema.pop("$defs", {})
    content = {media_type: {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}, "example": dict(example)}}
    return {
        "requestBody": {"required": required, "content": content},
        "x-definitions": {**definitions, model.__name__: schema},
    }


def _without_null(schema: Any) -> Any:
    """A request's schema as strict JSON allows it: a member that is not given is left out, never null."""
    if isinstance(schema, list):
        return [_without_null(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _without_null(value) for key, value in schema.items() if not (key == "default" and value is None)}
    choices = [one for one in kept.get("anyOf", ()) if one != {"type": "null"}]
    if len(choices) == 1:
        del kept["anyOf"]
        kept = {**choices[0], **kept}
    return kept


def problems(*statuses: int) -> Responses:
    """Documented problem responses."""
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}
    texts = {
        304: "Not modified",
        400: "Malformed request",
        401: "No valid token",
        403: "Not allowed",
        404: "Not found",
        409: "Conflict",
        413: "Body too large",
        415: "Unsupported body type",
        422: "Refused content",
        429: "Too many requests",
        500: "Fault of the registry",
        503: "Not possible now",
        507: "Storage full",
    }
    found: Responses = {status: {"description": texts[status], "content": content} for status in statuses}
    if 304 in found:
        found[304] = {"description": texts[304]}
    return found


def refused() -> Responses:
    """The documented 400 of a verification that failed."""
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/RefusedBody"}}}
    return {400: {"description": "Malformed request, or not verified", "content": content}}


READ_PROBLEMS = problems(429, 503)
WRITE_PROBLEMS = problems(400, 413, 415, 422, 429, 503, 507)


def binary(description: str, media_type: str, status: int = 200) -> Responses:
    """A response whose bytes are not described by a schema."""
    return {status: {"description": description, "content": {media_type: {"schema": {"type": "string"}}}}}


def signed_document(description: str, *media_types: str) -> Responses:
    """A response that is a signed JSON document, served byte for byte as stored; plain JSON where no type is named."""
    content = {media_type: {"schema": {"type": "object"}} for media_type in media_types or ("application/json",)}
    return {200: {"description": description, "content": content}}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of an app, complete with request bodies and problems."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, openapi_version="3.1.0"
    )
    components = document.setdefault("components", {}).setdefault("schemas", {})
    for path in document["paths"].values():
        for operation in path.values():
            components.update(operation.pop("x-definitions", {}))
            _drop_derived_validation(operation)
    _, definitions = models_json_schema(
        [(ProblemBody, "serialization"), (RefusedBody, "serialization")], ref_template=REF
    )
    components.update(definitions.get("$defs", {}))
    for unused in ("HTTPValidationError", "ValidationError"):
        components.pop(unused, None)
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    app.openapi_schema = document
    return document


def _drop_derived_validation(operation: dict[str, Any]) -> None:
    """FastAPI documents a 422 of its own form for every parameter; ours is the problem, and for parameters it is 400."""
    responses = operation["responses"]
    derived = responses.get("422", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if derived.get("$ref", "").endswith("HTTPValidationError"):
        del responses["422"]
        responses.setdefault("400", problems(400)[400])


def export_text(app: FastAPI) -> str:
    """The committed form of the document."""
    return json.dumps(describe(app), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def differs(app: FastAPI, path: Path) -> bool:
    """Whether the committed document is not the app's."""
    try:
        return path.read_text(encoding="utf-8") != export_text(app)
    except OSError:
        return True
