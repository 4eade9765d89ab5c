"""RDF Dataset Canonicalization 1.0: the 86 published tests, in bounded work."""

import json
import resource
import subprocess
import sys
from hashlib import sha256
from itertools import permutations

import pytest

from datasigil.credentials.nquads import Quad, iri, literal, parse_nquads
from datasigil.credentials.rdfc import _orders, canonical_labels, canonical_nquads
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


# SHA-256 of what npm's rdf-canonize 5.0.0 makes of these, the first by default, the second with maxWorkFactor 2.
REFERENCE = {
    "two equal lists": "5d977cec8e675d6015f8fb66a69e4525e2800101b35be76d48613345e6098ea0",
    "a list of nodes": "6f13aee8488c3d372392693f81ed8f80893ad5c821089a40d282173aa290dcfb",
}


def rdf_list(name: str, items: list[str]) -> list[Quad]:
    first, rest, nil = (f"<http://www.w3.org/1999/02/22-rdf-syntax-ns#{one}>" for one in ("first", "rest", "nil"))
    quads = [Quad("<urn:document>", f"<urn:{name}>", f"_:{name}0", "")]
    for index, item in enumerate(items):
        following = f"_:{name}{index + 1}" if index + 1 < len(items) else nil
        quads += [Quad(f"_:{name}{index}", first, item, ""), Quad(f"_:{name}{index}", rest, following, "")]
    return quads


def test_long_lists_are_canonical_where_the_reference_implementation_has_an_answer():
    texts = [f'"clause {index}"' for index in range(1000)]
    assert canonical_nquads(rdf_list("a", texts)).count("\n") == 2001
    # Each cell of one list looks like a cell of the other: the walks are a thousand cells deep.
    twins = canonical_nquads([*rdf_list("a", texts), *rdf_list("a", texts)])
    assert twins == canonical_nquads(rdf_list("a", texts))
    both = [
        *rdf_list("a", texts),
        *(quad._replace(predicate=quad.predicate.replace("urn:b", "urn:a")) for quad in rdf_list("b", texts)),
    ]
    assert sha256(canonical_nquads(both).encode()).hexdigest() == REFERENCE["two equal lists"]
    nodes = [f"_:i{index}" for index in range(140)]
    names = [Quad(node, "<urn:name>", f'"{index}"', "") for index, node in enumerate(nodes)]
    assert (
        sha256(canonical_nquads([*rdf_list("a", nodes), *names]).encode()).hexdigest() == REFERENCE["a list of nodes"]
    )


def test_the_answer_does_not_depend_on_labels_or_order():
    quads = [*rdf_list("a", ['"same"'] * 120), *ring(30)]
    renamed = [Quad(*(term.replace("_:", "_:x") for term in quad)) for quad in reversed(quads)]
    assert canonical_nquads(renamed) == canonical_nquads(quads)


def test_a_short_ring_and_many_twins_are_not():
    assert canonical_nquads(ring(40)).count("\n") == 40
    twins = [
        quad
        for index in range(500)
        for quad in (Quad("<urn:a>", "<urn:p>", f"_:n{index}", ""), Quad(f"_:n{index}", "<urn:q>", '"same"', ""))
    ]
    assert canonical_nquads(twins).count("\n") == 1000


@pytest.mark.parametrize("labels", ["a", "aaaa", "aabb", "abab", "abcb", "abc", "aabbc"])
def test_every_order_of_related_nodes_comes_once(labels):
    first_come = sorted(labels, key=labels.index)
    assert list(_orders(list(labels))) == list(dict.fromkeys(permutations(first_come)))


def test_a_presentation_may_carry_the_same_credential_several_times():
    # Each credential's graph shares a quad with its nodes for every property: without care, all orders of that one node are tried.
    graph = [
        ("_:vp", "<urn:credential>", "_:g{0}", ""), ("_:c{0}", "<urn:issuer>", "<urn:i>", "_:g{0}"),
        *(("_:c{0}", f"<urn:p{number}>", '"same"', "_:g{0}") for number in range(9)), ("_:c{0}", "<urn:proof>", "_:p{0}", "_:g{0}"),
        *(("_:q{0}", f"<urn:q{number}>", '"same"', "_:p{0}") for number in range(9)),
    ]  # fmt: skip
    for seed in range(20):  # the hashes decide which of the nodes comes first
        named = [
            Quad(*(term.format(copy).replace("same", str(seed)) for term in quad))
            for quad in graph
            for copy in range(3)
        ]
        assert canonical_nquads(named, budget=2000).count("\n") == 3 * len(graph)


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
