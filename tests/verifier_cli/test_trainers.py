"""Any trainer behind the gate: the examples run unchanged on verified copies and leave a receipt; a notebook; `datasets`."""

import json
import sys
from pathlib import Path

import pytest
from simulator import World

import datasigil
from datasigil.datasets.records import count_records
from datasigil.errors import DatasigilError

REPOSITORY = Path(__file__).resolve().parents[2]
TRAINERS = REPOSITORY / "examples" / "trainers"
CLAUSES = REPOSITORY / "examples" / "contract-clauses"

pytestmark = pytest.mark.training


@pytest.fixture
def clauses(desk, tmp_path, monkeypatch):
    """A desk in a folder of its own whose dataset is the example of contract clauses; no hub, one thread."""
    for name, value in (("HF_HUB_OFFLINE", "1"), ("TOKENIZERS_PARALLELISM", "false"), ("OMP_NUM_THREADS", "1"), ("CUDA_VISIBLE_DEVICES", "")):  # fmt: skip
        monkeypatch.setenv(name, value)
    world = World(now=desk.world.now)
    world.files = {path.name: path.read_bytes() for path in CLAUSES.iterdir() if path.is_file()}
    folder = tmp_path / "clauses"
    folder.mkdir()
    one = type(desk)(folder, world, desk.capsys)
    one.gate(roots="")
    monkeypatch.chdir(folder)
    return one


TRAINED = {
    "trl": ("trl_sft.py",),
    "transformers": ("hf_trainer.py",),
    "axolotl": ("fill.py", "axolotl.yaml", "axolotl_style.py"),
    "llamafactory": ("fill.py", "llamafactory.yaml", "llamafactory_style.py"),
}


def command(script, config="", stand_in=""):
    words = [sys.executable, str(TRAINERS / script)]
    return [*words, str(TRAINERS / config), "--", sys.executable, str(TRAINERS / stand_in), "{config}"] if config else words  # fmt: skip


def execute(desk, *program):
    words = ("--policy", desk.policy, "--offline", "-o", "offered.json", "--result", "model")
    return desk.run("exec", "gate.toml", *words, "--", *program)


@pytest.mark.parametrize("trainer", TRAINED)
def test_a_trainer_runs_unchanged_on_verified_copies(clauses, trainer):
    answer = execute(clauses, *command(*TRAINED[trainer]))
    assert answer.code == 0, answer.err
    receipt = json.loads((clauses.folder / "offered.json").read_text())
    assert (receipt["state"], receipt["exitCode"], receipt["gate"]["decision"]) == ("finished", 0, "VALID")
    assert receipt["datasets"][0]["credential"] == clauses.document["id"]
    assert receipt["result"]["files"] == sum(path.is_file() for path in (clauses.folder / "model").rglob("*"))
    weights = (clauses.folder / "model/model.safetensors").read_bytes()
    assert len(weights) > 10_000
    assert not list((clauses.folder / "model").rglob("*.bin"))


def test_no_trainer_starts_on_data_that_is_not_valid(clauses):
    (clauses.data / "train-hosting.jsonl").write_bytes(b'{"text": "poisoned", "label": "payment"}\n')
    answer = execute(clauses, *command("trl_sft.py"))
    assert answer.code == 1
    assert not (clauses.folder / "model").exists()
    assert not (clauses.folder / "offered.json").exists()


@pytest.mark.parametrize("words", [("fill.py",), ("fill.py", "axolotl.yaml", "--", "true")])
def test_a_configuration_without_verified_data_starts_nothing(clauses, words):
    import subprocess

    ran = subprocess.run([sys.executable, TRAINERS / words[0], *(TRAINERS / one if one.endswith(".yaml") else one for one in words[1:])], capture_output=True, text=True, check=False)  # fmt: skip
    assert ran.returncode != 0
    assert "Traceback" not in ran.stderr


def test_the_result_is_named_only_when_the_program_made_it(clauses):
    nothing = execute(clauses, sys.executable, "-c", "pass")
    assert (nothing.code, "[DATA_FOLDER]" in nothing.err) == (2, True)
    assert "result" not in json.loads((clauses.folder / "offered.json").read_text())
    (clauses.folder / "offered.json").unlink()
    (clauses.folder / "model").mkdir()
    (clauses.folder / "model/old.txt").write_text("old")
    there = execute(clauses, sys.executable, "-c", "open('ran', 'w')")
    assert (there.code, "[EXISTS]" in there.err) == (2, True)
    assert not (clauses.folder / "ran").exists()


def test_the_notebook_runs_from_top_to_bottom(clauses):
    cells = json.loads((TRAINERS / "verified_data.ipynb").read_text("utf-8"))["cells"]
    names = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), "cell", "exec"), names)
            assert cell["outputs"] == []  # committed clean
    assert names["report"].decision == "VALID"
    assert json.loads(names["first"])["id"].startswith("train-services")
    assert set(names["rows"].column_names) == {"id", "contract", "text", "label"}


def test_a_parquet_file_as_the_hub_serves_it_is_loaded_from_verified_bytes(desk, tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({"text": ["a", "b"], "label": [0, 1]})
    target = tmp_path / "t.parquet"
    parquet.write_table(table, target)
    world = World(now=desk.world.now)
    world.files = {"data/train-00000-of-00001.parquet": target.read_bytes(), "data/bad.parquet": b"PAR1 no table PAR1"}
    folder = tmp_path / "hub"
    folder.mkdir()
    hub = type(desk)(folder, world, desk.capsys)
    dataset = datasigil.require_dataset(hub.bundle, data=hub.data, policy=hub.policy)
    loaded = dataset.to_datasets(files=("data/train-00000-of-00001.parquet",))
    assert loaded["data_train_00000_of_00001"].to_list() == table.to_pylist()
    with pytest.raises(DatasigilError) as caught:
        dataset.to_datasets()
    assert (caught.value.code, caught.value.place) == ("FORMAT", "data/bad.parquet")


def test_to_datasets_gives_the_verified_rows_and_open_the_verified_bytes(clauses):
    dataset = datasigil.require_dataset(clauses.bundle, data=clauses.data, policy=clauses.policy)
    tables = dataset.to_datasets()
    named = [path for path in dataset.files if path.endswith((".jsonl", ".csv"))]
    assert len(tables) == len(named)
    assert sum(len(one) for one in tables.values()) == count_records(clauses.data, named)
    rows = [json.loads(line) for line in (CLAUSES / "train-supply.jsonl").read_text("utf-8").splitlines()]
    assert tables["train_supply"].to_list() == rows
    (clauses.data / "train-supply.jsonl").write_bytes(b"x")
    with pytest.raises(DatasigilError) as caught:
        dataset.open("train-supply.jsonl")
    assert caught.value.code == "FILE_DIGEST"
    with dataset.open("train-hosting.jsonl") as file:
        assert file.read() == (CLAUSES / "train-hosting.jsonl").read_bytes()
