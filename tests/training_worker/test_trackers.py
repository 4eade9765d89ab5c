"""Trackers are told loss and scores, nothing else; one whose package is missing stops the run before its first step."""

import struct

import pytest
from conftest import absent

from datasigil.errors import DatasigilError
from training_worker import trackers

pytestmark = pytest.mark.training


def events(folder):
    """Return (tag, step, value) of every figure in a folder's event files (TFRecord: length, its check, data, its check)."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.rglob("events.out.tfevents.*")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            event = Event.FromString(data[at + 12 : at + 12 + length])
            found += [(one.tag, event.step, one.simple_value) for one in event.summary.value]
            at += 12 + length + 4
    return found


def test_a_tracker_is_told_loss_and_scores_of_every_step_and_epoch(trainable):
    if trackers.util.find_spec("tensorboardX") is None:
        absent("tensorboardX (pip install -e .[dev])")
    trainable.recipe_path.write_text(trainable.recipe_path.read_text() + "  reportTo: [tensorboard]\n")
    finished = trainable.train()
    told = events(trainable.folder / "trackers")
    steps = finished.receipt["training"]["steps"]
    assert [step for tag, step, _ in told if tag == "train/loss"] == list(range(1, steps + 1))
    scores = [value for tag, _, value in told if tag == "validation/validationMacroF1"]
    history = finished.receipt["training"]["history"]
    assert scores == pytest.approx([float(epoch["validationMacroF1"]) for epoch in history], abs=1e-6)
    raw = b"".join(path.read_bytes() for path in (trainable.folder / "trackers").rglob("*") if path.is_file())
    for private in (b"invoice", b"train.jsonl", str(trainable.data).encode()):
        assert private not in raw


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow", "trackio"])
def test_a_tracker_whose_package_is_missing_is_named_before_the_first_step(trainable, monkeypatch, name):
    real = trackers.util.find_spec
    gone = {package for packages in trackers.PACKAGES.values() for package in packages}
    monkeypatch.setattr(
        trackers.util, "find_spec", lambda module, *rest: None if module in gone else real(module, *rest)
    )
    trainable.recipe_path.write_text(trainable.recipe_path.read_text() + f"  reportTo: [{name}]\n")
    with pytest.raises(DatasigilError) as caught:
        trainable.train()
    assert caught.value.code == "TRACKER"
    assert name in caught.value.expected
    assert not list(trainable.folder.glob("run*"))
