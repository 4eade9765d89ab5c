"""Makes handed-over-v1.sigil.json and its trust file: a credential whose registry ended, with evidence of a month later by the one that goes on.

    python tests/vectors/transparency/make_handed_over_bundle.py

Run again only while version 1 of a format is still being shaped, never after a release: an old bundle has to read for ever.
The trust file beside it makes the bundle VALID as of 2026-12-02T09:30:00Z.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from succession import Succeeded  # noqa: E402 - the path above leads to it

from datasigil.bundle import bundle_bytes  # noqa: E402 - same


def main() -> None:
    world = Succeeded()
    document = world.published()
    world.end()
    (HERE / "handed-over-v1.sigil.json").write_bytes(bundle_bytes(world.late(document)))
    (HERE / "handed-over-v1.datasigil.toml").write_text(world.trust_file(), encoding="utf-8")


if __name__ == "__main__":
    main()
