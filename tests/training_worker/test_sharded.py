"""Base models in several files: every shard is hashed, checked and loaded, and an index that does not fit them is refused."""

import json

import pytest
from trainees import make_case, make_chat_case, write_tiny_llama

from datasigil.errors import DatasigilError
from training_worker.base_model import find_base_model, snapshot_base_model
from training_worker.recipe_sections import Base
from training_worker.weights import INDEX, WEIGHTS, weight_files

pytestmark = pytest.mark.training


def shard(base, folder):
    """Write a base model's weights again, in three files with an index."""
    from safetensors.torch import load_file, save_file

    folder.mkdir()
    for path in base.iterdir():
        if path.name != WEIGHTS:
            (folder / path.name).write_bytes(path.read_bytes())
    tensors, placed = load_file(str(base / WEIGHTS)), {}
    for number in range(3):
        name = f"model-{number + 1:05}-of-00003.safetensors"
        own = {key: tensors[key] for key in sorted(tensors)[number::3]}
        save_file(own, str(folder / name), metadata={"format": "pt"})
        placed |= dict.fromkeys(own, name)
    (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": placed}))
    return folder


@pytest.fixture
def sharded(tiny_base, tmp_path):
    return shard(tiny_base, tmp_path / "sharded")


def found(folder):
    return find_base_model(Base.model_validate({"path": str(folder)}), folder.parent)


def test_a_run_on_shards_ends_in_the_bytes_of_a_run_on_one_file(tiny_base, sharded, tmp_path):
    receipts = []
    for name, base in (("one", tiny_base), ("many", sharded)):
        (tmp_path / name).mkdir()
        receipts.append(make_case(tmp_path / name, base=base, epochs=1).train().receipt)
    adapters = [
        [one["sha256"] for one in receipt["artefacts"]["files"] if one["path"] == "adapter_model.safetensors"]
        for receipt in receipts
    ]
    assert adapters[0] == adapters[1]
    assert receipts[0]["base"]["weightsDigest"] != receipts[1]["base"]["weightsDigest"]
    assert receipts[1]["base"]["weightsDigest"] == found(sharded).weights_digest


def test_a_sharded_decoder_trains(tmp_path):
    base = shard(write_tiny_llama(tmp_path / "whole"), tmp_path / "shards")
    case = make_chat_case(tmp_path / "case", base)
    case.recipe_path.write_text(case.recipe_path.read_text().replace("epochs: 3", "epochs: 1"))
    test = case.train().receipt["evaluation"]["test"]
    assert float(test["loss"]) < float(test["baseModel"]["loss"])


def test_every_shard_is_in_the_manifest_and_changes_the_digest(sharded):
    before = found(sharded)
    assert {*before.weights, INDEX} <= {entry.path for entry in before.manifest.entries}
    last = sharded / before.weights[-1]
    last.write_bytes(last.read_bytes()[:-1] + b"\x01")
    assert found(sharded).weights_digest != before.weights_digest


def test_one_file_goes_before_an_index(tiny_base, sharded):
    (sharded / WEIGHTS).write_bytes((tiny_base / WEIGHTS).read_bytes())
    assert weight_files(sharded) == (WEIGHTS,)


def test_a_missing_shard_is_named(sharded):
    (sharded / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(DatasigilError) as caught:
        found(sharded)
    assert (caught.value.code, caught.value.found) == ("BASE_MODEL", "no model-00002-of-00003.safetensors")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda index: {}, "weight_map"),
        (lambda index: {"weight_map": {}}, "weight_map"),
        (lambda index: {"weight_map": [1]}, "weight_map"),
        (lambda index: {"weight_map": {"a": 1}}, "1"),
        (lambda index: {"weight_map": {"a": "../../etc/passwd.safetensors"}}, "passwd"),
        (lambda index: {"weight_map": {"a": "pytorch_model.bin"}}, "bin"),
        (lambda index: {"weight_map": {f"t{number}": f"{number}.safetensors" for number in range(1001)}}, "1001"),
        (lambda index: {"weight_map": dict(list(index["weight_map"].items())[1:])}, "in the shard alone"),
        (lambda index: {"weight_map": index["weight_map"] | {"more": "model-00001-of-00003.safetensors"}}, "in the index alone"),
        (lambda index: {"weight_map": dict.fromkeys(index["weight_map"], "model-00001-of-00003.safetensors")}, "alone"),
    ],
)  # fmt: skip
def test_an_index_that_does_not_fit_is_refused(sharded, tmp_path, change, said):
    index = json.loads((sharded / INDEX).read_text())
    (sharded / INDEX).write_text(json.dumps(change(index)))
    with pytest.raises(DatasigilError) as caught:
        snapshot_base_model(found(sharded), tmp_path / "snapshot")
    assert caught.value.code == "WEIGHTS_INDEX"
    assert said in str(caught.value)
