"""Spelling of paths: what people are shown, what collides, what is ignored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasigil.datasets.paths import display_path, fold, folder_of, is_ignored, path_problem, storable_path


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("plain/name.txt", "plain/name.txt"),
        ("é 日本", "é 日本"),
        ("a\x1b[2Jb", "a\\u001b[2Jb"),
        ("a\nb", "a\\u000ab"),
        ("a\\nb", "a\\\\nb"),  # cannot be mistaken for an escaped line break
        ("\u202egpj.exe", "\\u202egpj.exe"),  # right-to-left override
        ("\udcff", "\\xff"),  # a byte that is not UTF-8
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_names_are_shown_without_control_characters(path, shown):
    assert display_path(path) == shown


@given(st.text(st.characters()))
def test_shown_names_are_printable_and_distinct_from_other_names(text):
    shown = display_path(text)
    assert shown.isprintable()
    assert display_path(shown) != shown or "\\" not in shown


@given(st.text(st.characters()), st.text(st.characters()))
def test_two_names_are_never_shown_alike(one, two):
    if one != two:
        assert display_path(one) != display_path(two)


def test_name_that_is_not_utf8_becomes_text_that_json_can_carry():
    assert storable_path("caf\udce9") == "caf\\xe9"
    assert storable_path("café") == "café"


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_fold_is_stable_and_ignores_case(text):
    assert fold(fold(text)) == fold(text)
    assert fold(text.lower()) == fold(text.upper().lower()) or fold(text) == fold(text.casefold())


@given(st.text(st.sampled_from("aA.:/\\ C\0é~"), max_size=8))
def test_accepted_paths_cannot_leave_their_folder(path):
    if path_problem(path):
        return
    assert not path.startswith("/")
    assert "\\" not in path
    assert not {"", ".", ".."} & set(path.split("/"))


def test_ignored_folder_covers_what_is_below_it_and_nothing_else():
    ignored = (".datasigil/", "notes.txt")
    assert is_ignored(".datasigil/bundle.sigil.json", ignored)
    assert is_ignored("notes.txt", ignored)
    assert not is_ignored(".datasigil", ignored)
    assert not is_ignored(".datasigilx/y", ignored)
    assert not is_ignored("notes.txt/y", ignored)
    assert not is_ignored("sub/.datasigil/x", ignored)


def test_folder_of_a_path():
    assert (folder_of("a/b/c"), folder_of("a")) == ("a/b", "")
