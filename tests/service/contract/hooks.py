"""What schemathesis cannot invent: tokens, signatures, and the names of things that are registered.

Here: hooks for `st run`, loaded in its process. Not here: which checks run (`schemathesis.toml`). Half of the cases that follow the
schema keep what schemathesis made up; the other half get real documents, so that the code behind the parser runs too.
"""

import json
import os
import random
from pathlib import Path
from typing import Any

import httpx
import schemathesis
from registry_process import LivePublisher, RegistryProcess

from datasigil.canonical import document_digest
from datasigil.signing import LocalSigner

registry = RegistryProcess(Path(os.environ["REGISTRY_FOLDER"]), port=int(os.environ["REGISTRY_PORT"]))
publisher = LivePublisher(
    registry,
    LocalSigner.from_seed(os.environ["REGISTRY_OPERATOR_SEED"].encode()),
    asked={"scopes": ["publish", "status", "issue", "train", "work"]},
)
chance = random.Random(20261125)
published = [publisher.publish(), publisher.publish()]
one = publisher.credential()
published.append(publisher.publish(one, manifest=publisher.manifest(one), publicManifest=True))
digest = one["credentialSubject"]["manifest"]["digest"]
slug = publisher.reply["statusLists"]["revocation"].split("/")[-2]
recipe = json.loads(
    (Path(__file__).parents[3] / "openapi/openapi.json").read_text("utf-8")
)["paths"]["/training/jobs"]["post"]["requestBody"]["content"]["application/json"]["example"]["recipe"]  # fmt: skip
leases: list[dict[str, Any]] = []
WORKERS = ("contract-a", "contract-b")


def leased() -> dict[str, Any]:
    """A lease of some worker: a new one, or one that may be lost by now."""
    if not leases or chance.random() < 0.5:
        httpx.post(f"{registry.url}/training/jobs", json={"recipe": recipe}, headers=publisher.headers, timeout=20)
        worker = chance.choice(WORKERS)
        answer = httpx.post(
            f"{registry.url}/training/claims", json={"worker": worker}, headers=publisher.headers, timeout=20
        )
        if "job" in answer.json():
            leases.append(
                {"id": answer.json()["job"]["id"], "attempt": answer.json()["job"]["attempt"], "worker": worker}
            )
    return chance.choice(leases[-3:])


@schemathesis.auth()
class Token:
    def get(self, case: schemathesis.Case, context: schemathesis.AuthContext) -> str:
        return str(publisher.reply["token"])

    def set(self, case: schemathesis.Case, data: str, context: schemathesis.AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.deserializer("application/vc")
def credential(ctx: Any, response: Any) -> Any:
    return json.loads(response.content)


def body_of(label: str) -> Any:
    """A body that this operation accepts; None where schemathesis makes good ones itself."""
    if label == "POST /credentials":
        fresh = publisher.credential()
        published.append(fresh)
        return {"credential": fresh, "manifest": publisher.manifest(fresh), "publicManifest": chance.random() < 0.5}
    if label == "POST /credentials/status":
        document = chance.choice(published)
        return publisher.status_request(document, chance.choice(["revocation", "suspension"]))
    if label == "POST /credentials/verify":
        return {"verifiableCredential": chance.choice(published), "options": {}}
    if label == "POST /training/jobs":
        return {"recipe": recipe, "public": chance.random() < 0.5}
    if label == "POST /training/claims":
        return {"worker": chance.choice(WORKERS)}
    if label == "POST /tokens":
        return registry.login_body(publisher.signer)
    return None


@schemathesis.hook
def before_call(context: Any, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    if case.meta is None or not case.meta.generation.mode.is_positive or chance.random() < 0.5:
        return
    label = case.operation.label
    path, query = case.path_parameters, case.query
    if "credential_id" in path:
        document = chance.choice(published)
        path["credential_id"] = chance.choice([document["id"], document_digest(document)])
    if label == "GET /manifests/{digest}":
        path["digest"] = digest
    if label == "GET /lookup":
        query["sha256"] = digest
    if label == "GET /status-lists/{slug}/{purpose}":
        path.update(slug=slug, purpose=chance.choice(["revocation", "suspension"]))
    if label == "GET /log/tile/{tile}":
        path["tile"] = chance.choice(["0/000.p/1", "0/000.p/2", "entries/000.p/3"])
    if label == "GET /log/proof":
        query["index"] = chance.randrange(3)
    if label == "GET /log/consistency":
        query["old"] = 1 + chance.randrange(3)
    if label == "DELETE /tokens/{token_id}":
        answer = httpx.post(f"{registry.url}/tokens", json=registry.login_body(publisher.signer), timeout=20)
        path["token_id"] = answer.json().get("id", "none")  # none while a hundred are live
    if "job_id" in path:
        lease = leased()
        path["job_id"] = lease["id"]
        if isinstance(case.body, dict) and "attempt" in case.body:
            case.body |= {"attempt": lease["attempt"], "worker": lease["worker"]}
    body = body_of(label) if case.media_type == "application/json" else None
    if body is not None:
        case.body = body
