"""Makes bundle-v1.sigil.json and its trust file from the simulated world, whose keys and clock never change.

    python tests/vectors/transparency/make_bundle.py

Run again only while version 1 of a format is still being shaped, never after a release: an old bundle has to read for ever.
The trust file beside it makes the bundle VALID as of 2026-11-02T09:30:00Z.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from simulator import World  # noqa: E402 - the path above leads to it

from datasigil.bundle import bundle_bytes  # noqa: E402 - same


def main() -> None:
    world = World(witnesses=2)
    bundle = world.publish(world.issue())
    (HERE / "bundle-v1.sigil.json").write_bytes(bundle_bytes(bundle))
    (HERE / "bundle-v1.datasigil.toml").write_text(world.policy_toml(quorum=2), encoding="utf-8")


if __name__ == "__main__":
    main()
