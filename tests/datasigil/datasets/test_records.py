"""What counts as a record."""

import csv
import io
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasigil.datasets import records
from datasigil.datasets.records import count_records, is_table
from datasigil.errors import DatasigilError


@pytest.fixture
def count(tmp_path):
    def inner(name, data):
        (tmp_path / name).write_bytes(data)
        return count_records(tmp_path, [name])

    return inner


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0),
        (b"\n", 0),
        (b"{}", 1),
        (b"{}\n", 1),
        (b"{}\n\n  \r\n{}\r\n{}", 3),
        (b"\xff\xfe\n", 1),
    ],
)
def test_records_of_json_lines_are_lines_with_text(count, data, expected):
    assert count("a.jsonl", data) == expected
    assert count("a.NDJSON", data) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0),
        (b"a,b\n", 0),
        (b"a,b\n1,2\n", 1),
        (b"a,b\r\n1,2\r\n3,4", 2),
        (b'a,b\n"line\nbreak",2\n3,"say ""hi""\n"\n', 2),
        (b"a,b\n\n1,2\n\n", 1),
        (b'a,b\n5" pipe,x\n6" pipe,y\n', 2),  # a quote inside an unquoted field opens nothing
        (b"a,b\n\xe9,2\n", 1),
    ],
)
def test_records_of_a_table_are_rows_after_the_header(count, data, expected):
    assert count("a.csv", data) == expected
    assert count("a.tsv", data.replace(b",", b"\t")) == expected


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.text('ab"\n,\r é', max_size=5), min_size=2, max_size=3), min_size=1, max_size=6))
def test_whatever_a_csv_writer_writes_is_counted(count, rows):
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    assert count("a.csv", text.getvalue().encode()) == len(rows) - 1


def test_json_lines_are_counted_alike_in_pieces_of_any_size(count, monkeypatch):
    data = b'{"a":1}\n\n \n{"b":"\xc3\xa9"}\n{}'
    for size in range(1, len(data) + 1):
        monkeypatch.setattr(records, "_READ_BYTES", size)
        assert count("a.jsonl", data) == 3


def test_files_of_other_kinds_hold_no_records(tmp_path):
    (tmp_path / "a.txt").write_text("x\ny\n")
    (tmp_path / "b.csv").write_text("h\n1\n")
    assert count_records(tmp_path, ["a.txt"]) is None
    assert count_records(tmp_path, ["a.txt", "b.csv"]) == 1
    assert not is_table("csv")


def test_field_that_never_ends_is_an_error_and_changes_no_setting(count, monkeypatch):
    monkeypatch.setattr(records, "FIELD_BYTES_MAX", 1000)
    before = csv.field_size_limit()
    with pytest.raises(DatasigilError) as caught:
        count("a.csv", b'a,b\n"' + b"x" * 2000)
    assert caught.value.code == "RECORDS"
    assert csv.field_size_limit() == before


def test_missing_or_linked_file_is_an_error(tmp_path):
    (tmp_path / "a.csv").symlink_to(os.devnull)
    for name in ("a.csv", "absent.jsonl"):
        with pytest.raises(DatasigilError) as caught:
            count_records(tmp_path, [name])
        assert (caught.value.code, caught.value.place) == ("UNREADABLE", name)
