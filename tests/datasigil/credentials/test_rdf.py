"""JSON-LD to RDF: every loss is an error, nothing is fetched, and a hostile document cannot take the process with it."""

import json
import os
import socket
import subprocess
import sys
import threading

import pytest

from datasigil.credentials import rdf_worker
from datasigil.credentials.rdf import canonicalize, check_terms, to_quads
from datasigil.credentials.rdf_worker import canonicalize_isolated, check_terms_isolated
from datasigil.errors import MalformedError

V2 = "https://www.w3.org/ns/credentials/v2"
EXAMPLES = "https://www.w3.org/ns/credentials/examples/v2"


def document(**members) -> dict:
    return {"@context": [V2], "id": "urn:a:b", "name": "x"} | members


def refusal(value, check=lambda value: canonicalize(value, "sha256")) -> str:
    with pytest.raises(MalformedError) as caught:
        check(value)
    return caught.value.code


LOSSES = [
    (document(foo="x"), "DATA_LOSS"),  # undefined term
    (document(type="Foo"), "DATA_LOSS"),  # undefined type
    (document(type=["VerifiableCredential", "Foo"]), "DATA_LOSS"),
    (document(id="relative"), "DATA_LOSS"),
    (document(id="/absolute/path"), "DATA_LOSS"),
    (document(id="#fragment"), "DATA_LOSS"),
    (document(id=""), "DATA_LOSS"),
    (document(id="urn:a b"), "DATA_LOSS"),
    (document(name=None), "DATA_LOSS"),
    (document(name=["x", None]), "DATA_LOSS"),
    (document(name={"@value": None}), "DATA_LOSS"),
    (document(name={"@language": "en"}), "DATA_LOSS"),
    (document(name={"@value": "x", "@language": "not a tag"}), "DATA_LOSS"),
    (document(name={"@value": "x", "@index": "i"}), "DATA_LOSS"),
    (document(**{"@foo": "x"}), "DATA_LOSS"),  # looks like a keyword
    (document(**{"@index": "x"}), "DATA_LOSS"),
    (document(**{"_:blank": "x"}), "DATA_LOSS"),
    (document(**{"relative/property": "x"}), "DATA_LOSS"),
    (document(name={"foo": "x"}), "DATA_LOSS"),
    (document(name={"@value": {"a": 1}}), "JSON_LD"),
    (document(name={"@value": "x", "@type": "@json", "@language": "en"}), "JSON_LD"),
    (document(**{"@graph": ["free"]}), "DATA_LOSS"),
    ({"@context": [V2], "@value": "x"}, "DATA_LOSS"),
    ({"@context": [V2]}, "DATA_LOSS"),
    ({"@context": [V2], "id": "urn:a:b"}, "DATA_LOSS"),  # says nothing
    ({"name": "x"}, "DATA_LOSS"),  # no context at all
    ({"@context": [V2, {"@base": "https://a.example/"}], "id": "relative", "name": "x"}, "DATA_LOSS"),
    (
        {"@context": [V2, {"t": {"@id": "urn:t", "@container": "@language"}}], "id": "urn:a:b", "t": {"en": None}},
        "DATA_LOSS",
    ),
    (document(name=0.30000000000000004), "NUMBER"),
    # Contexts
    ({"@context": ["https://evil.example/context"], "id": "urn:a:b", "name": "x"}, "CONTEXT"),
    ({"@context": [V2, "relative.jsonld"], "id": "urn:a:b", "name": "x"}, "CONTEXT"),
    ({"@context": [V2, "file:///etc/passwd"], "id": "urn:a:b", "name": "x"}, "CONTEXT"),
    ({"@context": [V2, {"name": "https://evil.example/n"}], "id": "urn:a:b", "name": "x"}, "CONTEXT"),  # protected
    ({"@context": [V2, {"VerifiableCredential": "https://evil.example/n"}], "id": "urn:a:b", "name": "x"}, "CONTEXT"),
    ({"@context": [V2, {"id": "https://evil.example/n"}], "id": "urn:a:b", "name": "x"}, "CONTEXT"),
    ({"@context": [V2, None], "id": "urn:a:b", "name": "x"}, "CONTEXT"),  # would clear protected terms
    ({"@context": [V2, 5], "id": "urn:a:b", "name": "x"}, "CONTEXT"),
    ({"@context": 5, "id": "urn:a:b", "name": "x"}, "CONTEXT"),
    ({"@context": [V2, {"t": {"@id": "not a url"}}], "id": "urn:a:b", "t": "x"}, "CONTEXT"),
    ({"@context": [V2, {"@import": "https://evil.example/c"}], "id": "urn:a:b", "name": "x"}, "CONTEXT"),
    ({"@context": [V2, {"@version": 1.0}], "id": "urn:a:b", "name": "x"}, "CONTEXT"),
    ({"@context": [V2, {"a": "b", "b": "a"}], "id": "urn:a:b", "a": "x"}, "CONTEXT"),
    (document(name={"@context": {"name": "https://evil.example/n"}, "name": "x"}), "CONTEXT"),
]


@pytest.mark.parametrize(("value", "code"), LOSSES, ids=[json.dumps(value)[:70] for value, _ in LOSSES])
def test_each_loss_is_refused(value, code):
    assert refusal(value) == code
    assert refusal(value, lambda value: canonicalize_isolated(value, "sha256")) == code


@pytest.mark.parametrize(
    ("value", "term"),
    [
        ("x", '"x"'),
        ({"@value": "x", "@language": "en-US"}, '"x"@en-us'),
        ({"@value": "x", "@language": "ar", "@direction": "rtl"}, '"x"^^<https://www.w3.org/ns/i18n#ar_rtl>'),
        ({"@value": "x", "@direction": "ltr"}, '"x"^^<https://www.w3.org/ns/i18n#_ltr>'),
        (True, '"true"^^<http://www.w3.org/2001/XMLSchema#boolean>'),
        (5, '"5"^^<http://www.w3.org/2001/XMLSchema#integer>'),
        (5.0, '"5"^^<http://www.w3.org/2001/XMLSchema#integer>'),
        (-0.5, '"-5.0E-1"^^<http://www.w3.org/2001/XMLSchema#double>'),
        (1.25e30, '"1.25E30"^^<http://www.w3.org/2001/XMLSchema#double>'),
        ({"@value": "2026-01-01", "@type": "http://www.w3.org/2001/XMLSchema#date"}, '"2026-01-01"^^<http://www.w3.org/2001/XMLSchema#date>'),
        ({"@value": 7, "@type": "http://www.w3.org/2001/XMLSchema#double"}, '"7.0E0"^^<http://www.w3.org/2001/XMLSchema#double>'),
        ({"@value": "7", "@type": "http://www.w3.org/2001/XMLSchema#double"}, '"7.0E0"^^<http://www.w3.org/2001/XMLSchema#double>'),
        ({"@value": {"b": 1, "a": [None]}, "@type": "@json"}, '"{\\"a\\":[null],\\"b\\":1}"^^<http://www.w3.org/1999/02/22-rdf-syntax-ns#JSON>'),
    ],
)  # fmt: skip
def test_values_become_the_literals_that_the_specification_says(value, term):
    if isinstance(value, dict) and value.get("@type") == "@json":
        # null is data inside a JSON literal, and is refused there too: our own formats have none.
        assert refusal(document(name=value)) == "DATA_LOSS"
        value = {"@value": {"b": 1, "a": []}, "@type": "@json"}
        term = '"{\\"a\\":[],\\"b\\":1}"^^<http://www.w3.org/1999/02/22-rdf-syntax-ns#JSON>'
    (quad,) = to_quads(document(name=value))
    assert quad.object == term


def test_lists_keep_their_order_and_sets_do_not():
    context = [V2, {"ordered": {"@id": "urn:ordered", "@container": "@list"}, "plain": "urn:plain"}]

    def canonical(name, items):
        return canonicalize({"@context": context, "id": "urn:a:b", name: items}, "sha256")

    assert canonical("ordered", ["1", "2"]) != canonical("ordered", ["2", "1"])
    assert canonical("ordered", ["1", "1"]) != canonical("ordered", ["1"])
    assert canonical("ordered", []).count(b"\n") == 1
    assert canonical("plain", ["1", "2"]) == canonical("plain", ["2", "1", "2"])


def test_graphs_included_and_reverse_nodes_are_kept():
    context = [V2, {"p": {"@id": "urn:p", "@type": "@id"}, "back": {"@reverse": "urn:q", "@type": "@id"}}]
    quads = to_quads(
        {
            "@context": context,
            "id": "urn:a:b",
            "p": "_:x",
            "back": "urn:c:d",
            "@included": [{"id": "urn:e:f", "name": "y"}],
            "@graph": [{"id": "_:x", "name": "z"}],
        }
    )
    lines = sorted(quad.line() for quad in quads)
    assert lines == [
        "<urn:a:b> <urn:p> _:b0 .\n", "<urn:c:d> <urn:q> <urn:a:b> .\n", '<urn:e:f> <https://schema.org/name> "y" .\n',
        '_:b0 <https://schema.org/name> "z" <urn:a:b> .\n',
    ]  # fmt: skip


def test_nothing_is_fetched(monkeypatch):
    monkeypatch.setattr(socket, "socket", lambda *a, **k: pytest.fail("a socket was opened"))
    assert refusal({"@context": ["http://127.0.0.1/context"], "id": "urn:a:b", "name": "x"}) == "CONTEXT"


def test_the_subprocess_says_what_the_process_says(examples):
    for example in examples.values():
        for name in ("sha256", "sha384"):
            assert canonicalize_isolated(example, name) == canonicalize(example, name)
        check_terms_isolated(example)
        check_terms(example)


def child_of_this_process() -> int | None:
    child = rdf_worker._POOL.child
    return child.process.pid if child is not None else None


def test_one_subprocess_serves_many_documents():
    canonicalize_isolated(document(), "sha256")
    first = child_of_this_process()
    for _ in range(5):
        refusal(document(foo=1), check_terms_isolated)
        canonicalize_isolated(document(), "sha256")
    assert child_of_this_process() == first


def expensive() -> dict:
    return {"@context": [V2, EXAMPLES], "a": [{"b": ["x"] * 10} for _ in range(80_000)]}  # several times the bound


def test_a_document_past_the_cpu_bound_is_refused_and_the_next_one_served():
    assert refusal(expensive(), check_terms_isolated) == "LIMIT"
    assert canonicalize_isolated(document(), "sha256")


def test_a_document_past_the_memory_bound_is_refused_and_the_next_one_served():
    context = [V2, {"t": {"@id": "urn:" + "t" * 60_000}}]
    wide = {"@context": context, "id": "urn:a:b", "t": [str(index) for index in range(60_000)]}
    assert refusal(wide, lambda value: canonicalize_isolated(value, "sha256")) == "LIMIT"
    assert canonicalize_isolated(document(), "sha256")


def test_a_killed_subprocess_refuses_one_document_and_is_replaced():
    canonicalize_isolated(document(), "sha256")
    rdf_worker._POOL.child.process.kill()
    rdf_worker._POOL.child.process.wait()
    assert canonicalize_isolated(document(), "sha256")


def test_threads_share_the_subprocess_without_mixing_answers():
    wanted = {index: canonicalize(document(name=f"n{index}"), "sha256") for index in range(24)}
    found: dict[int, bytes] = {}
    threads = [
        threading.Thread(
            target=lambda i=i: found.__setitem__(i, canonicalize_isolated(document(name=f"n{i}"), "sha256"))
        )
        for i in wanted
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == wanted


def test_a_forked_process_does_not_read_its_parents_answers():
    canonicalize_isolated(document(), "sha256")
    code = f"""
import os
from datasigil.credentials.rdf_worker import canonicalize_isolated, _POOL
document = {document()!r}
first = canonicalize_isolated(document, "sha256")
pid = os.fork()
if pid == 0:
    before = _POOL.child.process.pid
    assert canonicalize_isolated(document, "sha256") == first
    assert _POOL.child.process.pid != before
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert canonicalize_isolated(document, "sha256") == first
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_the_subprocess_does_not_outlive_its_parent():
    code = f"""
from datasigil.credentials.rdf_worker import canonicalize_isolated, _POOL
canonicalize_isolated({document()!r}, "sha256")
print(_POOL.child.process.pid, flush=True)
import os; os._exit(0)
"""
    pid = int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        # Nobody waits for an orphan here but init, so a zombie has ended too.
        with open(f"/proc/{pid}/stat") as file:
            if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                return
        threading.Event().wait(0.05)
    pytest.fail("the subprocess still runs")


def test_the_subprocess_gets_no_secrets_from_the_environment(monkeypatch):
    monkeypatch.setenv("DATASIGIL_PASSPHRASE_FILE", "/secret")
    rdf_worker.stop()
    canonicalize_isolated(document(), "sha256")
    with open(f"/proc/{child_of_this_process()}/environ") as file:
        assert "DATASIGIL" not in file.read()
