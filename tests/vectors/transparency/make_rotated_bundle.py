"""Makes rotated-v1.sigil.json and its trust file: a did:web that has rotated, and evidence that was renewed a month later.

    python tests/vectors/transparency/make_rotated_bundle.py

Run again only while version 1 of a format is still being shaped, never after a release: an old bundle has to read for ever.
The trust file beside it makes the bundle VALID as of 2026-12-02T09:30:00Z, and with `provenBefore` 2026-11-03.
"""

import sys
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from adversarial.group_history import Rotating  # noqa: E402 - the path above leads to it
from adversarial.stage import Stage  # noqa: E402 - same

from datasigil.bundle import bundle_bytes  # noqa: E402 - same


def main() -> None:
    one = Rotating(Stage())
    rotation = one.rotate()
    first = one.issued()
    one.world.tick(days=30)
    one.world.publish(one.world.issue())
    later = one.world.bundle(first.credential)
    assert first.log is not None
    assert later.log is not None
    log = replace(first.log, current=later.log.proof)
    bundle = replace(later, log=log, issuer_keys=(*first.issuer_keys, one.evidence(rotation)))
    (HERE / "rotated-v1.sigil.json").write_bytes(bundle_bytes(bundle))
    policy = one.policy + '\n[requirements]\nprovenBefore = "2026-11-03T00:00:00Z"\n'
    (HERE / "rotated-v1.datasigil.toml").write_text(policy, encoding="utf-8")


if __name__ == "__main__":
    main()
