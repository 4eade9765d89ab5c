"""Value classes behave as those of `dataclasses`, and cost a program's start little."""

import copy
import dataclasses
import pickle
import subprocess
import sys
from functools import cached_property

import pytest

from datasigil.record import dataclass, field, replace


@dataclass(frozen=True, slots=True, order=True)
class Slotted:
    major: int
    minor: int = 0


@dataclass(frozen=True)
class Frozen:
    name: str
    secret: str = field(default="s", repr=False)
    tags: dict = field(default_factory=dict)


@dataclass
class Open:
    items: list = field(default_factory=list)

    def __post_init__(self):
        self.count = len(self.items)


@dataclass(frozen=True)
class Derived(Frozen):
    extra: int = 1


@dataclass(frozen=True, slots=True)
class SlottedOnSlotted(Slotted):
    patch: int = 0


@dataclass(frozen=True)
class OpenOnSlotted(Slotted):
    note: str = ""


def test_members_are_set_by_position_and_name_with_defaults():
    assert (Slotted(1, 2).minor, Slotted(major=1).minor) == (2, 0)
    assert (Frozen("a").tags, Derived("a", extra=3).extra, Derived("a").secret) == ({}, 3, "s")
    assert Open([1, 2]).count == 2


@pytest.mark.parametrize("kind", [Slotted, Frozen, Open, Derived, SlottedOnSlotted, OpenOnSlotted])
def test_the_compiled_initialiser_sets_what_the_first_ones_set(kind):
    arguments = (["x"],) if kind is Open else (1, 2)
    made = [kind(*arguments) for _ in range(8)]
    assert all(one == made[0] for one in made)
    assert {repr(one) for one in made} == {repr(made[0])}
    assert copy.deepcopy(made[7]) == pickle.loads(pickle.dumps(made[7])) == made[0]
    assert replace(made[7]) == made[0]


def test_a_cached_property_is_computed_once_for_each_record_and_is_no_member():
    @dataclass(frozen=True)
    class Sum:
        parts: tuple

        @cached_property
        def total(self) -> list:
            """What they come to."""
            return [sum(self.parts)]

    one = Sum((1, 2))
    assert one.total is one.total
    assert (one.total, Sum((3,)).total, Sum.total.__doc__) == ([3], [3], "What they come to.")
    assert one == Sum((1, 2))
    assert replace(one, parts=(4,)).total == [4]


def test_a_default_factory_makes_a_new_value_for_each_record():
    assert Open().items is not Open().items


@pytest.mark.parametrize("call", [lambda: Slotted(), lambda: Slotted(1, 2, 3), lambda: Slotted(1, other=2)])
def test_missing_and_unknown_members_are_type_errors(call):
    with pytest.raises(TypeError):
        call()


def test_equality_order_and_hash_are_those_of_the_members_and_the_class():
    assert Slotted(1, 2) == Slotted(1, 2) != Slotted(1, 3)
    assert Frozen("a") != Derived("a")
    assert sorted([Slotted(2), Slotted(1, 9), Slotted(1)]) == [Slotted(1), Slotted(1, 9), Slotted(2)]
    assert {Slotted(1): 1}[Slotted(1, 0)] == 1
    with pytest.raises(TypeError):
        hash(Open())
    with pytest.raises(TypeError):
        assert Slotted(1) < 5


@pytest.mark.parametrize("value", [Slotted(1), Frozen("a")])
def test_a_frozen_record_can_be_neither_set_nor_deleted(value):
    name = next(iter(type(value).__match_args__))
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, "x")
    with pytest.raises(dataclasses.FrozenInstanceError):
        delattr(value, name)


def test_slots_leave_no_room_for_other_members():
    assert not hasattr(Slotted(1), "__dict__")


def test_repr_shows_every_member_but_the_hidden():
    assert repr(Frozen("a")) == "Frozen(name='a', tags={})"


def test_replace_copies_and_pickle_keep_the_members():
    assert replace(Slotted(1), minor=5) == Slotted(1, 5) == dataclasses.replace(Slotted(1), minor=5)
    for value in (Slotted(1, 2), Frozen("a", tags={"b": 1})):
        assert copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == value


def test_the_standard_library_knows_records_as_its_own():
    assert dataclasses.is_dataclass(Frozen)
    assert dataclasses.asdict(Derived("a")) == {"name": "a", "secret": "s", "tags": {}, "extra": 1}
    assert [one.name for one in dataclasses.fields(Open())] == ["items"]


def test_mistakes_in_a_definition_are_refused():
    with pytest.raises(TypeError, match="mutable default"):
        dataclass(type("Shared", (), {"__annotations__": {"items": "list"}, "items": []}))
    with pytest.raises(TypeError, match="follows"):
        dataclass(type("Order", (), {"__annotations__": {"a": "int", "b": "int"}, "a": 1}))


def test_a_check_starts_without_the_standard_decorator():
    code = "import datasigil.verification, datasigil.trust.policy, verifier_cli.main, sys; sys.exit('dataclasses' in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-S", "-c", f"import sys; sys.path[:0]={sys.path!r}; {code}"], check=False
        ).returncode
        == 0
    )


def test_the_tenth_instance_is_made_like_the_first():
    @dataclass(frozen=True)
    class Counted:
        first: int
        rest: list = field(default_factory=list)

    for number in range(10):
        made = Counted(number)
        assert (made.first, made.rest) == (number, [])
        made.rest.append(number)
        for call in (
            lambda: Counted(),
            lambda: Counted(1, first=1),
            lambda: Counted(1, [], 2),
            lambda: Counted(1, other=2),
        ):
            with pytest.raises(TypeError):
                call()
