"""Runs of recipes: what every step does, counts that balance whatever the steps, the same bytes twice, bad records named."""

import hashlib
import io
import json
from itertools import pairwise
from pathlib import Path

import pytest
from curation_material import docx, pdf, recipe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasigil.curation import patterns, steps
from datasigil.curation.derivation import compare, lineage_subject, notes, result_manifest
from datasigil.curation.reading import Parent
from datasigil.curation.recipe import parse_recipe
from datasigil.curation.running import run
from datasigil.datasets.lineage import check_balance, parse_lineage
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError

ROWS = [{"text": f"clause {number % 7}", "n": number, "k": f"doc{number % 5}"} for number in range(100)]
MOMENT = Instant.parse("2026-11-26T12:00:00Z")


def lines(rows):
    return b"".join(json.dumps(one).encode() + b"\n" for one in rows)


def parent(files, name="p"):
    digest = hashlib.sha256(name.encode()).hexdigest()
    return Parent(
        f"urn:x:{name}",
        digest,
        digest,
        {path: len(files[path]) for path in sorted(files)},
        lambda path: io.BytesIO(files[path]),
    )


class Bench:
    """Runs recipes over files held in memory."""

    def __init__(self, folder):
        self.folder, self.count = folder, 0

    def __call__(self, *wanted, files=None, read=None, mapping=None, **changes):
        """Return outcome and result rows by file of a recipe with these steps over one input."""
        files = files or {"a.jsonl": lines(ROWS)}
        inputs = [{"name": "a", "credential": "a", "data": "a", "read": read or {"format": "jsonl", "files": ["*"]}}]
        given = recipe(**{"inputs": inputs, "steps": list(wanted) or None, **changes})
        return self.made(given, {one["name"]: parent(files) for one in inputs}, mapping)

    def made(self, text, parents, mapping=None):
        self.count += 1
        folder = self.folder / f"out{self.count}"
        self.recipe, self.parents = parse_recipe(text), parents
        outcome = run(self.recipe, parents, folder, mapping=mapping)
        self.result = folder
        self.subject = lineage_subject(self.recipe, parents, outcome, result_manifest(folder, self.recipe.digests), agent={"name": "me"}, started=MOMENT, ended=MOMENT)  # fmt: skip
        check_balance(parse_lineage(self.subject))
        return outcome, {one.name: [json.loads(line) for line in one.read_bytes().splitlines()] for one in folder.glob("*.jsonl")}  # fmt: skip


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def kept(bench, *wanted, **more):
    return bench(*wanted, **more)[1]["data.jsonl"]


@pytest.mark.parametrize(
    ("question", "keeps"),
    [
        ({"column": "n", "atLeast": 90}, lambda row: row["n"] >= 90),
        ({"column": "n", "atMost": "9.5"}, lambda row: row["n"] <= 9),
        ({"column": "n", "equals": 5}, lambda row: row["n"] == 5),
        ({"column": "n", "notEquals": 5}, lambda row: row["n"] != 5),
        ({"column": "k", "in": ["doc1", "doc2"]}, lambda row: row["k"] in ("doc1", "doc2")),
        ({"column": "k", "notIn": ["doc1"]}, lambda row: row["k"] != "doc1"),
        ({"column": "text", "contains": "e 3"}, lambda row: "e 3" in row["text"]),
        ({"column": "text", "notContains": "e 3"}, lambda row: "e 3" not in row["text"]),
        ({"column": "text", "matches": "[0-3]$"}, lambda row: row["text"][-1] in "0123"),
        ({"column": "text", "notMatches": "[0-3]$"}, lambda row: row["text"][-1] not in "0123"),
        ({"column": "text", "minLength": 8}, lambda row: len(row["text"]) >= 8),
        ({"column": "text", "maxLength": 8}, lambda row: len(row["text"]) <= 8),
        ({"column": "text", "present": True}, lambda row: True),
    ],
)
def test_a_filter_keeps_what_answers_its_question(bench, question, keeps):
    assert kept(bench, {"op": "filter", **question}) == [row for row in ROWS if keeps(row)]


def test_true_is_not_one_and_absence_is_a_question(bench):
    files = {"a.jsonl": lines([{"x": True}, {"x": 1}, {"x": None}, {"x": ""}, {}, {"x": []}])}
    assert kept(bench, {"op": "filter", "column": "x", "present": True}, files=files) == [{"x": True}, {"x": 1}]
    some = {"a.jsonl": lines([{"x": True}, {"x": 1}])}
    assert kept(bench, {"op": "filter", "column": "x", "equals": 1}, files=some) == [{"x": 1}]


def test_dedupe_keeps_the_first(bench):
    assert kept(bench, {"op": "dedupe", "columns": ["text"]}) == ROWS[:7]
    files = {"a.jsonl": lines([{"t": "A  b"}, {"t": "a B "}, {"t": "c"}])}
    assert kept(bench, {"op": "dedupe", "columns": ["t"], "compare": "caseAndSpace"}, files=files) == [{"t": "A  b"}, {"t": "c"}]  # fmt: skip
    assert len(kept(bench, {"op": "dedupe"}, files=files)) == 3


def test_a_sample_of_a_count_is_exact_in_order_and_the_seeds(bench, monkeypatch):
    one = kept(bench, {"op": "sample", "count": 10})
    assert len(one) == 10
    assert [row["n"] for row in one] == sorted(row["n"] for row in one)
    monkeypatch.setattr(steps, "SPOOL_BYTES", 100)  # on disk instead of in memory
    assert kept(bench, {"op": "sample", "count": 10}) == one
    assert kept(bench, {"op": "sample", "count": 10}, seed=1) != one
    assert kept(bench, {"op": "sample", "count": 10, "seed": 1}) == kept(bench, {"op": "sample", "count": 10, "seed": 1}, seed=9)  # fmt: skip
    assert kept(bench, {"op": "sample", "count": 1000}) == ROWS


def test_a_share_by_key_takes_whole_groups(bench):
    rows = [{"k": str(number // 4), "n": number} for number in range(400)]
    found = kept(bench, {"op": "sample", "share": "0.5", "by": "k"}, files={"a.jsonl": lines(rows)})
    groups = {row["k"] for row in found}
    assert found == [row for row in rows if row["k"] in groups]
    assert 25 < len(groups) < 75


def test_redaction_counts_and_its_stand_in_is_taken_literally(bench):
    files = {"a.jsonl": lines([{"t": "a@b.example and c@d.example"}, {"t": "none"}])}
    one = {"op": "redact", "columns": ["t"], "patterns": [{"name": "M", "pattern": r"[a-z]+@[a-z.]+", "with": r"\g<0>"}]}  # fmt: skip
    outcome, found = bench(one, files=files)
    assert found["data.jsonl"] == [{"t": r"\g<0> and \g<0>"}, {"t": "none"}]
    assert "2 changes in 1 records" in outcome.lines[1].rule


def test_small_changes(bench):
    files = {"a.jsonl": lines([{"t": " (x ", "l": "b2 a1", "F": "1", "G": "0"}])}
    found = kept(
        bench,
        {"op": "trim", "columns": ["t"]},
        {"op": "replace", "column": "t", "from": "(", "to": "["},
        {"op": "codes", "column": "l", "map": {"b2": 2, "a1": 1, "c": 1}, "into": "labels"},
        {"op": "flags", "columns": ["F", "G"], "equals": "1", "as": "name", "into": "flags"},
        {"op": "set", "column": "corpus", "value": "one"},
        {"op": "rename", "from": "t", "to": "text"},
        files=files,
    )
    assert found == [{"text": "[x", "labels": [1, 2], "flags": ["F"], "corpus": "one"}]
    assert kept(bench, {"op": "select", "columns": ["l"]}, files=files) == [{"l": "b2 a1"}]


def test_a_split_by_members_and_one_by_shares(bench):
    by_name = {"output": {"folder": "o", "split": {"column": "k", "members": {"train": ["doc0", "doc1"], "test": ["doc2"]}, "others": "drop"}}}  # fmt: skip
    outcome, found = bench(**by_name)
    assert {name: len(rows) for name, rows in found.items()} == {"train.jsonl": 40, "test.jsonl": 20}
    assert outcome.lines[-1].removed == 40
    by_name["output"]["split"]["others"] = "rest"
    assert len(bench(**by_name)[1]["rest.jsonl"]) == 40
    del by_name["output"]["split"]["others"]
    with pytest.raises(DatasigilError) as caught:
        bench(**by_name)
    assert (caught.value.code, caught.value.found) == ("SPLIT_KEY", "doc3")
    _, found = bench(output={"folder": "o", "split": {"column": "n", "shares": {"b": "0.5", "a": "0.5"}}})
    assert {row["n"] for rows in found.values() for row in rows} == set(range(100))
    _, again = bench(output={"folder": "o", "split": {"column": "n", "shares": {"a": "0.5", "b": "0.5"}}})
    assert found == again  # the canonical form has no order of names either


def test_two_inputs_of_two_parents_are_merged_in_order_with_steps_of_their_own(bench):
    inputs = [
        {"name": name, "credential": name, "data": name, "read": {"format": "jsonl", "files": ["*"]}, **more}
        for name, more in (("x", {"steps": [{"op": "filter", "column": "n", "atMost": 9}]}), ("y", {}))
    ]
    parents = {"x": parent({"a.jsonl": lines(ROWS)}, "x"), "y": parent({"a.jsonl": lines(ROWS[:5])}, "y")}
    outcome, found = bench.made(recipe(inputs=inputs, steps=None), parents)
    assert [row["n"] for row in found["data.jsonl"]] == [*range(10), *range(5)]
    assert [(one.records_in, one.removed, one.records_out) for one in outcome.lines] == [(105, 0, 105), (105, 0, 105), (105, 90, 15), (15, 0, 15)]  # fmt: skip
    assert [one["recordsUsed"] for one in bench.subject["used"]] == [100, 5]


def test_one_parent_through_two_inputs_is_named_once(bench):
    inputs = [{"name": name, "credential": "p", "data": "p", "read": {"format": "jsonl", "files": ["*"]}} for name in "ab"]  # fmt: skip
    one = parent({"a.jsonl": lines(ROWS)})
    bench.made(recipe(inputs=inputs, steps=None), {"a": one, "b": one})
    assert [one["recordsUsed"] for one in bench.subject["used"]] == [200]


def test_documents_become_records_and_the_report_says_what_became_of_each(bench):
    files = {"a.pdf": pdf("one", "", None), "b.docx": docx("two"), "c.pdf": b"broken", "d.pdf": pdf(None), "e.html": b"<p>three"}  # fmt: skip
    outcome, found = bench(files=files, read={"format": "documents", "files": ["*"], "per": "page"})
    assert found["data.jsonl"] == [{"document": "a.pdf", "page": 1, "text": "one"}, {"document": "b.docx", "page": 1, "text": "two"}, {"document": "e.html", "page": 1, "text": "three"}]  # fmt: skip
    report = json.loads((bench.result / "extraction.json").read_bytes())
    assert report["totals"] == {"documents": 5, "extracted": 3, "failed": 1, "noText": 1, "pages": 6, "emptyPages": 1, "scannedPages": 2}  # fmt: skip
    assert report["tools"]["pdf"].startswith("pypdf ")
    assert [one["outcome"] for one in report["documents"]] == ["extracted", "extracted", "failed", "no text", "extracted"]  # fmt: skip
    assert (outcome.lines[0].records_in, outcome.lines[0].removed, outcome.lines[0].records_out) == (5, 2, 3)
    assert "pypdf" in outcome.lines[0].tool
    assert outcome.lines[0].rule.endswith("; 5 documents, 1 failed, 1 without text, 6 pages, 1 empty, 2 scanned")
    with pytest.raises(DatasigilError) as caught:
        bench(files=files, read={"format": "documents", "files": ["*"], "onFailure": "stop"})
    assert (caught.value.code, caught.value.place, caught.value.found) == ("RECORDS", "c.pdf", "CORRUPT")


def test_documents_come_in_order_whatever_the_cores(bench, monkeypatch):
    files = {f"{number:03}.html": f"<p>{number}".encode() for number in range(40)} | {"020.pdf": b"broken"}
    made = []
    for count in (1, 4):
        monkeypatch.setattr("datasigil.curation.documents.cores", lambda count=count: count)
        outcome, found = bench(files=files, read={"format": "documents", "files": ["*"]})
        made.append((outcome.lines, outcome.mapping_digest, found, (bench.result / "extraction.json").read_bytes()))
    assert made[0] == made[1]
    assert [one["text"] for one in made[0][2]["data.jsonl"]] == [str(number) for number in range(40)]


def test_a_run_that_ends_early_leaves_no_child(bench):
    import psutil

    files = {f"{number}.html": b"<p>x" for number in range(20)}
    with pytest.raises(DatasigilError):
        bench({"op": "trim", "columns": ["nothing"]}, files=files, read={"format": "documents", "files": ["*"]})
    assert [one for one in psutil.Process().children(recursive=True) if "extracting" in " ".join(one.cmdline())] == []


def test_pages_of_one_document_are_added_records(bench):
    outcome, found = bench(files={"a.pdf": pdf("one", "two", "three")}, read={"format": "documents", "files": ["*"], "per": "page"})  # fmt: skip
    assert len(found["data.jsonl"]) == 3
    assert (outcome.lines[0].removed, outcome.lines[0].added, outcome.lines[0].records_out) == (0, 2, 3)


def test_tables_and_lines(bench):
    files = {"a.csv": 'text,n\r\n"one, two\nthree",1\r\n'.encode("utf-8-sig"), "b.tsv": b"text\tn\nfour\t2\n"}
    assert kept(bench, files=files, read={"format": "csv", "files": ["*.csv"]}) == [{"n": "1", "text": "one, two\nthree"}]  # fmt: skip
    assert kept(bench, files=files, read={"format": "tsv", "files": ["b.tsv"], "document": "from"}) == [{"from": "b.tsv", "n": "2", "text": "four"}]  # fmt: skip
    files = {"s/a.txt": b"one\r\n\ntwo", "l/a.txt": b" 1 \n\n0\n"}
    assert kept(bench, files=files, read={"format": "lines", "files": ["s/*"], "beside": {"L": "l/{name}"}}) == [{"L": "1", "text": "one"}, {"L": "0", "text": "two"}]  # fmt: skip


SHEET = {"file": "meta.csv", "key": "file", "columns": ["jurisdiction", "licence"]}
META = b"file,jurisdiction,licence,pages\na.pdf,DE,CC-BY-4.0,1\nd/b.html,FR,CC0-1.0,1\n"


def workbook(*rows):
    from openpyxl import Workbook

    book, target = Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(target)
    return target.getvalue()


@pytest.mark.parametrize("form", ["csv", "tsv", "xlsx"])
def test_the_columns_of_a_sheet_with_a_row_per_file_serve_as_filters(bench, form):
    rows = [line.split(",") for line in META.decode().split()]
    sheets = {"csv": META, "tsv": META.replace(b",", b"\t"), "xlsx": workbook(*rows)}
    files = {"a.pdf": pdf("one"), "d/b.html": b"<p>two", f"meta.{form}": sheets[form]}
    read = {"format": "documents", "files": ["*.pdf", "d/*"], "sheet": SHEET | {"file": f"meta.{form}"}}
    found = kept(bench, {"op": "filter", "column": "jurisdiction", "equals": "FR"}, files=files, read=read)
    assert found == [{"document": "d/b.html", "text": "two", "jurisdiction": "FR", "licence": "CC0-1.0"}]


@pytest.mark.parametrize(
    ("meta", "sheet", "word"),
    [
        (META, {"file": "none.csv"}, "'meta.csv'?"),
        (META, {"key": "File"}, "'file'?"),
        (META, {"columns": ["jurisdictio"]}, "'jurisdiction'?"),
        (META.replace(b"d/b.html", b"c.html"), {}, "d/b.html"),
        (META.replace(b"d/b.html", b"a.pdf"), {}, "a row for every file"),
        (META.replace(b"licence", b"jurisdiction"), {}, "jurisdiction"),
        (META.replace(b"jurisdiction", b"text"), {"columns": ["text"]}, "other columns"),
        (META + b'"open', {}, "CSV"),
        (b"", {}, "a header"),
        (b"\xff\xfe", {}, "UTF-8"),
    ],
)
def test_a_sheet_that_does_not_fit_is_refused_by_name(bench, meta, sheet, word):
    files = {"a.pdf": pdf("one"), "d/b.html": b"<p>two", "meta.csv": meta}
    with pytest.raises(DatasigilError) as caught:
        bench(files=files, read={"format": "documents", "files": ["*.pdf", "d/*"], "sheet": SHEET | sheet})
    assert caught.value.code == "RECORDS"
    assert word in caught.value.expected
    assert list(bench.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"PK\x03\x04nothing", "CORRUPT"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "ENCRYPTED"),
        (docx("a document, no workbook"), "CORRUPT"),
        (workbook(["a"])[:-40], "CORRUPT"),
    ],
)
def test_a_workbook_that_cannot_be_read_is_refused(bench, data, code):
    files = {"a.pdf": pdf("one"), "meta.xlsx": data}
    with pytest.raises(DatasigilError) as caught:
        bench(files=files, read={"format": "documents", "files": ["*.pdf"], "sheet": SHEET | {"file": "meta.xlsx"}})
    assert (caught.value.code, caught.value.place, caught.value.found) == ("RECORDS", "meta.xlsx", code)


def test_formulas_of_a_workbook_are_never_computed(bench):
    book = workbook(["file", "jurisdiction", "licence"], ["a.pdf", '=HYPERLINK("http://x","y")', "=1+1"])
    files = {"a.pdf": pdf("one"), "meta.xlsx": book}
    found = kept(bench, files=files, read={"format": "documents", "files": ["*.pdf"], "sheet": SHEET | {"file": "meta.xlsx"}})  # fmt: skip
    assert (found[0]["jurisdiction"], found[0]["licence"]) == ("", "")


def test_progress_is_told_file_by_file(bench):
    told = []
    files = {"a.jsonl": lines(ROWS[:2]), "b.jsonl": lines(ROWS[2:3])}
    given = recipe(inputs=[{"name": "a", "credential": "a", "data": "a", "read": {"format": "jsonl", "files": ["*"]}}])
    run(parse_recipe(given), {"a": parent(files)}, bench.folder / "o", progress=lambda *one: told.append(one))
    total = sum(map(len, files.values()))
    assert told == [(len(files["a.jsonl"]), total, "a.jsonl"), (total, total, "b.jsonl")]


def test_the_table_of_origins_names_every_record_of_the_result(bench):
    table = io.BytesIO()
    outcome, _found = bench({"op": "filter", "column": "n", "atLeast": 98}, mapping=table)
    rows = [json.loads(line) for line in table.getvalue().splitlines()]
    assert rows == [{"input": "a", "path": "a.jsonl", "number": number, "output": "data.jsonl"} for number in (98, 99)]
    assert hashlib.sha256(table.getvalue()).hexdigest() == outcome.mapping_digest


STEPS = st.sampled_from(
    [
        {"op": "filter", "column": "n", "atLeast": 20},
        {"op": "filter", "column": "k", "notIn": ["doc3"]},
        {"op": "dedupe", "columns": ["text", "k"]},
        {"op": "sample", "share": "0.7"},
        {"op": "sample", "count": 30},
        {"op": "sample", "share": "0.9", "by": "k"},
        {"op": "redact", "columns": ["text"], "patterns": [{"name": "N", "pattern": "[0-3]"}]},
        {"op": "replace", "column": "text", "from": "clause", "to": "c"},
    ]
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=st.lists(STEPS, max_size=6), seed=st.integers(0, 1000))
def test_whatever_the_steps_the_counts_balance_and_a_second_run_is_the_same(bench, wanted, seed):
    outcome, _ = bench(*wanted, seed=seed)
    lined = outcome.lines
    assert all(one.records_in - one.removed + one.added == one.records_out for one in lined)
    assert all(one.records_out == two.records_in for one, two in pairwise(lined))
    assert all(bool(one.removed) == bool(one.removed_root) for one in lined)
    first, text = bench.subject, recipe(seed=seed, steps=list(wanted) or None, inputs=[{"name": "a", "credential": "elsewhere", "data": "b", "read": {"format": "jsonl", "files": ["*"]}}])  # fmt: skip
    again, _ = bench.made(text, bench.parents)
    manifest = result_manifest(bench.result, bench.recipe.digests)
    assert compare(first, bench.recipe, bench.parents, again, manifest) == ()
    assert notes(first, again) == ()


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("/steps/1/removed", lambda one: one["steps"][1].update(removed=1)),
        ("/steps/1/rule", lambda one: one["steps"][1].update(rule="x")),
        ("/steps/1/removedManifestRoot", lambda one: one["steps"][1].pop("removedManifestRoot")),
        ("/steps", lambda one: one["steps"].pop()),
        ("/used/0/recordsUsed", lambda one: one["used"][0].update(recordsUsed=3)),
        ("/used/0/credentialDigest", lambda one: one["used"][0].update(credentialDigest="0" * 64)),
        ("/generated/root", lambda one: one["generated"].update(root="0" * 64)),
        ("/generated/recordCount", lambda one: one["generated"].update(recordCount=3)),
        ("/generated/byteSize", lambda one: one["generated"].update(byteSize=3)),
        ("/mapping", lambda one: one.pop("mapping")),
        ("/plan/parametersDigest", lambda one: one["plan"].pop("parametersDigest")),
        ("/plan/seed", lambda one: one["plan"].update(seed=8)),
    ],
)
def test_every_stated_figure_is_held_against_the_run(bench, place, change):
    outcome, _ = bench({"op": "filter", "column": "n", "atLeast": 50})
    subject = json.loads(json.dumps(bench.subject))
    change(subject)
    found = compare(subject, bench.recipe, bench.parents, outcome, result_manifest(bench.result, bench.recipe.digests))
    assert [one.place for one in found] == [place]


def test_other_tools_are_noted_and_decide_nothing(bench):
    outcome, _ = bench()
    subject = json.loads(json.dumps(bench.subject))
    subject["steps"][0]["tool"] = "datasigil 0.0.9"
    subject["plan"]["codeDigest"] = "0" * 64
    assert compare(subject, bench.recipe, bench.parents, outcome, result_manifest(bench.result, bench.recipe.digests)) == ()  # fmt: skip
    assert len(notes(subject, outcome)) == 2


# what is wrong with the records: (files, read, steps, code, place)
TEXT = {"format": "jsonl", "files": ["*"]}
BAD = {
    "not JSON": ({"a": b'{"x":1}\n{"x":'}, TEXT, (), "RECORDS", "a: line 2"),
    "a member twice": ({"a": b'{"x":1,"x":2}'}, TEXT, (), "RECORDS", "a: line 1"),
    "NaN": ({"a": b'{"x":NaN}'}, TEXT, (), "RECORDS", "a: line 1"),
    "a number too large": ({"a": b'{"x":9007199254740993}'}, TEXT, (), "RECORDS", "a: line 1"),
    "a lone surrogate": ({"a": b'{"x":"\\ud800"}'}, TEXT, (), "RECORDS", "a: line 1"),
    "not UTF-8": ({"a": b'{"x":"\xff"}'}, TEXT, (), "RECORDS", "a: line 1"),
    "no object": ({"a": b"[1]"}, TEXT, (), "RECORDS", "a: line 1"),
    "too deep": ({"a": b'{"x":' + b"[" * 40 + b"]" * 40 + b"}"}, TEXT, (), "RECORDS", "a: line 1"),
    "a row too short": ({"a.csv": b"x,y\n1\n"}, {"format": "csv", "files": ["*"]}, (), "RECORDS", "a.csv: line 2"),
    "a header twice": ({"a.csv": b"x,x\n1,2\n"}, {"format": "csv", "files": ["*"]}, (), "RECORDS", "a.csv: line 1"),
    "no header": ({"a.csv": b""}, {"format": "csv", "files": ["*"]}, (), "RECORDS", "a.csv: line 1"),
    "an open quote": ({"a.csv": b'x\n"1\n'}, {"format": "csv", "files": ["*"]}, (), "RECORDS", "a.csv"),
    "a table in Latin-1": ({"a.csv": b"x\n\xe9\n"}, {"format": "csv", "files": ["*"]}, (), "RECORDS", "a.csv"),
    "lines that do not match": ({"a": b"1\n2\n", "b": b"1\n"}, {"format": "lines", "files": ["a"], "beside": {"L": "b"}}, (), "RECORDS", "b"),
    "nothing beside": ({"a": b"1\n"}, {"format": "lines", "files": ["a"], "beside": {"L": "c"}}, (), "RECORDS", "a"),
    "a column that is taken": ({"a": b'{"d":1}'}, TEXT | {"document": "d"}, (), "RECORDS", "a"),
    "a column that is misspelt": ({"a": b'{"text":"x"}'}, TEXT, ({"op": "trim", "columns": ["txt"]},), "COLUMN", "steps[0] (trim): a record 1"),
    "a column of another kind": ({"a": b'{"text":5}'}, TEXT, ({"op": "trim", "columns": ["text"]},), "COLUMN", "steps[0] (trim): a record 1"),
    "words where a number is asked": ({"a": b'{"n":"many"}'}, TEXT, ({"op": "filter", "column": "n", "atLeast": 3},), "COLUMN", "steps[0] (filter): a record 1"),
    "a pattern on a number": ({"a": b'{"n":5}'}, TEXT, ({"op": "filter", "column": "n", "matches": "5"},), "COLUMN", "steps[0] (filter): a record 1"),
    "a name that is taken": ({"a": b'{"x":1,"y":2}'}, TEXT, ({"op": "rename", "from": "x", "to": "y"},), "COLUMN", "steps[0] (rename): a record 1"),
    "a value that grows without end": ({"a": b'{"t":"aaaa"}'}, TEXT, tuple({"op": "replace", "column": "t", "from": "a", "to": "a" * 999} for _ in range(9)), "COLUMN", "steps[2] (replace): a record 1"),
    "a code nobody named": ({"a": b'{"t":"a9"}'}, TEXT, ({"op": "codes", "column": "t", "map": {"a1": 1}, "into": "l"},), "COLUMN", "steps[0] (codes): a record 1"),
    "nothing left": ({"a": b'{"n":5}'}, TEXT, ({"op": "filter", "column": "n", "atLeast": 6},), "EMPTY_RESULT", "x"),
    "a file nobody has": ({"a": b"{}"}, {"format": "jsonl", "files": ["b"]}, (), "CURATION_RECIPE", "inputs a: read.files[0]"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_records_are_named_and_nothing_is_left_behind(bench, name):
    files, read, wanted, code, place = BAD[name]
    with pytest.raises(DatasigilError) as caught:
        bench(*wanted, files=files, read=read)
    assert (caught.value.code, caught.value.place) == (code, place)
    assert caught.value.expected
    assert caught.value.next_action
    assert list(bench.folder.iterdir()) == []


def test_a_slow_pattern_is_stopped_by_its_cpu_budget(bench, monkeypatch):
    """Polynomial patterns pass the parser, being useful; on a long text they are stopped, and the record is named."""
    monkeypatch.setattr(patterns, "PATTERN_CPU_SECONDS", 0.2)
    files = {"a": lines([{"t": "a" * 20_000}])}
    with pytest.raises(DatasigilError) as caught:
        bench({"op": "filter", "column": "t", "matches": "a*a*a*a*b"}, files=files)
    assert (caught.value.code, caught.value.place) == ("LIMIT", "steps[0]: a record 1")


def test_a_pattern_for_files_means_what_shells_mean():
    listed = ["a.txt", "d/a.txt", "d/e/a.txt", "d/b.csv"]
    meaning = {"*.txt": [0], "d/*": [1, 3], "**/*.txt": [0, 1, 2], "d/**": [1, 2, 3], "?.txt": [0], "d/?/a.txt": [2]}
    for pattern, wanted in meaning.items():
        compiled = patterns.path_pattern(pattern)
        assert [number for number, path in enumerate(listed) if compiled.fullmatch(path)] == wanted, pattern


def test_hundred_thousand_records_take_no_memory_to_speak_of(tmp_path):
    """Streaming: the peak of a run over 60 MB of records stays far below their size (measured in a process of its own)."""
    import subprocess
    import sys

    code = f"""
import io, resource, sys
from pathlib import Path
from datasigil.curation.reading import Parent
from datasigil.curation.recipe import parse_recipe
from datasigil.curation.running import run
row = b'{{"n":%d,"text":"' + b"x" * 600 + b'"}}\\n'
class Rows(io.RawIOBase):
    def __init__(self): self.n = 0
    def readable(self): return True
    def readinto(self, target):
        if self.n >= 100_000: return 0
        data = row % (1_000_000 + self.n); self.n += 1; target[:len(data)] = data; return len(data)
recipe = parse_recipe({recipe(steps=[{"op": "filter", "column": "n", "atLeast": 1}])!r})
parent = Parent("urn:x", "0" * 64, "0" * 64, {{"a.jsonl": 1}}, lambda _: io.BufferedReader(Rows(), 1024))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
outcome = run(recipe, {{"a": parent}}, Path({str(tmp_path / "out")!r}))
print(outcome.records, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    records, mebibytes = map(int, ran.stdout.split())
    assert records == 100_000
    assert mebibytes < 40
    assert Path(tmp_path / "out/data.jsonl").stat().st_size > 60_000_000


def test_a_run_that_is_killed_leaves_no_folder_of_the_results_name(tmp_path):
    """SIGKILL in the middle: what was written lies under another name, and the next run is as if there had been none."""
    import subprocess
    import sys

    code = f"""
import io, os, signal, sys
from pathlib import Path
from datasigil.curation.reading import Parent
from datasigil.curation.recipe import parse_recipe
from datasigil.curation.running import run
row = b'{{"text":"a clause","n":1}}\\n'
recipe = parse_recipe({recipe()!r})
parent = Parent("urn:x", "0" * 64, "0" * 64, {{"a.jsonl": 1, "b.jsonl": 1}}, lambda _: io.BytesIO(row * 1000))
kill = (lambda *_: os.kill(os.getpid(), signal.SIGKILL)) if sys.argv[1] == "kill" else None
print(run(recipe, {{"a": parent}}, Path({str(tmp_path / "out")!r}), progress=kill).records)
"""
    killed = subprocess.run([sys.executable, "-c", code, "kill"], capture_output=True, check=False)
    assert killed.returncode == -9
    assert not (tmp_path / "out").exists()
    assert [path.suffix for path in tmp_path.iterdir()] == [".partial"]
    whole = subprocess.run([sys.executable, "-c", code, "finish"], capture_output=True, text=True, check=False)
    assert (whole.stdout, whole.returncode) == ("2000\n", 0), whole.stderr
    assert (tmp_path / "out/data.jsonl").read_bytes().count(b"\n") == 2000


def test_a_folder_that_is_there_is_never_written_to(bench):
    bench()
    bench.count -= 1
    with pytest.raises(DatasigilError) as caught:
        bench()
    assert caught.value.code == "EXISTS"
