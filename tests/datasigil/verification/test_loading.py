"""Verified files as tables: one split a file, none lost, and nothing but our own errors. A stand-in takes the place of `datasets`."""

from __future__ import annotations

import io
import sys
from types import ModuleType, SimpleNamespace

import pytest

from datasigil.errors import DatasigilError
from datasigil.verification.loading import to_datasets


class Rows(list):
    """The one function of `datasets.Dataset` that is used."""

    @classmethod
    def from_list(cls, rows):
        return cls(rows)


@pytest.fixture
def library(monkeypatch):
    module = ModuleType("datasets")
    module.Dataset, module.DatasetDict = Rows, dict
    monkeypatch.setitem(sys.modules, "datasets", module)


def dataset(**files):
    return SimpleNamespace(files=tuple(files), open=lambda path: io.BytesIO(files[path]))


@pytest.mark.usefixtures("library")
def test_each_table_becomes_a_split_and_the_rest_is_left_out():
    found = to_datasets(dataset(**{"train.csv": b"a,b\n1,2\n", "sub/test.jsonl": b'{"a": "x"}\n\n', "README.md": b"#"}))
    assert found == {"train": [{"a": "1", "b": "2"}], "sub_test": [{"a": "x"}]}


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(("one", "other"), [("a.csv", "a.jsonl"), ("a-b.csv", "a_b.csv"), ("a/b.csv", "a_b.csv")])
def test_no_file_is_lost_behind_another_of_the_same_split_name(one, other):
    both = dataset(**{one: b"a\n1\n" if one.endswith("csv") else b"", other: b""})
    with pytest.raises(DatasigilError, match="two files would become one split") as failure:
        to_datasets(both)
    assert one in failure.value.place
    assert other in failure.value.place
    assert to_datasets(both, files=(one,))


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("path", "content"),
    [("x.csv", b"a\n\xff\n"), ("x.jsonl", b"{"), ("x.jsonl", b"\xff"), ("x.ndjson", b"[" * 100_000)],
)
def test_a_table_that_is_none_is_named_with_what_to_do(path, content):
    with pytest.raises(DatasigilError) as failure:
        to_datasets(dataset(**{path: content}))
    assert (failure.value.code, failure.value.place) == ("FORMAT", path)
    assert failure.value.next_action


@pytest.mark.usefixtures("library")
def test_a_dataset_without_tables_says_which_formats_are_read():
    with pytest.raises(DatasigilError, match=r"csv"):
        to_datasets(dataset(**{"a.pdf": b""}))


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DatasigilError) as failure:
        to_datasets(dataset(**{"a.csv": b""}))
    assert failure.value.code == "EXTRA_MISSING"
    assert "pip install" in failure.value.next_action
