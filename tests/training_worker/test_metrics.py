"""Scores agree with figures worked out by hand; thresholds see validation rows alone; weights files are checked first."""

import json

import numpy as np
import pytest

from datasigil.errors import DatasigilError, MalformedError
from training_worker.labels import LabelSchema
from training_worker.metrics import best_cuts, decide, majority_result, membership, score, tune_thresholds
from training_worker.safetensors_header import check_safetensors

MULTI = LabelSchema(("a", "b"), "none", multi=True, classes={}, ignored=frozenset())
SINGLE = LabelSchema(("a", "b"), None, multi=False, classes={}, ignored=frozenset())


def test_f1_counts_the_implicit_none_class_as_lexglue_does():
    actual = membership([(0,), (), (), (0, 1)], 2)
    predicted = membership([(0,), (), (1,), (0,)], 2)
    result = score(predicted, actual, MULTI)
    assert [one.f1 for one in result.classes] == [1.0, 0.0, pytest.approx(2 / 3)]
    assert result.macro_f1 == pytest.approx((1 + 0 + 2 / 3) / 3)
    assert result.micro_f1 == pytest.approx(2 * 3 / (2 * 3 + 1 + 2))
    assert result.labels_macro_f1 == pytest.approx(0.5)


def test_always_answering_the_most_frequent_set_is_the_baseline():
    actual = membership([(), (), (), (0,)], 2)
    result = majority_result([(), (), (1,)], actual, MULTI)
    assert result.micro_f1 == pytest.approx(0.75)
    assert result.macro_f1 == pytest.approx((6 / 7) / 3)


def test_a_single_label_answer_is_the_largest_score():
    scores = np.array([[0.2, 0.8], [0.7, 0.3]], dtype=np.float32)
    assert decide(scores, [0.5, 0.5], SINGLE).tolist() == [[False, True], [True, False]]


def test_the_best_cut_separates_what_can_be_separated():
    scores = np.array([[0.9], [0.8], [0.3], [0.1]], dtype=np.float32)
    assert best_cuts(scores, membership([(0,), (0,), (), ()], 1)) == [pytest.approx(0.55)]
    assert best_cuts(scores, membership([(), (), (), ()], 1)) == [0.5]


def test_tuned_thresholds_are_finite_and_repeatable():
    draw = np.random.default_rng(3)
    scores = draw.random((200, 2), dtype=np.float32)
    actual = scores > 0.8
    groups = [f"d{number % 9}" for number in range(200)]
    first = tune_thresholds(scores, actual, groups, MULTI)
    assert first == tune_thresholds(scores, actual, groups, MULTI)
    assert all(0 < cut < 1 for cut in first)


def tensors(**changes) -> bytes:
    header = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}} | changes
    data = json.dumps(header).encode()
    return len(data).to_bytes(8, "little") + data + b"\0" * 8


def test_a_well_formed_weights_file_is_accepted(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(tensors())
    assert check_safetensors(tmp_path / "w.safetensors")[0].shape == (2,)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04pickle..",
        (10**9).to_bytes(8, "little") + b"{}",
        tensors()[:-1],
        tensors() + b"hidden",
        tensors(w={"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}),
        tensors(w={"dtype": "OBJ", "shape": [2], "data_offsets": [0, 8]}),
        tensors(w={"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}),
        tensors(w={"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}),
        tensors(w={"dtype": "F32", "shape": [2], "data_offsets": [0, 8], "code": "x"}),
        tensors(v={"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}),
        tensors(__metadata__={"x": 1}),
    ],
)
def test_a_malformed_weights_file_is_refused_before_it_is_loaded(tmp_path, data):
    (tmp_path / "w.safetensors").write_bytes(data)
    with pytest.raises(MalformedError) as caught:
        check_safetensors(tmp_path / "w.safetensors")
    assert caught.value.code == "SAFETENSORS"


def test_a_weights_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DatasigilError, match="cannot be read"):
        check_safetensors(tmp_path / "none.safetensors")
