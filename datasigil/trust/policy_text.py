"""The trust file as text: explained to people, and extended without touching what is there.

Lives here: `policy explain`, and the tables that `trust add` appends. Not here: reading (`policy_parser`), values (`rules`), the
templates of sector profiles (`profiles`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from datasigil.errors import MalformedError, PolicyError
from datasigil.record import replace
from datasigil.transparency.checkpoint import Witness
from datasigil.transparency.log_keys import EarlierKey
from datasigil.trust.approvals import parse_approvals, roles_in
from datasigil.trust.policy_parser import parse_policy
from datasigil.trust.rules import IssuerRule, KeyPin, LogRule, Requirements, SelfProof, TrustPolicy

_PROOF_TABLE = re.compile(
    r"^\[selfProof\][^\n]*\n(?:(?:verificationMethod|created|proofValue)[ \t]*=[^\n]*(?:\n|\Z))*\n?", re.MULTILINE
)
_VERSION_LINE = re.compile(r"^formatVersion[ \t]*=[^\n]*", re.MULTILINE)

NEW_FILE = """# Whose word counts for me. Read by datasigil-verify; see docs/formats.md.
# Compare every key with its owner over another channel before you trust it.
formatVersion = 1
"""


def add_issuer(text: str, rule: IssuerRule) -> str:
    """Return `text` (empty for a new file) with an [[issuers]] table appended and read back.

    Raises:
        MalformedError: POLICY_FILE, when the file is unreadable or names the issuer already.
    """
    lines = [
        "[[issuers]]",
        f"did = {_text(rule.did)}",
        f"name = {_text(rule.name)}",
        f"types = {_texts(rule.types)}",
    ]
    if rule.roles:
        lines.append(f"roles = {_texts(rule.roles)}")
    if rule.recovery:
        lines.append(f"recovery = {_texts(key.multibase for key in rule.recovery)}")
    if rule.delegated_by:
        lines.append(f"delegatedBy = {_text(rule.delegated_by)}")
    for pin in rule.keys:
        lines += _pin_lines(pin)
    changed = _append(text, lines)
    if parse_policy(changed.encode("utf-8")).issuer(rule.did) != rule:
        raise _lost("issuers")
    return changed


def add_log(text: str, rule: LogRule) -> str:
    """Return `text` with a [[logs]] table appended and read back.

    Raises:
        MalformedError: POLICY_FILE, when the file is unreadable or names the log already.
    """
    lines = [
        "[[logs]]",
        f"origin = {_text(rule.origin)}",
        f"key = {_text(str(rule.key))}",
        f"timeKey = {_text(str(rule.time_key))}",
    ]
    if rule.url:
        lines.append(f"url = {_text(rule.url)}")
    lines += [line for one in rule.earlier for line in earlier_lines(one)]
    changed = _append(text, lines)
    if parse_policy(changed.encode("utf-8")).log(rule.origin) != rule:
        raise _lost("logs")
    return changed


def add_witness(text: str, witness: Witness) -> str:
    """Return `text` with a [[witnesses]] table appended and read back; does not raise the quorum.

    Raises:
        MalformedError: POLICY_FILE.
    """
    changed = _append(
        text, ["[[witnesses]]", f"principal = {_text(witness.principal)}", f"key = {_text(str(witness.key))}"]
    )
    if witness not in parse_policy(changed.encode("utf-8")).witnesses:
        raise _lost("witnesses")
    return changed


def with_self(text: str, did: str) -> str:
    """Return `text` with `self` said, where it was not, and without the proof of it.

    Raises:
        MalformedError: POLICY_FILE, when the file is unreadable, says that it is somebody else's, or is not written in lines that can be changed.
    """
    policy = parse_policy(text.encode("utf-8"))
    if policy.self_did not in ("", did):
        raise MalformedError(
            "POLICY_FILE", "the trust file says that it is somebody else's", place="self", expected=policy.self_did, found=did,
            next_action="sign with that DID's key, or correct `self`",
        )  # fmt: skip
    changed = _PROOF_TABLE.sub("", text)
    if not policy.self_did:
        changed = _VERSION_LINE.sub(lambda line: f"{line[0]}\nself = {_text(did)}", changed, count=1)
    try:
        read: TrustPolicy | None = parse_policy(changed.encode("utf-8"))
    except MalformedError:
        read = None
    if read != replace(policy, self_did=did, self_proof=None):
        raise MalformedError(
            "POLICY_FILE", "`self` and its proof cannot be changed in this file's lines", place="self", expected="them in lines of their own",
            next_action=f"by hand, take `selfProof` out and put the line self = {_text(did)} above the first table; then sign",
        )  # fmt: skip
    return changed


def add_self_proof(text: str, proof: SelfProof) -> str:
    """Return `text`, which has none, with the [selfProof] table appended and read back.

    Raises:
        MalformedError: POLICY_FILE.
    """
    lines = [
        "[selfProof]   # any change of what this file says asks for a new one: datasigil key prove-self",
        f"verificationMethod = {_text(proof.method)}",
        f"created = {_text(str(proof.created))}",
        f"proofValue = {_text(proof.value)}",
    ]
    changed = _append(text, lines)
    if parse_policy(changed.encode("utf-8")).self_proof != proof:
        raise _lost("selfProof")
    return changed


def _append(text: str, lines: Iterable[str]) -> str:
    base = text or NEW_FILE
    parse_policy(base.encode("utf-8"))
    return base.rstrip("\n") + "\n\n" + "\n".join(lines) + "\n"


def _pin_lines(pin: KeyPin) -> list[str]:
    lines = ["[[issuers.keys]]", f"multibase = {_text(pin.key.multibase)}"]
    if pin.id:
        lines.append(f"id = {_text(pin.id)}")
    if pin.valid_from is not None:
        lines.append(f"from = {_text(str(pin.valid_from))}")
    if pin.valid_until is not None:
        lines.append(f"until = {_text(str(pin.valid_until))}")
    if pin.compromised is not None:
        lines.append(f"compromised = {{ origin = {_text(pin.compromised.origin)}, index = {pin.compromised.index} }}")
    return lines


def earlier_lines(one: EarlierKey) -> list[str]:
    """Return the [[logs.earlier]] table of a key that a log had before; it belongs below that log's [[logs]] table."""
    name = "key" if one.until is None else "timeKey"
    lines = ["[[logs.earlier]]", f"{name} = {_text(str(one.key))}", f"size = {one.size}"]
    return lines if one.until is None else [*lines, f"until = {_text(str(one.until))}"]


def _text(value: str) -> str:
    # JSON's string syntax is a subset of TOML's basic strings once DEL is escaped as well.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _texts(values: Iterable[str]) -> str:
    return "[" + ", ".join(_text(value) for value in values) + "]"


def _lost(name: str) -> MalformedError:
    return MalformedError("POLICY_FILE", "the table that was added does not read back as it was meant", place=name)


# Explaining --------------------------------------------------------------------------------------------------------


def explain_policy(policy: TrustPolicy) -> str:
    """Return what a policy means, in sentences; ends in a newline."""
    parts = [
        f"Trust policy {policy.digest[:16]}… ({policy.source or 'no file named'})",
        "",
        *_issuers(policy),
        "",
        *_logs(policy),
        "",
        f"Status lists and log checkpoints may be {policy.online_seconds // 3600} hours old online and {policy.offline_seconds // 86400} days offline.",
        _owner(policy),
        *_approvals(policy),
        *(["Evidence may also come from these mirrors: " + ", ".join(policy.mirrors) + "."] if policy.mirrors else []),
        "",
        *_requirements(policy.requirements),
    ]
    return "\n".join(parts) + "\n"


def _owner(policy: TrustPolicy) -> str:
    if not policy.self_did:
        return "No `self` is set, so no licence grant to you can count."
    from datasigil.trust.owner import require_owner

    try:
        require_owner(policy, at=None)
    except PolicyError as error:
        return (
            f"You say that you are {policy.self_did}, which nothing proves ({error.found}): no licence grant to you can count until\n"
            f"you sign this file: {error.next_action}"
        )
    return f"You are {policy.self_did}, whose key has signed this trust file."


def _issuers(policy: TrustPolicy) -> list[str]:
    if not policy.issuers:
        return [
            "You trust no issuer: nothing that is checked under this policy will pass. `datasigil-verify trust add BUNDLE` adds one."
        ]
    lines = ["Whose word counts:"]
    for rule in policy.issuers:
        roles = ", ".join(rule.roles) or "no role"
        lines.append(f"  {rule.name} ({rule.did}) as {roles}, for {', '.join(rule.types) or 'no type of credential'}")
        if rule.delegated_by:
            lines.append(f"    because {rule.delegated_by} delegates to it")
        if not rule.keys and not rule.did.startswith("did:key:"):
            lines.append("    no key is pinned: what it signs stays INDETERMINATE until you pin one")
        lines += [f"    {_pin(pin)}" for pin in rule.keys]
        lines += [
            f"    recovery key {key.multibase[:16]}…: it may sign a rotation to a new key" for key in rule.recovery
        ]
    return lines


def _pin(pin: KeyPin) -> str:
    words = [f"key {pin.key.multibase[:16]}…"]
    if pin.valid_from is not None:
        words.append(f"for what was logged from {pin.valid_from}")
    if pin.valid_until is not None:
        words.append(f"until {pin.valid_until}")
    if pin.compromised is not None:
        words.append(f"compromised: only what stands below entry {pin.compromised.index} of {pin.compromised.origin}")
    return ", ".join(words)


def _logs(policy: TrustPolicy) -> list[str]:
    lines = [
        "Logs: "
        + (", ".join(rule.origin for rule in policy.logs) or "none; nothing can be shown to have been logged")
        + "."
    ]
    for one in (one for rule in policy.logs for one in rule.earlier):
        what = "checkpoints" if one.until is None else f"times until {one.until}"
        lines.append(f"An earlier key of {one.key.name} counts for {what} of at most {one.size} entries: {one.key}.")
    if policy.quorum == 0:
        lines.append("No witness has to cosign: the time of logging is the registry's own word.")
        return lines
    principals = sorted({one.principal for one in policy.witnesses})
    lines.append(f"{policy.quorum} of these {len(principals)} witnesses must cosign: {', '.join(principals)}.")
    keys = [one.key.public_key for one in policy.witnesses]
    if len(set(keys)) < len(keys):
        lines.append("WARNING: two witnesses share one key; it is counted once.")
    return lines


def _approvals(policy: TrustPolicy) -> list[str]:
    if not policy.approvals:
        return ["No approval by others is asked for."]
    held = {role for rule in policy.issuers for role in rule.roles}
    missing = [role for role in roles_in(parse_approvals(policy.approvals)) if role not in held]
    lines = [f"A dataset must be approved by {policy.approvals}."]
    if missing:
        lines.append(f"WARNING: no issuer has the role {', '.join(missing)}.")
    return lines


def _sector_rules(sector: str) -> list[str]:
    """Return every rule of a sector profile with its source and date."""
    if not sector:
        return []
    from datasigil.trust.profiles import PROFILES, READ

    lines = [f"What the sector profile {sector} asks for, as read in {READ}; this is not legal advice:"]
    for rule in PROFILES[sector]:
        lines += [f"  {rule.asks}", f"    {rule.source}, {rule.date}"]
    return lines


def _requirements(wanted: Requirements) -> list[str]:
    rules = wanted.licenses
    lines = ["What a dataset must say:"]
    if wanted.use:
        lines.append(f"  its licence and terms must allow {wanted.use}{', commercially' if wanted.commercial else ''}")
    if wanted.share not in ("", "nothing"):
        under = f" under {wanted.result_license}" if wanted.result_license else ""
        lines.append(f"  all datasets of one use together must let the {wanted.share} be passed on{under}")
    if rules.allow:
        lines.append(f"  its licence must be one of {', '.join(rules.allow)}")
    if rules.deny:
        lines.append(f"  its licence must not be {', '.join(rules.deny)}")
    lines.append(f"  an unknown licence is {'refused' if rules.unknown == 'refuse' else 'let through with a warning'}")
    if rules.evidence:
        shown = {"text": "is required", "warn": "is missed with a warning"}[rules.evidence]
        lines.append(f"  the signed digest of its licence's text, or a grant to you, {shown}; parents' included")
    lines += [
        f"  {name} (regulated data) must be {' or '.join(values)}"
        for name, values in sorted(wanted.regulations.items())
    ]
    simple = (
        (wanted.roles, "  its credential must be by its {}", " or ".join(wanted.roles)),
        (wanted.profile, "  its credential must have the {} profile", wanted.profile),
        (wanted.sector, "  everything that the sector profile {} asks for", wanted.sector),
        (wanted.max_age_days, "  it must have been published at most {} days ago", wanted.max_age_days),
        (wanted.proven_before, "  the log must have held it by {}", wanted.proven_before),
        (wanted.personal_data, "  personal data must be {}", " or ".join(wanted.personal_data)),
        (wanted.geography, "  it may be processed in {}", wanted.geography),
        (wanted.digest, "  {} must be computed over every file", wanted.digest),
        (wanted.lineage, "  if it was derived, how must be {}", wanted.lineage),
        (wanted.approved_until, "  approvals that count are in force until {} at least", wanted.approved_until),
        (wanted.granted, "  a licence for this use is granted {}", "to you by name"),
    )
    lines += [text.format(value) for present, text, value in simple if present]
    for rule in wanted.quality:
        bounds = " and ".join(
            text
            for text in (rule.minimum and f"at least {rule.minimum}", rule.maximum and f"at most {rule.maximum}")
            if text
        )
        lines.append(f"  {rule.metric} must be {bounds}{', ' + ' or '.join(rule.assurance) if rule.assurance else ''}")
    return lines + _sector_rules(wanted.sector)
