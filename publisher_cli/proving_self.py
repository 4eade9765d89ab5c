"""`datasigil key prove-self`: sign a trust file as the one whose it is.

Here: the file, read, changed and replaced in one step. Not here: the statement and what it proves (`datasigil.trust.owner`), the change of the
text (`datasigil.trust.policy_text`). Nothing is written that does not prove what it should.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from datasigil.bundle import read_file
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError, MalformedError, PolicyError
from datasigil.limits import POLICY_MAX_BYTES
from datasigil.report.terminal import escape
from datasigil.signing import add_proof
from datasigil.transparency.durable import write_durably
from datasigil.trust.owner import owner_statement, require_owner, self_proof_of
from datasigil.trust.policy import parse_policy
from datasigil.trust.policy_text import add_self_proof, with_self
from publisher_cli.keys import load_signer
from publisher_cli.logins import as_named

if TYPE_CHECKING:
    from argparse import Namespace

    from datasigil.report.terminal import Console
    from datasigil.signing import LocalSigner


def run(given: Namespace, console: Console) -> int:
    """Say in the trust file whose it is, and prove it."""
    path = Path(given.trust_file)
    text = _read(path)
    signer = as_named(load_signer(given.key), given)
    now = datetime.now(UTC).replace(microsecond=0)
    try:
        changed = signed_text(text, signer, now)
    except MalformedError as error:
        error.place = f"{path}: {error.place}" if error.place else str(path)
        raise
    target = path.resolve()
    write_durably(target, changed.encode("utf-8"), mode=target.stat().st_mode & 0o777)
    policy = parse_policy(changed.encode("utf-8"))
    shown = {
        "type": "SelfProven",
        "formatVersion": 1,
        "path": str(path),
        "self": policy.self_did,
        "digest": policy.digest,
    }
    console.result(shown, f"wrote:  {escape(str(path))}\nself:   {policy.self_did}\ndigest: {policy.digest}\n")
    console.say("sign it again after every change of what the file says")
    return 0


def signed_text(text: str, signer: LocalSigner, now: datetime) -> str:
    """Return a trust file's text with `self` and its proof by `signer`.

    Raises:
        MalformedError: as `with_self`; DatasigilError: NOT_YOURS, when the file pins no key, or another one, for this did:web.
    """
    base = with_self(text, signer.controller)
    statement = owner_statement(
        signer.controller, parse_policy(base.encode("utf-8")).digest, Instant.from_datetime(now)
    )
    changed = add_self_proof(base, self_proof_of(add_proof(statement, signer, created=now)))
    try:
        require_owner(parse_policy(changed.encode("utf-8")), at=Instant.from_datetime(now))
    except PolicyError as error:
        raise DatasigilError(
            "NOT_YOURS", "the trust file does not pin this key for that DID", place="issuers", expected=error.expected, found=error.found,
            next_action=f'add to the file: [[issuers]] with did = "{signer.controller}", a name, types = [] and keys = [{{ multibase = "{signer.public_key.multibase}" }}]',
        ) from None  # fmt: skip
    return changed


def _read(path: Path) -> str:
    try:
        return read_file(path, POLICY_MAX_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise DatasigilError(
            "POLICY_FILE", f"the trust file cannot be read: {reason}", place=str(path), expected="a datasigil.toml",
            next_action="datasigil-verify policy init writes one",
        ) from None  # fmt: skip
