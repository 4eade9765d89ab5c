"""`datasigil-verify policy init` and `policy explain`: start a trust file, and say in sentences what one means.

Here: where the file goes and that none is ever overwritten. Not here: the templates and sentences (`datasigil.trust`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from datasigil.errors import DatasigilError
from datasigil.report.terminal import OK, escape
from datasigil.transparency.durable import write_durably
from datasigil.trust.policy import explain_policy, parse_policy
from verifier_cli import places

if TYPE_CHECKING:
    from argparse import Namespace

    from datasigil.report.terminal import Console


def init(given: Namespace, console: Console) -> int:
    """Write a new trust file; 0 written, 2 when something lies there already."""
    path = Path(given.output) if given.output else places.policy_path(None)[0]
    if given.profile == "none":
        from datasigil.trust.policy_text import NEW_FILE

        text = NEW_FILE
    else:
        from datasigil.trust.profiles import policy_template

        text = policy_template(given.profile)
    policy = parse_policy(text.encode("utf-8"), source=str(path))
    if path.exists() or path.is_symlink():
        raise DatasigilError(
            "EXISTS", "something lies there already", place=str(path), expected="a path that does not exist yet",
            next_action="name another file with -o, or edit the one that is there",
        )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, text.encode("utf-8"), mode=0o600)
    shown = {
        "type": "NewTrustFile",
        "formatVersion": 1,
        "path": str(path),
        "profile": given.profile,
        "digest": policy.digest,
    }
    console.result(shown, f"wrote:  {escape(str(path))}\ndigest: {policy.digest}")
    console.say("it trusts nobody yet; next: datasigil-verify trust add BUNDLE")
    return OK


def explain(given: Namespace, console: Console) -> int:
    """Say in sentences what a trust file means; 0, or 2 when it cannot be read."""
    policy = places.load_policy(given.policy)
    text = explain_policy(policy)
    shown = {
        "type": "TrustPolicyExplained",
        "formatVersion": 1,
        "digest": policy.digest,
        "source": policy.source,
        "policy": policy.content(),
        "text": text.splitlines(),
    }
    console.result(
        shown,
        "\n".join(escape(line) for line in text.splitlines()) + f"\n\nDigest, for --policy-digest: {policy.digest}",
    )
    return OK
