"""Search by what a dataset says of itself, and who publishes here.

Here: exact filters, ages, publishers, contexts, schemas, DID documents. Not here: words and pages of results (`test_reading.py`).
"""

import hashlib
import json

import pytest
from sqlalchemy import event, inspect, select, text

from datasigil.credentials.did import parse_did_document
from service.credentials import searching
from service.fsck import check_everything
from service.migrating import migrate
from service.tables import CREDENTIALS, SEARCH_TERMS

FULL = {
    "intendedPurpose": ["fine-tuning", "research"],
    "prohibitedPurpose": ["research"],
    "classification": [
        {"regulation": "phi", "evaluated": True, "result": "absent", "tool": "scanner", "date": "2026-01-01"},
        {"regulation": "pi", "evaluated": False, "result": "unknown"},
    ],
    "modality": ["text"],
    "useClass": {"use": "nc", "attribution": True, "shareAlike": False},
    "distribution": [
        {"path": "train.jsonl", "sha256": "0" * 64, "byteSize": 1, "mediaType": "application/jsonl"},
        {"path": "notes/README", "sha256": "1" * 64, "byteSize": 1},
    ],
}


@pytest.fixture
def datasets(registry, publisher):
    """A dataset that says much, and one that says little."""
    much = publisher.publish(publisher.issue(registry.world.subject(issued="2019-05-01", **FULL)))
    registry.clock.turn(days=2)
    little = publisher.publish(publisher.issue(registry.world.subject(issued="unknown")))
    return much, little


def found(registry, query):
    answer = registry.http.get(f"/credentials?{query}")
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["items"]]


def test_exact_filters_find_what_says_so_and_nothing_else(registry, publisher, datasets):
    much, little = datasets
    both = [little["id"], much["id"]]
    slug = publisher.reply["statusLists"]["revocation"].split("/")[-2]
    first_day = (registry.clock.now).replace(hour=0)
    expected = {
        "use=fine-tuning": [much["id"]],
        "use=research": [],  # prohibited takes intended back
        "use=nc": [much["id"]],
        "regulation=phi:absent": [much["id"]],
        "regulation=phi": [],
        "regulation=phi:present": [],
        "regulation=pi": [much["id"]],  # nobody looked: it counts as there
        "regulation=pi:absent": [],
        "format=application/jsonl": [much["id"]],
        "format=JSONL": [much["id"]],
        "format=text": [much["id"]],
        "format=readme": [],
        "format=json": [],  # exact, not a prefix
        "issuedFrom=2019-01-01": [much["id"]],
        "issuedTo=2019-05-01": [much["id"]],
        "issuedFrom=2019-05-02": [],
        "issuedFrom=2018-01-01&issuedTo=2018-12-31": [],
        f"provenBy={first_day:%Y-%m-%d}": both,
        "provenBy=2020-01-01": [],
        f"publisher={slug}": both,
        f"publisher={publisher.did}": both,
        "publisher=nobody": [],
        "use=fine-tuning&regulation=phi:absent&status=active": [much["id"]],
        "use=fine-tuning&status=revoked": [],
    }
    assert {query: found(registry, query) for query in expected} == expected


def plans(registry, queries):
    """How SQLite finds each; the index that all of it is about is there on PostgreSQL as well."""
    engine, seen = registry.state.database.reader, []

    def explain(connection, cursor, statement, parameters, _context, _many):
        if "ORDER BY" in statement and engine.dialect.name == "sqlite":
            rows = connection.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            seen.append(" / ".join(row[3] for row in rows))

    event.listen(engine, "before_cursor_execute", explain)
    for query in queries:
        found(registry, query)
    event.remove(engine, "before_cursor_execute", explain)
    assert len(seen) == (len(queries) if engine.dialect.name == "sqlite" else 0)
    assert "credential_search" in {one["name"] for one in inspect(engine).get_indexes("credential")}
    return seen


def test_sqlite_walks_the_narrow_index_for_what_has_no_better_index_and_never_the_documents(
    datasets, registry, publisher, monkeypatch
):
    monkeypatch.setattr(searching, "SEARCH_FEW", 1)  # so two of a type, or of a publisher, are many
    queries = ("status=revoked", "issuedTo=2020-01-01", "provenBy=2020-01-01", "type=DatasetCredential&role=observer",
               f"publisher={publisher.did}&status=active")  # fmt: skip
    for plan in plans(registry, queries):
        assert "SCAN credential USING COVERING INDEX credential_search" in plan


MIXED = ("q=text&provenBy=2020-01-01", "license=CC-BY-4.0&role=publisher", "status=active&use=fine-tuning&issuedFrom=2018-01-01",
         "format=text&q=text&regulation=phi:absent")  # fmt: skip


def test_sqlite_looks_at_few_credentials_one_by_one(datasets, registry):
    for plan in plans(registry, MIXED):
        assert "SCAN credential" not in plan


def test_sqlite_walks_many_credentials_in_windows_of_the_narrow_index(datasets, registry, monkeypatch):
    monkeypatch.setattr(searching, "SEARCH_FEW", 1)
    for plan in plans(registry, MIXED):
        assert "SEARCH credential USING COVERING INDEX credential_search (seq>? AND seq<?)" in plan
        assert plan.count("(term=? AND credential_seq>? AND credential_seq<?)") == plan.count("SEARCH search_term")


def test_what_postgresql_plans_a_search_by_ends_with_its_transaction(datasets, registry):
    found(registry, "q=a")
    database = registry.state.database
    shown = []
    for _ in range(2 if not database.is_sqlite else 0):
        with database.reading() as connection:
            shown.append(connection.execute(text("SHOW join_collapse_limit")).scalar_one())
            searching.search(connection, searching.Filter(), before=None, count=1)
            shown.append(connection.execute(text("SHOW join_collapse_limit")).scalar_one())
    assert shown == ([] if database.is_sqlite else ["8", "1", "8", "1"])


WAYS = {
    "few": {},
    "many": {"SEARCH_FEW": 1},
    "some of both": {"SEARCH_FEW": 7},
    "many words": {"SEARCH_FEW": 1, "SEARCH_WORDS_MAX": 1},
    "some, and many words": {"SEARCH_FEW": 7, "SEARCH_WORDS_MAX": 2},
}
ASKED = (
    {"terms": ("clause",)}, {"terms": ("c",)}, {"terms": ("n", "c")}, {"terms": ("number3",)}, {"terms": ("nothing",)},
    {"terms": ("number1", "lease", "c")}, {"license": "MIT"}, {"license": "MIT", "terms": ("number",)},
    {"license": "CC-BY-4.0", "terms": ("number", "cl")}, {"terms": ("lease", "clause"), "status": "active"},
    {"facets": ("use=research",)}, {"facets": ("use=research", "format=text"), "terms": ("court",), "status": "active"},
    {"status": "revoked", "terms": ("number",)}, {"status": "revoked"}, {"issued_to": "2003-01-01", "terms": ("c",)},
    {"issued_from": "2002-01-01", "license": "CC-BY-4.0", "facets": ("format=text",)}, {"issuer": "ISSUER", "terms": ("n",)},
    {"publisher": "ISSUER", "terms": ("set",), "issued_to": "2001-06-01"}, {"publisher": "nobody", "terms": ("set",)},
    {"type": "ModelTrainingCredential", "terms": ("set",)}, {"type": "DatasetCredential", "status": "revoked"},
    {"type": "DatasetCredential", "publisher": "ISSUER", "license": "MIT"}, {"publisher": "ISSUER"}, {"role": "publisher", "terms": ("lease",), "license": "MIT"}, {},
)  # fmt: skip


@pytest.fixture
def many(registry, publisher):
    """Thirty datasets of words, ages, licences and facets that differ; every fifth is revoked."""
    for number in range(30):
        words = " ".join(
            word for step, word in ((2, "clause"), (3, "court"), (5, "lease"), (7, "claim")) if number % step
        )
        facets = {"intendedPurpose": ["research"], "modality": ["text"]} if number % 4 == 0 else {}
        subject = registry.world.subject(
            name=f"{words} number{number}", description="set", issued=f"20{number // 6:02}-01-01", **facets,
            license={"expression": "MIT" if number % 6 == 1 else "CC-BY-4.0", "assurance": "declared"},
        )  # fmt: skip
        document = publisher.publish(publisher.issue(subject))
        if number % 5 == 0:
            publisher.change(document)


def met(wanted, row, words):
    """Whether a filter is met, said in Python."""
    same = all(getattr(wanted, name) in ("", getattr(row, name)) for name in ("type", "issuer", "license", "role"))
    said = not (wanted.issued_from or wanted.issued_to) or row.issued not in ("", "unknown")
    aged = wanted.issued_from <= row.issued and (not wanted.issued_to or row.issued <= wanted.issued_to)
    begun = all(any(word.startswith(term) for word in words) for term in wanted.terms)
    status = "revoked" if row.revoked else "active"
    mine = wanted.publisher in ("", row.issuer)
    return same and said and aged and begun and mine and set(wanted.facets) <= words and wanted.status in ("", status)


def test_every_way_of_searching_finds_what_meets_the_filter_newest_first(many, registry, publisher, monkeypatch):
    with registry.state.database.reading() as connection:
        rows = connection.execute(select(CREDENTIALS).order_by(CREDENTIALS.c.seq.desc())).all()
        words = {row.seq: set() for row in rows}
        for term, seq in connection.execute(select(SEARCH_TERMS.c.term, SEARCH_TERMS.c.credential_seq)):
            words[seq].add(term)
        filters = [
            searching.Filter(**{name: publisher.did if value == "ISSUER" else value for name, value in asked.items()})
            for asked in ASKED
        ]
        expected = [[row.seq for row in rows if met(wanted, row, words[row.seq])] for wanted in filters]
        assert len(rows) == 30
        assert sum(map(bool, expected)) > len(ASKED) - 6
        monkeypatch.setattr(searching, "SEARCH_WINDOW_FIRST", 3)
        monkeypatch.setattr(searching, "SEARCH_WINDOW_GROWTH", 2)
        for way in WAYS.values():
            with monkeypatch.context() as patch:
                for name, value in way.items():
                    patch.setattr(searching, name, value)
                assert [in_pages(connection, wanted) for wanted in filters] == expected, way


def in_pages(connection, wanted):
    """The numbers of all pages, of four."""
    seen = []
    for _ in range(9):
        page = searching.search(connection, wanted, before=seen[-1] if seen else None, count=4)
        seen += [row.seq for row in page]
        if not page:
            return seen
    raise AssertionError(f"more pages than thirty credentials fill: {wanted}")


def test_the_search_index_goes_down_and_up_with_what_the_tables_hold(open_registry):
    first = open_registry()
    publisher = first.login()
    revoked, active = publisher.publish(), publisher.publish()
    answer = first.http.post("/credentials/status", json=publisher.status_request(revoked), headers=publisher.headers)
    assert answer.status_code == 200, answer.text
    first.http.__exit__(None, None, None)
    assert migrate(first.settings, "0007").endswith("0008 -> 0007")
    assert migrate(first.settings, "head").endswith("0007 -> 0008")
    again = open_registry()
    for query, document in (("status=revoked", revoked), ("status=active&role=publisher", active)):
        assert found(again, query) == [document["id"]]
    again.http.__exit__(None, None, None)
    assert check_everything(again.settings).clean


@pytest.mark.parametrize(
    "query", ["use=%00", "use=a b", "regulation=PHI", "regulation=phi:maybe", "format=%3Cx%3E", "issuedFrom=2019", "provenBy=2019-13-01", "provenBy=9999-99-99"]
)  # fmt: skip
def test_a_filter_of_another_form_is_refused(registry, query):
    answer = registry.http.get(f"/credentials?{query}")
    assert answer.status_code == 400
    assert answer.json()["code"] == "BAD_PARAMETER"


def test_reindexing_finds_again_what_is_stored(registry, datasets):
    from service.credentials.reindexing import reindex

    with registry.state.database.writer.begin() as connection:
        connection.exec_driver_sql("DELETE FROM search_term")
        connection.exec_driver_sql("DELETE FROM known_digest")
    assert found(registry, "use=fine-tuning") == []
    assert reindex(registry.settings) == 2
    assert found(registry, "use=fine-tuning") == [datasets[0]["id"]]
    digest = datasets[0]["credentialSubject"]["manifest"]["digest"]
    assert len(registry.http.get(f"/lookup?sha256={digest}").json()["items"]) == 2


def test_publishers_are_listed_in_pages_with_their_did_documents(registry, publisher):
    others = [registry.login(name=f"publisher {number}") for number in range(3)]
    page = registry.http.get("/publishers?limit=3").json()
    rest = registry.http.get(f"/publishers?limit=3&cursor={page['next']}").json()
    listed = [one["did"] for one in page["items"] + rest["items"]]
    assert listed == [publisher.did, *(one.did for one in others)]
    assert "next" not in rest
    publisher.publish()
    one = registry.http.get(f"/publishers/{publisher.did}").json()
    assert one["credentials"] == 1
    assert one["statusLists"] == list(publisher.reply["statusLists"].values())
    assert registry.http.get(f"/publishers/{one['slug']}").json() == one
    document = registry.http.get(f"/publishers/{one['slug']}/did.json")
    assert document.headers["content-type"] == "application/did+json"
    parsed = parse_did_document(document.json(), expect_id=publisher.did)
    assert [method.key for method in parsed.methods.values()] == [publisher.signer.public_key]
    own = registry.http.get("/.well-known/datasigil-did.json").json()
    assert own["id"] == publisher.reply["statusIssuer"]
    for path in ("/publishers/nobody", "/publishers/nobody/did.json"):
        assert registry.http.get(path).json()["code"] == "NOT_FOUND"


def test_contexts_and_schemas_are_served_as_shipped(registry):
    for kind, known in (("contexts", "https://w3id.org/datasigil/v1"), ("schemas", "dataset-credential-v1.json")):
        items = registry.http.get(f"/{kind}").json()["items"]
        assert known in [one["id"] for one in items]
        for one in items:
            answer = registry.http.get(one["path"])
            assert hashlib.sha256(answer.content).hexdigest() == one["sha256"]
            assert json.loads(answer.content)
            assert registry.http.get(one["path"], headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert registry.http.get("/schemas/nothing.json").status_code == 404
    assert registry.http.get("/contexts/" + "0" * 64).status_code == 404
    assert registry.http.get("/schemas/..%2Fcontexts").status_code in (400, 404)


def test_large_answers_are_compressed_for_those_who_ask_and_tagged_weakly(registry, publisher):
    document = publisher.publish()
    url = f"/credentials/{document['id']}"
    plain = registry.http.get(url, headers={"Accept-Encoding": "identity"})
    packed = registry.http.get(url, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert packed.headers["etag"] == "W/" + plain.headers["etag"]
    assert "accept-encoding" in packed.headers["vary"].lower()
    again = registry.http.get(url, headers={"Accept-Encoding": "gzip", "If-None-Match": packed.headers["etag"]})
    assert again.status_code == 304
