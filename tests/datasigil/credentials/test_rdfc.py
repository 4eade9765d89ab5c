"""RDF Dataset Canonicalization 1.0: the 86 published tests, in bounded work."""

import json
import resource
import subprocess
import sys

import pytest

from datasigil.credentials.nquads import Quad, iri, literal, parse_nquads
from datasigil.credentials.rdfc import canonical_labels, canonical_nquads
from datasigil.errors import MalformedError


def hash_name(entry) -> str:
    return {"SHA384": "sha384"}.get(entry.get("hashAlgorithm"), "sha256")


def test_all_86_published_cases(shared):
    folder = shared / "vectors/rdf-canon"
    entries = json.loads((folder / "manifest.jsonld").read_text())["entries"]
    assert len(entries) == 86
    for entry in entries:
        quads = parse_nquads((folder / entry["action"]).read_text(encoding="utf-8"))
        if entry["type"] == "rdfc:RDFC10EvalTest":
            assert canonical_nquads(quads, hash_name=hash_name(entry)) == (folder / entry["result"]).read_text(
                encoding="utf-8"
            ), entry["id"]
        elif entry["type"] == "rdfc:RDFC10MapTest":
            assert canonical_labels(quads, hash_name=hash_name(entry)) == json.loads(
                (folder / entry["result"]).read_text()
            ), entry["id"]
        else:
            with pytest.raises(MalformedError) as caught:
                canonical_nquads(quads, hash_name=hash_name(entry))
            assert caught.value.code == "LIMIT"


def ring(size: int) -> list[Quad]:
    return [Quad(f"_:n{index}", "<urn:p>", f"_:n{(index + 1) % size}", "") for index in range(size)]


def test_a_ring_of_200_blank_nodes_is_too_much_work():
    with pytest.raises(MalformedError) as caught:
        canonical_nquads(ring(200))
    assert caught.value.code == "LIMIT"  # C25


def test_a_short_ring_and_many_twins_are_not():
    assert canonical_nquads(ring(40)).count("\n") == 40
    twins = [
        quad
        for index in range(500)
        for quad in (Quad("<urn:a>", "<urn:p>", f"_:n{index}", ""), Quad(f"_:n{index}", "<urn:q>", '"same"', ""))
    ]
    assert canonical_nquads(twins).count("\n") == 1000


def clique(size: int) -> list[Quad]:
    return [Quad(f"_:n{one}", "<urn:p>", f"_:n{other}", "") for one in range(size) for other in range(size)]


@pytest.mark.parametrize("size", [8, 12, 40])
def test_cliques_end_within_two_seconds_of_cpu(size):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    with pytest.raises(MalformedError) as caught:
        canonical_nquads(clique(size))
    assert caught.value.code == "LIMIT"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 2


def test_renaming_and_reordering_change_nothing():
    quads = [Quad("_:a", "<urn:p>", "_:b", ""), Quad("_:b", "<urn:p>", '"x"', "_:g"), Quad("_:g", "<urn:q>", "_:a", "")]
    renamed = [
        Quad(*(f"_:z{term[2:]}" if term.startswith("_:") else term for term in quad)) for quad in reversed(quads)
    ]
    assert canonical_nquads(quads) == canonical_nquads(renamed + renamed[:1])


def test_literals_are_escaped_as_the_specification_says():
    text = "".join(map(chr, range(0x20))) + '"\\\x7f é\U0001f600'
    assert literal(text) == (
        '"\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000B\\f\\r\\u000E\\u000F\\u0010\\u0011\\u0012\\u0013\\u0014'
        '\\u0015\\u0016\\u0017\\u0018\\u0019\\u001A\\u001B\\u001C\\u001D\\u001E\\u001F\\"\\\\\\u007F é\U0001f600"'
    )
    (quad,) = parse_nquads(f"<urn:s> <urn:p> {literal(text)} .")
    assert quad.object == literal(text)


@pytest.mark.parametrize(
    "text", ["relative", "", "/a", "#a", "urn:a b", "urn:<a>", 'urn:"', "urn:a\n", "urn:{a}", "urn:a\\u0020", "1a:b"]
)
def test_what_is_no_absolute_iri_is_refused(text):
    with pytest.raises(MalformedError) as caught:
        iri(text)
    assert caught.value.code == "DATA_LOSS"


@pytest.mark.parametrize(
    "line",
    [
        "<urn:s> <urn:p> .",
        "<urn:s> <urn:p> <urn:o>",
        "<urn:s> _:p <urn:o> .",
        '"s" <urn:p> <urn:o> .',
        "<urn:s> <urn:p> 'o' .",
        '<urn:s> <urn:p> "o"@ .',
        '<urn:s> <urn:p> "o"^^"t" .',
        '<urn:s> <urn:p> "\\x" .',
        '<urn:s> <urn:p> "\\ud800" .',
        "<urn:s> <urn:p> <urn:o> <urn:g> <urn:x> .",
        "<urn:s> <urn:p> <urn:o> . x",
    ],
)
def test_other_lines_are_no_n_quads(line):
    with pytest.raises(MalformedError):
        parse_nquads(f"<urn:a> <urn:b> <urn:c> .\n{line}\n")


def test_comments_blank_lines_and_duplicates_are_skipped():
    assert parse_nquads("# head\r\n\r\n  <urn:s>\t<urn:p> <urn:o> . # tail\n<urn:s> <urn:p> <urn:o> .\n") == [
        Quad("<urn:s>", "<urn:p>", "<urn:o>", "")
    ]


def test_canonicalising_does_not_import_pyld():
    code = "import datasigil.credentials.rdfc, sys; sys.exit('pyld' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
