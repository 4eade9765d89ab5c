"""The worker's dealings with registries: evidence of now for the gate, and registering the model credential.

Here: `renewer`, handed to the gate, and `Publishing`, handed to the run. Not here: sockets (`datasigil.fetch`), verdicts, keys
(only `sign_model`, through the signer it returns).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from datasigil.bundle import Bundle, read_file, write_bundle
from datasigil.client import Refreshed, RegistryClient, RegistryError, fetcher_for, refresh_evidence
from datasigil.encoding import Instant, parse_json
from datasigil.errors import DatasigilError, MalformedError
from datasigil.limits import KIB
from datasigil.transparency.client_state import ClientState
from datasigil.trust.policy import TrustPolicy
from training_worker import places
from training_worker.run_folder import write_file
from training_worker.sign_model import (
    CREDENTIAL,
    Registration,
    SignOff,
    load_signer,
    model_credential,
    review_credential,
    sign_credential,
)

LOGIN_MAX_BYTES = 64 * KIB
ATTEMPTS = 3  # a status index that is taken is drawn again
MODEL_BUNDLE = "model.sigil.json"

Renew = Callable[[Bundle, frozenset[str], datetime], Refreshed]
"""Returns a bundle with evidence as of a time; only the credentials named by digest may have their URLs fetched."""


def renewer(policy: TrustPolicy, state: ClientState | None, *, dev: bool) -> Renew:
    """Return the function that fetches evidence from the logs and mirrors in the trust file."""
    fetcher = fetcher_for(policy, dev=dev)

    def renew(bundle: Bundle, proven: frozenset[str], at: datetime) -> Refreshed:
        return refresh_evidence(bundle, policy=policy, fetcher=fetcher, at=at, proven=proven, state=state)

    return renew


def find_login(url: str, publisher: str) -> dict[str, Any]:
    """Return the stored login of a publisher at a registry, as `datasigil login` wrote it.

    Raises:
        DatasigilError: NOT_LOGGED_IN, or LOGIN_FILE for a damaged one.
    """
    folder = places.config_folder() / "registries"
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            login = parse_json(read_file(path, LOGIN_MAX_BYTES))
        except (OSError, MalformedError) as error:
            raise DatasigilError(
                "LOGIN_FILE", "a stored login is damaged", place=str(path), found=str(error)[:200]
            ) from None
        if isinstance(login, dict) and login.get("url") == url and login.get("publisher") == publisher:
            return login
    raise DatasigilError(
        "NOT_LOGGED_IN",
        "you are not logged in there with this key",
        expected=f"a login of {publisher} at {url}",
        next_action=f"datasigil login --registry {url} --key NAME",
    )


@dataclass(frozen=True)
class Publishing:
    """A key, a login and a registry, ready before training starts."""

    signer: Any
    registration: Registration
    publisher: str
    client: RegistryClient
    token_expires: Instant

    @classmethod
    def open(cls, url: str, key: str, publisher: str | None, *, dev: bool) -> Publishing:
        """Open the key and find the login.

        Raises:
            DatasigilError: KEY_FILE, PASSPHRASE, NOT_LOGGED_IN, LOGIN_FILE, REGISTRATION, FETCH_URL.
        """
        from datasigil.fetch import Fetcher

        url = url.rstrip("/")
        signer = load_signer(places.key_file(key), places.passphrase(f"passphrase for the key {key}"))
        login = find_login(url, signer.controller)
        client = RegistryClient(url, Fetcher.naming([url], dev=dev), token=str(login.get("token", "")))
        registration = Registration.of(login, url)
        expires = Instant.parse(login.get("tokenExpires"), place="/tokenExpires")
        return cls(signer, registration, publisher or signer.controller, client, expires)

    def sign(self, receipt: Mapping[str, Any], receipt_digest: str, card_digest: str) -> Mapping[str, bytes]:
        """Return the signed model credential as a file of the run folder."""
        return {CREDENTIAL: self._signed(receipt, receipt_digest, card_digest)}

    def _signed(self, receipt: Mapping[str, Any], receipt_digest: str, card_digest: str) -> bytes:
        at = datetime.now(UTC)
        document = model_credential(
            receipt, receipt_digest, card_digest, registration=self.registration, publisher=self.publisher, at=at
        )
        return sign_credential(document, self.signer, at=at)

    def review(self, sign_off: SignOff, card_digest: str) -> bytes:
        """Return an expert's signed review of the card with this digest."""
        at = datetime.now(UTC)
        return sign_credential(review_credential(sign_off, card_digest, registration=self.registration, at=at), self.signer, at=at)  # fmt: skip

    def publish(self, folder: Path) -> dict[str, Any]:
        """Register the run's credential and write its evidence bundle beside it; repeating it changes nothing.

        Raises:
            DatasigilError: the registry's refusal, FETCH for an unreachable one, NOT_LOGGED_IN for an expired login. The run
                folder is whole in every case, and `datasigil publish` can register the credential later.
        """

        def again(credential: Mapping[str, Any]) -> bytes:
            subject = credential["credentialSubject"]
            receipt = parse_json((folder / "receipt.json").read_bytes(), max_bytes=64 * KIB * KIB)
            return self._signed(receipt, subject["receiptDigest"], subject["cardDigest"])

        return self.register(folder / CREDENTIAL, folder / MODEL_BUNDLE, again)

    def register(self, path: Path, bundle: Path, again: Callable[[Mapping[str, Any]], bytes]) -> dict[str, Any]:
        """Register the credential in a file and write its evidence bundle; `again` signs anew when its status index is taken.

        Raises: as `publish`.
        """
        if self.token_expires <= Instant.from_datetime(datetime.now(UTC)):
            raise DatasigilError(
                "NOT_LOGGED_IN",
                "the login has expired",
                found=str(self.token_expires),
                next_action=f"datasigil login --registry {self.client.url}",
            )
        answer = self._register(path, again)
        write_bundle(bundle, self.client.bundle(str(answer["id"])))
        return {"id": str(answer["id"]), "digest": str(answer["digest"]), "logIndex": int(answer["logIndex"])}

    def _register(self, path: Path, again: Callable[[Mapping[str, Any]], bytes]) -> dict[str, Any]:
        for attempt in range(ATTEMPTS):
            credential = parse_json(path.read_bytes())
            try:
                return self.client.register(credential)
            except RegistryError as error:
                if error.code != "STATUS_INDEX_TAKEN" or attempt == ATTEMPTS - 1:
                    raise
            write_file(path, again(credential))
        raise AssertionError("unreachable: the last attempt returns or raises")


__all__ = ["MODEL_BUNDLE", "Publishing", "Renew", "find_login", "renewer"]
