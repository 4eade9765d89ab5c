"""Weighted mixes: each dataset's rows are seen as often as its weight says, and the receipt's list says so, too."""

from collections import Counter

import pytest
from trainees import jsonl, make_case, rows

from datasigil.bundle import bundle_bytes
from datasigil.models.examples import parse_example_list

pytestmark = pytest.mark.training

OTHER = {"other.jsonl": jsonl(rows("other", 20))}
BLOCK = """  - credential: "{id}"
    bundle: other.sigil.json
    path: other
    files: {{train: [other.jsonl]}}
    columns: {{text: text, labels: label, document: document}}
    weight: {weight}
"""


@pytest.fixture
def mixed(tmp_path, tiny_base):
    """Return a case of two datasets, the second with a weight, and the function that writes the weight."""
    case = make_case(tmp_path, base=tiny_base, epochs=2)
    case.world.files = OTHER
    case.world.write_files(tmp_path / "other")
    second = case.world.issue()
    case.world.publish(second)
    (tmp_path / "other.sigil.json").write_bytes(bundle_bytes(case.world.bundle(second)))
    case.evidence()
    text = case.recipe_path.read_text()

    def weigh(weight):
        block = BLOCK.format(id=second["id"], weight=weight)
        case.recipe_path.write_text(text.replace("splits:", block + "splits:", 1))
        return case

    return weigh


def seen(finished):
    """Return how often each row of each file was consumed."""
    listed = parse_example_list((finished.folder / "examples.json").read_bytes())
    return Counter((listed.files[file][1], record) for step in listed.steps for file, record in step)


def test_a_whole_weight_shows_every_row_so_often_in_every_epoch(mixed):
    counts = seen(mixed(3.0).train())
    assert {count for (path, _), count in counts.items() if path == "train.jsonl"} == {2}
    assert {count for (path, _), count in counts.items() if path == "other.jsonl"} == {6}


def test_a_fraction_of_a_weight_is_drawn_afresh_in_every_epoch(mixed):
    finished = mixed(0.25).train()
    counts = seen(finished)
    other = {record: count for (path, record), count in counts.items() if path == "other.jsonl"}
    assert sum(other.values()) == 2 * 5
    assert len(other) > 5  # not the same five twice
    assert finished.receipt["training"]["examples"] == 2 * (48 + 5)


def test_the_mix_is_part_of_what_a_checkpoint_is_bound_to(mixed):
    from datasigil.errors import DatasigilError
    from training_worker.stopping import Interrupted

    steps = iter(range(100))
    with pytest.raises(Interrupted):
        mixed(2.0).train(asked_to_stop=lambda: next(steps) == 3)
    with pytest.raises(DatasigilError) as caught:
        mixed(1.0).train(resume=True)
    assert caught.value.code == "CHECKPOINT_MISMATCH"
