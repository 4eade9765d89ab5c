"""Parquet is read from verified bytes in bounded memory: bombs, lies in the footer and odd types are refused where they stand."""

import contextlib
import datetime as dt
import decimal
import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from trainees import jsonl, make_case, rows

from datasigil.errors import DatasigilError
from training_worker import parquet_rows as module
from training_worker.gate import passed_gate
from training_worker.parquet_rows import as_jsonl, parquet_rows
from training_worker.preparation import divide_files

ROOT = Path(__file__).resolve().parents[2]


def parquet(table: dict, **options) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(table), sink, **options)
    return sink.getvalue()


GOOD = {"text": [f"row {n}" for n in range(100)], "label": [["a"], ["b", "a"]] * 50, "other": list(range(100))}


def code_of(content: bytes, columns=("text", "label")) -> str:
    with pytest.raises(DatasigilError) as caught:
        list(parquet_rows(content, columns, "f.parquet"))
    assert "f.parquet" in caught.value.place
    return caught.value.code


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "brotli"])
@pytest.mark.parametrize("dictionary", [True, False])
def test_rows_come_out_as_they_went_in(compression, dictionary):
    content = parquet(GOOD, compression=compression, use_dictionary=dictionary, row_group_size=7)
    found = list(parquet_rows(content, ("text", "label"), "f.parquet"))
    assert found == [(n, {"text": GOOD["text"][n], "label": GOOD["label"][n]}) for n in range(100)]


@pytest.mark.parametrize(
    "content",
    [b"", b"PAR1", b"PAR1PAR1", b"PAR1" + b"x" * 40, b"PARE" + b"x" * 40 + b"PARE", b'{"text": "x"}\n', b"PK\x03\x04" + b"x" * 40],
)  # fmt: skip
def test_what_is_no_parquet_is_not_handed_to_the_library(content, monkeypatch):
    monkeypatch.setattr(module, "_rows", lambda *arguments: pytest.fail("the library was asked"))
    assert code_of(content) == "FORMAT"


@pytest.mark.parametrize("place", [5, 40, -20, -9, -6])
def test_a_damaged_file_is_refused(place):
    content = bytearray(parquet(GOOD, compression="zstd", write_page_checksum=True))
    content[place] ^= 0xFF
    found = None
    with contextlib.suppress(DatasigilError):
        found = list(parquet_rows(bytes(content), ("text", "label"), "f.parquet"))
    assert found is None or len(found) == 100  # a byte that means nothing to these columns


def test_a_truncated_file_is_refused():
    content = parquet(GOOD)
    for cut in range(12, len(content), len(content) // 20):
        assert code_of(content[:cut] + b"PAR1") in ("RECORD", "LIMIT")


def test_a_missing_column_is_named():
    assert code_of(parquet(GOOD), ("text", "kind")) == "COLUMN"


def test_two_columns_of_one_name_are_refused():
    sink = io.BytesIO()
    pq.write_table(pa.table([pa.array(["x"]), pa.array(["y"])], names=["text", "text"]), sink)
    assert code_of(sink.getvalue(), ("text",)) in ("RECORD", "COLUMN")


def test_a_field_beyond_the_bound_is_refused():
    assert code_of(parquet({"text": ["x" * (4 * 1024 * 1024 + 1)], "label": ["a"]}, compression="zstd")) == "LIMIT"


def test_more_text_than_the_bound_is_refused_while_it_is_read(monkeypatch):
    monkeypatch.setattr(module, "PARQUET_TEXT_MAX_BYTES", 1000)
    assert code_of(parquet(GOOD | {"text": ["x" * 50] * 100})) == "LIMIT"


def test_too_many_rows_are_refused_by_the_footer_alone(monkeypatch):
    monkeypatch.setattr(module, "RECORDS_MAX", 99)
    assert code_of(parquet(GOOD)) == "LIMIT"


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss in KiB")
def test_a_bomb_is_refused_in_flat_memory(tmp_path):
    """One text of a megabyte, a hundred thousand times over, in a few kilobytes: a hundred gigabytes for a reader that unpacks."""
    text = "x" * (1024 * 1024)
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), pa.array([text]))
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": texts, "label": pa.array(["a"] * 100_000)}), sink, compression="zstd")
    assert len(sink.getvalue()) < 200_000
    (tmp_path / "bomb.parquet").write_bytes(sink.getvalue())
    script = (
        "import sys, resource\n"
        "from pathlib import Path\n"
        "from datasigil.errors import DatasigilError\n"
        "import pyarrow.parquet, pyarrow.compute\n"
        "from training_worker.parquet_rows import parquet_rows\n"
        "content = Path(sys.argv[1]).read_bytes()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n"
        "    for _ in parquet_rows(content, ('text', 'label'), 'bomb.parquet'): pass\n"
        "    sys.exit('read')\n"
        "except DatasigilError as error:\n"
        "    assert error.code == 'LIMIT', error.code\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "bomb.parquet")], cwd=ROOT, capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) < 200 * 1024  # KiB


def as_parquet(case_files: dict[str, bytes]) -> dict[str, bytes]:
    """Return jsonl files as Parquet files of the same rows."""
    made = {}
    for name, data in case_files.items():
        records = [json.loads(line) for line in data.splitlines()]
        columns = {key: [record[key] for record in records] for key in records[0]}
        made[name.replace(".jsonl", ".parquet")] = parquet(columns, compression="zstd")
    return made


FILES = {f"{name}.jsonl": jsonl(rows(name, count)) for name, count in (("train", 24), ("validation", 9), ("test", 9))}


def case_of(folder: Path, files: dict[str, bytes]):
    case = make_case(folder, files=files)
    case.recipe_path.write_text(case.recipe_path.read_text().replace(".jsonl", ".parquet"))
    return case


def test_a_credentialed_parquet_dataset_is_read_as_the_same_rows(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    texts = []
    for case in (make_case(tmp_path / "a", files=FILES), case_of(tmp_path / "b", as_parquet(FILES))):
        with passed_gate(case.request().recipe, case.folder, case.settings()) as gate:
            divided = divide_files(case.request().recipe, [gate.datasets[0].files])
            texts.append([(one.record.text, one.labels, one.record.document) for name in ("train", "validation", "test") for one in divided.partition.split(name)])  # fmt: skip
    assert texts[0] == texts[1]
    assert len(texts[0]) == 42


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"PAR1 but only in front", "FORMAT"),
        (jsonl(rows("train", 3)), "FORMAT"),
        (parquet({"text": ["x"], "kind": ["payment"], "document": ["d"]}), "COLUMN"),
        (parquet({"text": ["x"], "label": ["salary"], "document": ["d"]}), "LABEL"),
        (parquet({"text": [1], "label": ["payment"], "document": ["d"]}), "RECORD"),
        (parquet({"text": [None], "label": ["payment"], "document": ["d"]}), "RECORD"),
        (parquet({"text": pa.array([], pa.string()), "label": pa.array([], pa.string()), "document": pa.array([], pa.string())}), "EMPTY_FILE"),
    ],
)  # fmt: skip
def test_a_parquet_file_that_does_not_fit_is_refused_with_its_own_code(tmp_path, content, code):
    case = case_of(tmp_path, as_parquet(FILES) | {"train.parquet": content})
    with passed_gate(case.request().recipe, case.folder, case.settings()) as gate, pytest.raises(DatasigilError) as caught:  # fmt: skip
        divide_files(case.request().recipe, [gate.datasets[0].files])
    assert caught.value.code == code
    assert "train.parquet" in caught.value.place


def test_rows_are_read_by_the_reader_of_jsonl():
    assert as_jsonl(parquet({"text": ["é"], "label": [["a"]]}), ("text", "label"), "f.parquet") == '{"text": "é", "label": ["a"]}\n'.encode()  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [dt.datetime(2026, 1, 1), b"bytes", float("nan"), decimal.Decimal("1.5")],
)  # fmt: skip
def test_a_value_that_json_does_not_have_is_refused_at_its_row(value):
    with pytest.raises(DatasigilError) as caught:
        as_jsonl(parquet({"text": ["x"], "label": [value]}), ("text", "label"), "f.parquet")
    assert (caught.value.code, caught.value.place) == ("RECORD", "f.parquet row 1")
