"""The addresses of a static site: its did:web, its log and its status lists, all computed from the one URL at which it is served.

Here: names only. Not here: files (`folder`), keys' private halves. Spec: did:web (W3C CCG draft), C2SP tlog-checkpoint for the origin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from datasigil.credentials.did import did_key, parse_did_web
from datasigil.credentials.keys import ED25519, PublicKey
from datasigil.errors import DatasigilError, MalformedError
from datasigil.transparency.note import COSIGNATURE_V1, new_vkey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datasigil.transparency.note import VerifierKey

PURPOSES = ("revocation", "suspension")
WELL_KNOWN = ".well-known"


@dataclass(frozen=True, slots=True)
class Services:
    """Where status and log of a new credential will lie, and who signs its lists; a `Login` says the same of a registry."""

    status_lists: Mapping[str, str]  # purpose -> URL
    status_issuer: str
    log: Mapping[str, str]  # origin, url, key, timeKey


@dataclass(frozen=True, slots=True)
class SiteAddress:
    """The names that follow from a site's URL."""

    base: str  # without a slash at the end
    did: str

    @classmethod
    def at(cls, url: str, *, dev: bool = False) -> SiteAddress:
        """Return the addresses of a site served at `url`; http on localhost is admitted in development only.

        Raises:
            DatasigilError: USAGE, naming what a site's URL looks like.
        """
        text = url.rstrip("/") if "://" in url else f"https://{url.strip('/')}"
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise _bad(url, "a URL") from None
        if parts.query or parts.fragment or parts.username or not parts.hostname:
            raise _bad(url, "a host and a path, and nothing else")
        host = parts.hostname + (f"%3A{port}" if port is not None else "")
        did = ":".join(["did:web", host, *(one for one in parts.path.split("/") if one)])
        loopback = dev and parts.hostname == "localhost"
        if parts.scheme == "http" and not loopback:
            raise _bad(url, "https; with --dev also http://localhost:PORT, for a trial on this machine")
        try:
            document = parse_did_web(did, allow_loopback=dev)
        except MalformedError as error:
            raise _bad(url, error.expected or "a public host name") from None
        if parts.scheme != ("http" if loopback else "https"):
            raise _bad(url, "https" if not loopback else "http, on localhost")
        base = document.removesuffix("/did.json").removesuffix(f"/{WELL_KNOWN}")
        if base != text:
            raise _bad(url, base)
        return cls(base, did)

    @property
    def document_path(self) -> str:
        """Where the DID document lies below the site's folder: at the top for a project path, else in `.well-known`."""
        return "did.json" if urlsplit(self.base).path else f"{WELL_KNOWN}/did.json"

    @property
    def origin(self) -> str:
        """The log's origin: the site's URL without its scheme, and `/log`."""
        return f"{self.base.partition('://')[2]}/log"

    @property
    def log_url(self) -> str:
        """Where the log's checkpoint and tiles are served."""
        return f"{self.base}/log"

    def list_url(self, purpose: str) -> str:
        """Return the id, which is the URL, of one of the two status lists."""
        return f"{self.base}/status/{purpose}.json"

    def method(self, key: PublicKey) -> str:
        """Return the verification method of a key under the site's DID; its fragment is the key itself."""
        return f"{self.did}#{key.multibase}"

    def log_keys(self, key: PublicKey) -> tuple[VerifierKey, VerifierKey]:
        """Return the verifier keys under which a site key signs checkpoints and says when.

        Raises:
            DatasigilError: KEY_FILE, for a kind of key that signed notes do not know.
        """
        if key.kind != ED25519:
            raise DatasigilError(
                "KEY_FILE", "a site's log is signed with an Ed25519 key", expected="ed25519", found=key.kind,
                next_action="datasigil key new --name site, then --site-key site",
            )  # fmt: skip
        return new_vkey(self.origin, key.raw), new_vkey(f"{self.origin}/time", key.raw, COSIGNATURE_V1)

    def services(self, own: PublicKey, site: PublicKey) -> Services:
        """Return what a credential names: lists signed by the publisher's own DID, or by the site key's when that is another key."""
        log, time = self.log_keys(site)
        return Services(
            {purpose: self.list_url(purpose) for purpose in PURPOSES},
            self.did if site == own else did_key(site),
            {"origin": self.origin, "url": self.log_url, "key": str(log), "timeKey": str(time)},
        )


def _bad(url: str, expected: str) -> DatasigilError:
    return DatasigilError(
        "USAGE", "this cannot be the address of a static site", place=url[:200], expected=expected,
        next_action="name the address at which the folder will be served, such as https://example.github.io/contracts",
    )  # fmt: skip
