"""`datasigil login`, and what it stores: the registry's DID, log and lists, and the token, mode 0600.

Here: proving control of a DID with a presentation, and registries/HOST.json in the configuration folder. Not here: HTTP
(`datasigil.client`), signing (`datasigil.signing`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasigil.bundle import read_file
from datasigil.canonical import jcs
from datasigil.credentials.contexts import CREDENTIALS_V2
from datasigil.encoding import Instant, JsonObject, parse_json
from datasigil.errors import DatasigilError, MalformedError
from datasigil.transparency.durable import write_durably
from publisher_cli import places
from publisher_cli.keys import load_signer

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from datasigil.client import RegistryClient
    from datasigil.report.terminal import Console
    from datasigil.signing import LocalSigner

LOGIN_MAX_BYTES = 64 * 1024
SCOPES = ("publish", "status", "train")  # a worker asks for `work`, too
OLDER_SCOPES = ("publish", "status")  # what registries from before training jobs know
_TEXTS = ("url", "did", "token", "tokenExpires", "publisher")


@dataclass(frozen=True, slots=True)
class Login:
    """What one registry told one publisher; `str()` never shows the token."""

    url: str
    did: str  # of the registry, which signs the lists
    publisher: str  # DID of the publisher
    token: str
    token_expires: Instant
    status_lists: dict[str, str]  # purpose -> URL
    status_issuer: str
    log: dict[str, str]  # origin, url, key, timeKey
    key: str = ""  # multibase, for a publisher that is a did:web: the key that proved it

    def signer(self, signer: LocalSigner) -> LocalSigner:
        """The key as it signs for this publisher: under the did:web of the login, if it is one."""
        return signer.as_method(f"{self.publisher}#{self.key}") if self.key else signer

    def __repr__(self) -> str:
        return f"Login({self.url!r}, {self.publisher!r})"

    def document(self) -> JsonObject:
        """Return the stored form."""
        return {
            "type": "RegistryLogin",
            "formatVersion": 1,
            "url": self.url,
            "did": self.did,
            "publisher": self.publisher,
            "token": self.token,
            "tokenExpires": str(self.token_expires),
            "statusLists": self.status_lists,
            "statusIssuer": self.status_issuer,
            "log": self.log,
            **({"key": self.key} if self.key else {}),
        }


def run(given: Namespace, console: Console) -> int:
    """Prove control of the key's DID to a registry and keep the token."""
    from http import HTTPStatus

    from datasigil.client import RegistryError

    signer = as_named(load_signer(given.key), given)
    client = registry_client(registry_url(given.registry), dev=given.dev)
    name = given.name or signer.controller[-12:]
    try:
        login = log_in(client, signer, name, datetime.now(UTC), scopes=tuple(given.scope or SCOPES))
    except RegistryError as error:
        if given.scope or error.status != HTTPStatus.UNPROCESSABLE_ENTITY or not error.place.startswith("/scopes"):
            raise
        console.say("this registry is older than training jobs and knows no scope train: logged in without it")
        login = log_in(client, signer, name, datetime.now(UTC), scopes=OLDER_SCOPES)
    path = save(login)
    console.say(f"logged in to {login.url} as {login.publisher} until {login.token_expires}; the token lies in {path}")
    shown = {name: value for name, value in login.document().items() if name != "token"}
    console.result(
        shown, f"registry: {login.url}\nlog:      {login.log['origin']}\nlists:    signed by {login.status_issuer}\n"
    )
    return 0


def as_named(signer: LocalSigner, given: Namespace) -> LocalSigner:
    """The key under the did:web of the address that `--did-web` names, if it names one.  Raises: DatasigilError (USAGE)."""
    if given.did_web is None:
        return signer
    from publisher_cli.site.address import SiteAddress

    return signer.as_method(SiteAddress.at(given.did_web, dev=places.is_dev(given.dev)).method(signer.public_key))


def log_in(
    client: RegistryClient, signer: LocalSigner, name: str, now: datetime, *, scopes: Sequence[str] = SCOPES
) -> Login:
    """Answer the registry's challenge with a signed presentation and return what it granted.

    Raises:
        RegistryError, FetchError, MalformedError: as `RegistryClient`; REGISTRY_ANSWER for a reply that names other things.
    """
    from datasigil.signing import add_proof

    description = client.describe()
    challenge = client.challenge()
    domain = str(challenge["domain"])
    if domain.rstrip("/") != client.url:
        # Signing another domain's challenge would let this registry log in there in our name.
        raise _bad_reply("domain", client.url, domain)
    presentation: JsonObject = {
        "@context": [CREDENTIALS_V2],
        "type": ["VerifiablePresentation"],
        "holder": signer.controller,
    }
    signed = add_proof(
        presentation,
        signer,
        created=now,
        purpose="authentication",
        challenge=str(challenge["challenge"]),
        domain=domain,
    )
    reply = client.token(signed, name=name, scopes=scopes)
    if reply["did"] != signer.controller:
        raise _bad_reply("did", signer.controller, reply["did"])
    return parse_login(
        {
            "type": "RegistryLogin",
            "formatVersion": 1,
            "url": client.url,
            "did": description["did"],
            "publisher": reply["did"],
            "token": reply["token"],
            "tokenExpires": reply["expires"],
            "statusLists": reply["statusLists"],
            "statusIssuer": reply["statusIssuer"],
            "log": reply["log"],
            "key": signer.public_key.multibase if signer.controller.startswith("did:web:") else "",
        }
    )


def parse_login(document: Any) -> Login:
    """Check a stored or freshly granted login and return it.

    Raises:
        MalformedError: REGISTRY_ANSWER.
    """
    from datasigil.transparency.note import parse_vkey

    if not isinstance(document, dict) or document.get("type") != "RegistryLogin" or document.get("formatVersion") != 1:
        raise _bad_reply("type", "RegistryLogin 1", "another kind of document")
    for name in (*_TEXTS, "statusIssuer"):
        if not isinstance(document.get(name), str):
            raise _bad_reply(name, "text", document.get(name))
    for name, members in (("statusLists", ("revocation", "suspension")), ("log", ("origin", "url", "key", "timeKey"))):
        value = document.get(name)
        if not isinstance(value, dict) or not all(isinstance(value.get(member), str) for member in members):
            raise _bad_reply(name, ", ".join(members), value)
    log = document["log"]
    for name in ("key", "timeKey"):
        parse_vkey(log[name])
    return Login(
        url=document["url"],
        did=document["did"],
        publisher=document["publisher"],
        token=document["token"],
        token_expires=Instant.parse(document["tokenExpires"]),
        status_lists={purpose: document["statusLists"][purpose] for purpose in ("revocation", "suspension")},
        status_issuer=document["statusIssuer"],
        log={name: log[name] for name in ("origin", "url", "key", "timeKey")},
        key=str(document.get("key", "")),
    )


def save(login: Login) -> Path:
    """Store a login durably, readable by its owner alone, and return where."""
    path = places.make_folder(_folder()) / _file_name(login.url, login.publisher)
    write_durably(path, jcs(login.document()), mode=0o600)
    return path


def find_login(registry: str | None, *publishers: str) -> Login:
    """Return the login of one of these publishers at the registry named by flag or environment, or the only one there is.

    Raises:
        DatasigilError: NOT_LOGGED_IN.
    """
    wanted = places.named_registry(registry).rstrip("/")
    found = [login for login in _all_logins() if login.publisher in publishers and wanted in ("", login.url)]
    if len({login.url for login in found}) != 1:
        raise DatasigilError(
            "NOT_LOGGED_IN", _not_logged_in(wanted) if not found else "you are logged in to several registries",
            expected="one login" if wanted else "--registry URL", found=", ".join(login.url for login in found) or "no login",
            next_action="say which: --registry URL" if found
            else f"datasigil login --registry {wanted or 'URL'} --key NAME; or, without a registry, --static-base URL (docs/static-site.md)",
        )  # fmt: skip
    if len(found) > 1:
        return max(found, key=lambda one: one.token_expires)  # as a did:key and as a did:web: the one of the last login
    return found[0]


def signing_login(registry: str | None, signer: LocalSigner) -> tuple[LocalSigner, Login]:
    """Return the login of a key, and the key as it signs for that publisher: its did:key, else the did:web that it logged in as.

    Raises:
        DatasigilError: as `find_login`.
    """
    own = {signer.controller, *(one.publisher for one in _all_logins() if one.key == signer.public_key.multibase)}
    login = find_login(registry, *own)
    return login.signer(signer), login


def _not_logged_in(wanted: str) -> str:
    if wanted:
        return "you are not logged in there with this key"
    return (
        "a credential names the log and the lists that will hold it, and with this key you are logged in to no registry"
    )


def require_token(login: Login, now: datetime) -> str:
    """Return the token unless it has expired.

    Raises:
        DatasigilError: NOT_LOGGED_IN.
    """
    if login.token_expires <= Instant.from_datetime(now):
        raise DatasigilError(
            "NOT_LOGGED_IN",
            "the login has expired",
            found=str(login.token_expires),
            next_action=f"datasigil login --registry {login.url}",
        )
    return login.token


def registry_url(flag: str | None, *, without: str = "") -> str:
    """Return the registry's URL from the flag, DATASIGIL_REGISTRY, or the only login there is; `without` says what needs none.

    Raises:
        DatasigilError: USAGE.
    """
    named = places.named_registry(flag)
    if named:
        return named.rstrip("/")
    known = sorted({login.url for login in _all_logins()})
    if len(known) == 1:
        return known[0]
    raise DatasigilError(
        "USAGE", "no registry was named", expected="--registry URL, or DATASIGIL_REGISTRY", found=", ".join(known) or "none",
        next_action=f"add --registry URL{without and f'; {without} needs none'}",
    )  # fmt: skip


def registry_client(url: str, *, dev: object, token: str | None = None) -> RegistryClient:
    """Return the client of a registry that the user named.

    Raises:
        BlockedError: FETCH_URL.
    """
    from datasigil.client import RegistryClient
    from datasigil.fetch import Fetcher

    return RegistryClient(url, Fetcher.naming([url], dev=places.is_dev(dev)), token=token)


def _all_logins() -> list[Login]:
    folder = _folder()
    paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
    return [_stored(path) for path in paths]


def _stored(path: Path) -> Login:
    try:
        return parse_login(parse_json(read_file(path, LOGIN_MAX_BYTES)))
    except (OSError, MalformedError) as error:
        raise DatasigilError(
            "LOGIN_FILE",
            "a stored login is damaged",
            place=str(path),
            found=str(error)[:200],
            next_action="remove the file and log in again",
        ) from None


def _folder() -> Path:
    return places.config_folder() / "registries"


def _file_name(url: str, publisher: str) -> str:
    host = re.sub(r"[^A-Za-z0-9.-]+", "_", url.partition("://")[2])[:120]
    return f"{host}_{re.sub(r'[^A-Za-z0-9.-]+', '_', publisher[-12:])}.json"


def _bad_reply(name: str, expected: str, found: object) -> MalformedError:
    return MalformedError(
        "REGISTRY_ANSWER", f"the registry's {name} is not what it should be", place=f"/{name}", expected=expected, found=str(found)[:200],
        next_action="check the registry's address; it must be the one that the registry itself is configured with",
    )  # fmt: skip
