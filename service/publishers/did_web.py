"""Documents of did:web, fetched for those who log in with one and for what they sign.

Lives here: fetching a DID document over checked addresses, remembering it for a short while, and the key resolver over did:key and did:web. Not
here: the address of a document (`datasigil.credentials.did`) and which addresses may be reached (`datasigil.fetch`). Spec: did:web (W3C CCG,
2023-05), Controlled Identifiers 1.0.

Control of the web address is what such a login proves, and all that it proves: verifiers trust the keys that they pinned. A key that is taken
out of the document stops working here within `DID_WEB_KEPT_SECONDS`.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from datasigil.credentials.did import DidDocument, did_key_resolver, parse_did_document, parse_did_web, split_did_url
from datasigil.credentials.keys import PublicKey
from datasigil.credentials.proof import KeyResolver
from datasigil.encoding import GENERIC, parse_json
from datasigil.errors import DatasigilError
from datasigil.fetch import Fetcher, FetchError
from service.limits import (
    DID_DOCUMENT_MAX_BYTES,
    DID_WEB_FETCHES_MAX,
    DID_WEB_KEPT_ENTRIES,
    DID_WEB_KEPT_SECONDS,
    DID_WEB_WAIT_SECONDS,
)
from service.problems import Problem

_OK = 200


class DidWebDocuments:
    """Fetches DID documents of did:web, a few at a time; what was fetched, or failed, is remembered for a short while."""

    def __init__(
        self, fetcher: Fetcher, *, allow_loopback: bool, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetcher = fetcher
        self._allow_loopback = allow_loopback
        self._monotonic = monotonic
        self._slots = threading.BoundedSemaphore(DID_WEB_FETCHES_MAX)
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[float, DidDocument | DatasigilError]] = OrderedDict()

    def keys_of(self, did: str) -> KeyResolver:
        """A `KeyResolver` for did:key methods and for those of this did:web; no other document is fetched, whatever a proof names."""

        def key(verification_method: str, purpose: str) -> PublicKey:
            controller, _ = split_did_url(verification_method)
            if controller != did or not did.startswith("did:web:"):
                return did_key_resolver(verification_method, purpose)
            return self.document(did).method_for(verification_method, purpose).key

        return key

    def address(self, did: str) -> str:
        """Where the document of a did:web lies; nothing is fetched.

        Raises:
            MalformedError: DID, for one that cannot be resolved safely.
        """
        return parse_did_web(did, allow_loopback=self._allow_loopback)

    def document(self, did: str) -> DidDocument:
        """The DID document of a did:web.

        Raises:
            MalformedError: DID, for one that cannot be resolved safely; nothing is fetched then.
            Problem: DID_DOCUMENT (422), when it cannot be had or is none; BUSY, while too many are being fetched.
        """
        url = self.address(did)
        found = self._remembered(did)
        if found is None:
            found = self._fetched(did, url)
            self._remember(did, found)
        if isinstance(found, DatasigilError):
            raise found
        return found

    def _fetched(self, did: str, url: str) -> DidDocument | DatasigilError:
        if not self._slots.acquire(timeout=DID_WEB_WAIT_SECONDS):
            raise Problem("BUSY", "Too many DID documents are being fetched", next_action="retry later")
        try:
            answer = self._fetcher.get(
                url, max_bytes=DID_DOCUMENT_MAX_BYTES, accept="application/did+json, application/json"
            )
            if answer.status != _OK:
                return _unusable(f"the server answered {answer.status}")
            document = parse_json(answer.body, max_bytes=DID_DOCUMENT_MAX_BYTES, profile=GENERIC)
            return parse_did_document(document, expect_id=did)
        except FetchError as error:
            return _unusable(error.code)
        except DatasigilError as error:
            return _unusable(f"{error.message} ({error.code})")
        finally:
            self._slots.release()

    def _remembered(self, did: str) -> DidDocument | DatasigilError | None:
        with self._lock:
            held = self._known.get(did)
            return held[1] if held is not None and held[0] > self._monotonic() else None

    def _remember(self, did: str, found: DidDocument | DatasigilError) -> None:
        with self._lock:
            self._known[did] = (self._monotonic() + DID_WEB_KEPT_SECONDS, found)
            self._known.move_to_end(did)
            while len(self._known) > DID_WEB_KEPT_ENTRIES:
                self._known.popitem(last=False)


def _unusable(reason: str) -> Problem:
    """What was answered is not repeated: it may come from anywhere."""
    return Problem(
        "DID_DOCUMENT",
        f"The DID document cannot be used: {reason}",
        status=422,
        expected="the document at its https address, public, with the key listed for this purpose",
        next_action="publish did.json at the address of your did:web, then try again in a minute",
    )
