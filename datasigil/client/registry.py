"""A registry's HTTP API as functions.

Here: requests, strict parsing of answers, refusals (RFC 9457) as errors. Not here: sockets (`fetch`), what an answer proves
(`verification`), private keys (a login presentation comes signed).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from datasigil.bundle import Bundle, parse_bundle
from datasigil.canonical import jcs
from datasigil.encoding import GENERIC, JsonObject, parse_json
from datasigil.errors import DatasigilError, MalformedError
from datasigil.limits import BUNDLE_MAX_BYTES, CREDENTIAL_MAX_BYTES, MANIFEST_MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from datasigil.fetch import Fetcher, Response

ANSWER_MAX_BYTES: Final = 4 * 1024 * 1024


class RegistryError(DatasigilError):
    """A registry's refusal (RFC 9457); `status` is the HTTP status, `retry_after` in seconds where it was told."""

    def __init__(self, code: str, message: str, *, status: int, retry_after: int | None = None, **details: str) -> None:
        super().__init__(code, message, **details)
        self.status = status
        self.retry_after = retry_after

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed later without anybody changing it."""
        return self.status >= 500 or self.status == 429


class RegistryClient:
    """One registry's HTTP API as functions; answers are parsed strictly and nothing in them is verified here.

    Every function raises RegistryError for a refusal, FetchError when the registry cannot be reached, and MalformedError for an
    answer that is not what the API promises.
    """

    def __init__(self, url: str, fetcher: Fetcher, *, token: str | None = None) -> None:
        self.url, self.fetcher, self._token = url.rstrip("/"), fetcher, token

    def describe(self) -> JsonObject:
        """Return the registry's description of itself: `did`, `name`, `log` with `origin`, `url`, `key`, `timeKey`."""
        return self._object(self._get("/.well-known/datasigil-registry.json"), ("did", "log"))

    def challenge(self) -> JsonObject:
        """Return a fresh challenge: `challenge`, `domain`, `expires`."""
        return self._object(self._post("/challenges", {}, secret=False), ("challenge", "domain"))

    def token(self, presentation: JsonObject, *, name: str, scopes: Sequence[str]) -> JsonObject:
        """Trade a signed presentation for a token: `token`, `did`, `scopes`, `expires`, `statusLists`, `statusIssuer`, `log`."""
        body = {"verifiablePresentation": presentation, "name": name, "scopes": list(scopes)}
        wanted = ("token", "did", "expires", "statusLists", "statusIssuer", "log")
        return self._object(self._post("/tokens", body, secret=False), wanted)

    def register(
        self, credential: JsonObject, *, manifest: JsonObject | None = None, public_manifest: bool = False
    ) -> JsonObject:
        """Register a signed credential, which is safe to repeat; return `id`, `digest`, `logIndex`, `bundle`."""
        body: JsonObject = {"credential": credential}
        if manifest is not None:
            body |= {"manifest": manifest, "publicManifest": public_manifest}
        return self._object(self._post("/credentials", body), ("id", "digest", "logIndex"))

    def change_status(self, request: JsonObject) -> JsonObject:
        """Hand in a signed StatusChangeRequest; return `status`, `changed` and, where it was logged, `logIndex`."""
        return self._object(self._post("/credentials/status", request), ("status",))

    def rotate_key(self, request: JsonObject) -> JsonObject:
        """Hand in a signed KeyRotationRequest, which is safe to repeat; return `changed` and `logIndex`."""
        return self._object(self._post("/key-rotations", request, secret=False), ("changed", "logIndex"))

    def credential(self, identifier: str) -> JsonObject:
        """Return a registered credential, given its id or digest; its proof is not checked here."""
        answer = self._get(f"/credentials/{quote(identifier, safe='')}", max_bytes=CREDENTIAL_MAX_BYTES)
        document = parse_json(answer.body, profile=GENERIC)
        if not isinstance(document, dict):
            raise _answer_form(answer, "a credential")
        return document

    def bundle(self, identifier: str) -> Bundle:
        """Return a credential's evidence bundle as the registry puts it together now; nothing in it is checked here."""
        return parse_bundle(
            self._get(f"/credentials/{quote(identifier, safe='')}/bundle", max_bytes=BUNDLE_MAX_BYTES).body
        )

    def manifest(self, digest: str) -> bytes:
        """Return the bytes of a public manifest, given their SHA-256 in hex."""
        return self._get(f"/manifests/{quote(digest, safe='')}", max_bytes=MANIFEST_MAX_BYTES).body

    def search(self, parameters: Mapping[str, str]) -> JsonObject:
        """Return one page of a search: `items` and, when there is more, `next`."""
        asked = {name: value for name, value in parameters.items() if value}
        return self._object(self._get("/credentials?" + urlencode(asked)), ("items",))

    def lookup(self, digest: str) -> JsonObject:
        """Return what is registered under a SHA-256: `items`, `complete`."""
        return self._object(self._get("/lookup?" + urlencode({"sha256": digest})), ("items",))

    def lineage(self, identifier: str) -> JsonObject:
        """Return what a credential descends from: `nodes`, `edges`, `missing`, `complete`."""
        return self._object(self._get(f"/credentials/{quote(identifier, safe='')}/lineage"), ("nodes", "edges"))

    def impact(self, identifier: str, *, cursor: str = "") -> JsonObject:
        """Return one page of what names a credential: `items` and, when there is more, `next`."""
        page = f"?{urlencode({'cursor': cursor})}" if cursor else ""
        return self._object(self._get(f"/credentials/{quote(identifier, safe='')}/impact{page}"), ("items",))

    def _get(self, path: str, *, max_bytes: int = ANSWER_MAX_BYTES) -> Response:
        return accepted(
            self.fetcher.get(self.url + path, max_bytes=max_bytes, accept="application/json, application/vc")
        )

    @property
    def authorization(self) -> Mapping[str, str]:
        """The header that says who asks; none without a token."""
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def _post(
        self, path: str, body: JsonObject, *, secret: bool = True, headers: Mapping[str, str] | None = None
    ) -> Response:
        sent = {**(self.authorization if secret else {}), **(headers or {})}
        return accepted(self.fetcher.post(self.url + path, jcs(body), headers=sent, max_bytes=ANSWER_MAX_BYTES))

    def _object(self, answer: Response, members: Sequence[str]) -> JsonObject:
        document = parse_json(answer.body, max_bytes=ANSWER_MAX_BYTES, profile=GENERIC)
        if not isinstance(document, dict) or any(name not in document for name in members):
            raise _answer_form(answer, f"an object with {', '.join(members)}")
        return document


def accepted(answer: Response) -> Response:
    """Return a registry's answer unless it is a refusal, which is raised as RegistryError."""
    if answer.status in (200, 201):
        return answer
    try:
        problem = parse_json(answer.body, max_bytes=ANSWER_MAX_BYTES, profile=GENERIC)
    except MalformedError:
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    after = answer.headers.get("retry-after", "")
    raise RegistryError(
        str(problem.get("code") or f"HTTP_{answer.status}")[:60],
        str(problem.get("detail") or problem.get("title") or "the registry refused")[:500],
        status=answer.status,
        retry_after=int(after) if after.isdecimal() and len(after) < 6 else None,
        place=str(problem.get("pointer") or answer.url)[:200],
        expected=str(problem.get("expected") or "")[:500],
        found=f"HTTP {answer.status}",
        next_action=str(problem.get("nextAction") or "")[:500],
    )


def _answer_form(answer: Response, expected: str) -> MalformedError:
    return MalformedError(
        "REGISTRY_ANSWER", "the registry's answer is not what its API promises", place=answer.url[:200], expected=expected,
        next_action="check that the address is a datasigil registry's",
    )  # fmt: skip


__all__ = ["RegistryClient", "RegistryError", "accepted"]
