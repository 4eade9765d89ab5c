"""Text out of documents: ours (one child with limits for all of them), pypdf in this process (the limit), pypdf in a process per document.

Interleaved rounds, CPU seconds of this process and its children; the ratio is to the limit. Run: python benchmarks/curation/run.py [DOCUMENTS]
"""

from __future__ import annotations

import io
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from curation_material import pdf

from datasigil.curation.documents import DocumentPool, DocumentReader
from datasigil.curation.reading import Parent

ROUNDS = 3
PAGE = "The Tenant shall pay the rent on the first day of each month, without deduction or set-off. " * 12
ALONE = "import io,sys,pypdf;[p.extract_text() for p in pypdf.PdfReader(io.BytesIO(sys.stdin.buffer.read())).pages]"


def cpu() -> float:
    return sum(
        one.ru_utime + one.ru_stime for one in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def ours(documents):
    with DocumentReader() as reader:
        return [[page.text for page in reader.read("a.pdf", io.BytesIO(one), "x").pages] for one in documents]


def pool(documents):
    parent = Parent(
        "urn:x",
        "",
        "",
        {f"{number}.pdf": len(one) for number, one in enumerate(documents)},
        lambda path: io.BytesIO(documents[int(path[:-4])]),
    )
    with DocumentPool() as readers:
        return [[page.text for page in one.pages] for one in readers.read_all(list(parent.files), parent, "x")]


def limit(documents):
    import pypdf

    return [[page.extract_text() for page in pypdf.PdfReader(io.BytesIO(one)).pages] for one in documents]


def alone(documents):
    for one in documents:
        subprocess.run([sys.executable, "-c", ALONE], input=one, check=True)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    documents = [pdf(*(f"{number}: {PAGE}" for number in range(10)), compress=True) for _ in range(count)]
    assert (
        [[text.strip() for text in one] for one in limit(documents[:3])] == ours(documents[:3]) == pool(documents[:3])
    )
    few = documents[: max(1, count // 15)]
    rows = {
        "pypdf here (limit)": (limit, documents),
        "ours, one child": (ours, documents),
        "ours, every core": (pool, documents),
        "a process per document": (alone, few),
    }
    best: dict[str, tuple[float, float]] = {}
    for _ in range(ROUNDS):
        for name, (run, given) in rows.items():
            before, wall = cpu(), time.perf_counter()
            run(given)
            found = ((cpu() - before) / len(given), (time.perf_counter() - wall) / len(given))
            best[name] = min(best.get(name, found), found)
    base = best["pypdf here (limit)"][0]
    print(f"{count} documents of 10 pages, best of {ROUNDS} interleaved rounds")
    print(f"{'':26}{'CPU ms/doc':>12}{'wall ms/doc':>13}{'ratio':>8}")
    for name, (used, wall) in best.items():
        print(f"{name:26}{used * 1e3:12.1f}{wall * 1e3:13.1f}{used / base:8.2f}")


if __name__ == "__main__":
    main()
