"""Fuzz one target with atheris.

    python tests/fuzz/run.py TARGET [--seconds 10] [--corpus FOLDER] [--artifacts FOLDER]
    python tests/fuzz/run.py TARGET --replay FILE…        (no atheris needed)

A finding is an exception that is not ours, a broken promise of the target, more than 2 s of CPU for one input, or memory beyond the
limit; the input is left in the artifacts folder and the exit status is not 0. An input that was found once belongs into tests/fuzz/found
with its target's name in front, where the tests replay it for ever.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]

CPU_SECONDS = 2.0
MEMORY_MIB = 2048  # the instrumented process with everything imported takes a quarter of it; a bomb would pass it
LENGTH_MAX = 16_384
UNSUPPORTED = 77


def main() -> int:
    """Parse the command line and fuzz or replay."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--artifacts", type=Path, default=Path())
    parser.add_argument("--replay", type=Path, nargs="+")
    options = parser.parse_args()
    if options.replay:
        from targets import TARGETS

        for path in options.replay:
            bounded(TARGETS[options.target], path.read_bytes())
            print(f"{path}: refused or read, as it should be")
        return 0
    return fuzz(options)


def bounded(target: object, data: bytes) -> None:
    """Run one input, grown if the target reads JSON, and hold it to its CPU time."""
    from grow import grown

    given = grown(data, seeds_of(target)) if target.json else data  # type: ignore[attr-defined]
    began = time.process_time()
    target.one(given)  # type: ignore[attr-defined]
    spent = time.process_time() - began
    assert spent <= CPU_SECONDS, f"{spent:.1f} s of CPU for {len(given)} bytes"


_SEEDS: dict[str, list[bytes]] = {}


def seeds_of(target: object) -> list[bytes]:
    """The seeds of a target, made once."""
    name = target.name  # type: ignore[attr-defined]
    if name not in _SEEDS:
        _SEEDS[name] = list(target.seeds())  # type: ignore[attr-defined]
    return _SEEDS[name]


def fuzz(options: argparse.Namespace) -> int:
    """Run libFuzzer; it ends the process itself."""
    try:
        import atheris
    except ImportError:
        print(
            "atheris is not installed: it has wheels for Linux on x86-64 alone (pip install -e '.[dev]' there); elsewhere the tests replay the seeds with seeded mutations",
            file=sys.stderr,
        )
        return UNSUPPORTED
    with atheris.instrument_imports(include=["datasigil"]):
        from targets import TARGETS
    target = TARGETS[options.target]
    corpus = options.corpus or Path(tempfile.mkdtemp(prefix=f"fuzz-{target.name}-"))
    corpus.mkdir(parents=True, exist_ok=True)
    options.artifacts.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds_of(target)):
        # Even first byte: the seed as it is. Odd: edits of it.
        (corpus / f"seed-{number}").write_bytes((b"\0" if target.json else b"") + seed)
        if target.json:
            (corpus / f"edits-{number}").write_bytes(bytes([1, 0, number, 0, 3, *range(40)]))
    atheris.Setup(
        [
            sys.argv[0], str(corpus), f"-max_total_time={options.seconds}", f"-max_len={LENGTH_MAX}", "-timeout=60", f"-rss_limit_mb={MEMORY_MIB}",
            f"-artifact_prefix={options.artifacts}/{target.name}-", "-print_final_stats=1", "-verbosity=1",
        ],
        lambda data: bounded(target, data),
    )  # fmt: skip
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
