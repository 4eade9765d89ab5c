"""`datasigil-verify trust add`: show who signed a bundle, ask, then pin issuer and log in the user's own trust file.

Here: what is shown, the question, and writing the file without touching a byte of what was there. Not here: what the bundle can show
(`introduction`), the file's format (`datasigil.trust`).
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from datasigil.bundle import parse_bundle, read_file
from datasigil.credentials.did import parse_did_web
from datasigil.errors import DatasigilError, MalformedError, UntrustedError
from datasigil.limits import POLICY_MAX_BYTES
from datasigil.record import replace
from datasigil.report.terminal import OK, REFUSED, escape
from datasigil.transparency.durable import write_durably
from datasigil.trust.policy import TrustPolicy, add_issuer, add_log, parse_policy
from verifier_cli import places
from verifier_cli.evidence import find_evidence, naming
from verifier_cli.introduction import Introduction, Issuer, fingerprint, introduce

if TYPE_CHECKING:
    from argparse import Namespace
    from pathlib import Path

    from datasigil.bundle import Bundle
    from datasigil.report.terminal import Console
    from datasigil.trust.rules import IssuerRule, LogRule


def add(given: Namespace, console: Console) -> int:
    """Show, ask, pin; 0 pinned or already pinned, 1 refused by the user or by the evidence, 2 wrong usage."""
    now = datetime.now(UTC)
    path, _ = places.policy_path(given.policy)
    evidence = find_evidence(given.bundle, None)
    with naming(evidence.path):
        bundle = parse_bundle(evidence.data)
    before = _read(path)
    fetcher = (
        None if given.offline else places.fetcher(_loopback(bundle) if places.is_dev(given.dev) else (), dev=given.dev)
    )
    shown = introduce(
        bundle, at=now, fetcher=fetcher, name=_name(given.name), roles=tuple(given.role), everyone=given.with_parents
    )
    changed, additions = _added(before, shown, now)
    if not given.quiet or not given.yes:
        console.err.write(_text(shown, bundle, parse_policy(before.encode()) if before else None))
        console.err.flush()
    if not additions:
        console.result(
            _document(path, shown, additions, ""), f"nothing to add: {escape(str(path))} trusts them already"
        )
        return OK
    if not given.yes and not _agreed(shown, path, console):
        console.say("nothing was changed")
        return REFUSED
    # Asking takes as long as a person takes: what was written meanwhile stays.
    changed, additions = _added(_read(path), shown, now)
    _write(path, changed)
    if parse_policy(changed.encode("utf-8")).self_proof is not None:
        console.say(
            f"the file has changed: sign it again, or no licence to you counts: datasigil key prove-self {path} --key NAME"
        )
    verdict = _verdict(bundle, changed, now)
    lines = [
        *(f"added:  {escape(one)}" for one in additions),
        f"to:     {escape(str(path))}",
        f"check:  {escape(verdict)}",
    ]
    console.result(_document(path, shown, additions, verdict), "\n".join(lines))
    return OK


def _loopback(bundle: Bundle) -> list[str]:
    """Return the addresses on this machine that issuers in a bundle name as theirs, which development alone may ask."""
    dids = {str(one.credential.get("issuer")) for one in bundle.walk()}
    return [parse_did_web(did, allow_loopback=True) for did in sorted(dids) if did.startswith("did:web:localhost%3A")]


def _name(flag: str | None) -> str:
    if flag is not None and (not flag.strip() or not flag.isprintable() or len(flag) > 1000):
        raise DatasigilError("USAGE", "--name is not a name", expected="one line of text", found=repr(flag[:60]))
    return flag or ""


def _read(path: Path) -> str:
    """Return the trust file's text, empty when there is none yet; one of comments alone is started, the comments kept.

    Raises:
        DatasigilError: POLICY_FILE.
    """
    try:
        data = read_file(path, POLICY_MAX_BYTES)
        text = data.decode("utf-8")
        if not text.strip():
            return ""
        if all(line.lstrip().startswith("#") or not line.strip() for line in text.splitlines()):
            text = f"{text.rstrip()}\nformatVersion = 1\n"
        parse_policy(text.encode("utf-8"), source=str(path))
        return text
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise DatasigilError(
            "POLICY_FILE", f"the trust file cannot be read: {reason}", place=str(path), expected="a datasigil.toml", next_action="correct it first",
        ) from None  # fmt: skip
    except MalformedError as error:
        error.place = f"{path}: {error.place}" if error.place else str(path)
        raise


def _added(before: str, shown: Introduction, now: datetime) -> tuple[str, list[str]]:
    """Return the trust file's text with what it lacks, and in words what that was.

    Raises:
        UntrustedError: LOG_KEYS_DIFFER or ISSUER_DIFFERS, when the file says something else already.
        MalformedError: POLICY_FILE.
    """
    text = before
    policy = parse_policy(text.encode("utf-8")) if text else TrustPolicy()
    additions = []
    for one in shown.issuers:
        if _is_known(one.rule, policy.issuer(one.rule.did)):
            continue
        text = _with_note(text, one, now)
        text = add_issuer(text, one.rule)
        roles = f" as {', '.join(one.rule.roles)}" if one.rule.roles else ""
        additions.append(f"{one.rule.name} ({one.rule.did}){roles}, for {', '.join(one.rule.types) or 'status lists'}")
    for rule in shown.logs:
        if _is_known_log(rule, policy.log(rule.origin)):
            continue
        text = add_log(text, rule)
        additions.append(f"log {rule.origin}")
    return text, additions


def _with_note(text: str, one: Issuer, now: datetime) -> str:
    from datasigil.trust.policy_text import NEW_FILE

    prints = "; ".join(one.fingerprints)
    return f"{(text or NEW_FILE).rstrip()}\n\n# Added {now:%Y-%m-%d} by `trust add`. Fingerprint: {prints}\n"


def _is_known(rule: IssuerRule, known: IssuerRule | None) -> bool:
    """Say whether the trust file's rule covers what would be added.

    Raises:
        UntrustedError: ISSUER_DIFFERS, when it names the issuer and covers less, or pins other keys.
    """
    if known is None:
        return False
    lacking = [*(set(rule.types) - set(known.types)), *(set(rule.roles) - set(known.roles))]
    pinned = {pin.key for pin in known.keys}
    other = [pin for pin in rule.keys if pin.key not in pinned]
    if not lacking and not other:
        return True
    if other:
        raise UntrustedError(
            "ISSUER_DIFFERS", "your trust file pins other keys for this issuer", place=rule.did, expected=", ".join(fingerprint(pin.key.multibase) for pin in known.keys) or "no key",
            found=", ".join(fingerprint(pin.key.multibase) for pin in other),
            next_action="ask the issuer over another channel whether it changed its key; then add the key to [[issuers.keys]] by hand",
        )  # fmt: skip
    raise UntrustedError(
        "ISSUER_DIFFERS", "your trust file names this issuer, but not for this", place=rule.did, expected=", ".join(sorted(lacking)),
        found=", ".join((*known.types, *known.roles)), next_action=f"if you mean it, add {', '.join(sorted(lacking))} to its types or roles by hand",
    )  # fmt: skip


def _is_known_log(rule: LogRule, known: LogRule | None) -> bool:
    if known is None:
        return False
    before = {one.key for one in known.earlier}
    if {rule.key, rule.time_key} - before - {known.key, known.time_key}:
        raise UntrustedError(
            "LOG_KEYS_DIFFER", "your trust file names this log with other keys", place=rule.origin, expected=f"{known.key}, {known.time_key}",
            found=f"{rule.key}, {rule.time_key}", next_action="ask the log's operator over another channel; one of the two is not this log",
        )  # fmt: skip
    return True


def _text(shown: Introduction, bundle: Bundle, policy: TrustPolicy | None) -> str:
    """Return what a person should know before deciding; ends in a newline."""
    summary = shown.report.credential
    assert summary is not None
    lines = [f"{summary.type}: {summary.name} {summary.version}".rstrip(), f"  {summary.id}"]
    for one in shown.issuers:
        what = f"calls itself {one.claimed_name}" if one.claimed_name else "gives no name"
        lines += ["", f"{'signed by' if one.signs else 'status lists by'} {one.rule.did}", f"  {'name:':<13}{what}"]
        lines += [f"  {'fingerprint:':<13}{digits}" for digits in one.fingerprints]
        lines.append(f"  {'domain:':<13}{_domain_text(one)}")
    for rule in shown.logs:
        lines += ["", f"log {rule.origin}", f"  {'key:':<13}{rule.key}", f"  {'time key:':<13}{rule.time_key}"]
    if summary.log_index is not None:
        basis = "by the log's own clock" if summary.time_basis == "registry-asserted" else "witnessed"
        lines.append(
            f"  {'first logged:':<13} entry {summary.log_index}, there by {summary.logged_by} at the latest ({basis})"
        )
    else:
        lines += ["", "log: the bundle holds no log proof, so no log is pinned, and checks will say so"]
    lines += ["", *_vouching(shown, bundle, policy)]
    return "\n".join(escape(line) for line in lines) + "\n\n"


def _domain_text(one: Issuer) -> str:
    if not one.domain:
        return "none; a did:key stands for its key alone"
    return f"{one.domain}, which {'publishes this key' if one.domain_says == 'confirmed' else 'was not asked'}"


def _vouching(shown: Introduction, bundle: Bundle, policy: TrustPolicy | None) -> list[str]:
    """Say who else stands behind it, and whether the user's own trust file knows them."""
    known = {str(witness.key): witness.principal for witness in policy.witnesses} if policy is not None else {}
    lines = [
        f"  {key.name} is named as a witness of the log"
        + (f": {known[str(key)]} of your trust file" if str(key) in known else "; your trust file does not name it")
        for key in shown.witnesses
    ]
    for parent in bundle.walk():
        issuer = str(parent.credential.get("issuer"))
        rule = policy.issuer(issuer) if policy is not None else None
        if rule is not None and "DatasetAuditCredential" in parent.credential.get("type", ()):
            lines.append(f"  {rule.name}, whom you trust, signed an audit or approval in this bundle")
    others = {str(one.credential.get("issuer")) for one in bundle.walk()} - {one.rule.did for one in shown.issuers}
    if others and policy is not None:
        others -= {rule.did for rule in policy.issuers}
    lines += [f"  it also rests on credentials by {did}; --with-parents pins that issuer too" for did in sorted(others)]
    if not lines:
        lines = ["  nobody that you trust: compare the fingerprint with the issuer over another channel"]
    return ["who vouches:", *dict.fromkeys(lines)]


def _agreed(shown: Introduction, path: Path, console: Console) -> bool:
    """Ask.

    Raises:
        DatasigilError: USAGE, when there is nobody to ask.
    """
    if not sys.stdin.isatty():
        raise DatasigilError(
            "USAGE",
            "there is nobody to ask",
            expected="a terminal, or --yes",
            next_action="compare the fingerprint, then run it again with --yes",
        )
    names = ", ".join(one.rule.name for one in shown.issuers)
    return console.confirm(
        escape(f"Have you compared the fingerprint, and should {path} count the word of {names}?"), sys.stdin
    )


def _write(path: Path, text: str) -> None:
    """Replace the trust file in one step; its mode stays, and a link keeps pointing where it did."""
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
    write_durably(target, text.encode("utf-8"), mode=mode)


def _verdict(bundle: Bundle, text: str, now: datetime) -> str:
    """Return in one line what a check of this bundle says under the file as it is now."""
    from datasigil.verification import verify

    policy = replace(parse_policy(text.encode("utf-8")), source="")
    return verify(bundle, policy=policy, at=now, offline=True).report.headline


def _document(path: Path, shown: Introduction, additions: list[str], verdict: str) -> dict[str, Any]:
    summary = shown.report.credential
    document: dict[str, Any] = {
        "type": "TrustAddition",
        "formatVersion": 1,
        "path": str(path),
        "changed": bool(additions),
        "issuers": [
            {
                "did": one.rule.did, "name": one.rule.name, "claimedName": one.claimed_name, "types": list(one.rule.types), "roles": list(one.rule.roles),
                "fingerprints": list(one.fingerprints), "domain": one.domain, "domainSays": one.domain_says,
            }
            for one in shown.issuers
        ],
        "logs": [{"origin": rule.origin, "key": str(rule.key), "timeKey": str(rule.time_key), "url": rule.url} for rule in shown.logs],
        "loggedBy": summary.logged_by if summary is not None else "",
    }  # fmt: skip
    return document | ({"headline": verdict} if verdict else {})
