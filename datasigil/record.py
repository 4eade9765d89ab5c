"""Value classes: the part of `dataclasses` (PEP 557) that this package uses, at a tenth of its cost when a program starts.

Lives here: `dataclass`, `field` and `replace`, with the meaning they have in the standard library. Not here: any record.

The standard library's decorator compiles half a dozen methods for each class and imports `inspect`: for the classes that one `check`
needs that was a third of its time (docs/adr/0010). Here methods are shared, and a class's `__init__` is compiled when its fourth
instance is made. `dataclasses.replace`, `fields`, `asdict` and `is_dataclass` work on these classes as on their own.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from types import MemberDescriptorType
from typing import Any, NoReturn, TypeVar, dataclass_transform, overload

T = TypeVar("T")
_MISSING: Any = object()
_SET = object.__setattr__
_USES_BEFORE_COMPILING = 3


class _Default:
    """What a member is when the caller leaves it out, and whether `repr` shows it."""

    __slots__ = ("factory", "repr", "value")

    def __init__(self, value: Any = _MISSING, factory: Any = _MISSING, repr: bool = True) -> None:  # noqa: A002 - the name of PEP 557
        self.value = value
        self.factory = factory
        self.repr = repr

    @property
    def given(self) -> bool:
        return self.value is not _MISSING or self.factory is not _MISSING


def field(*, default: Any = _MISSING, default_factory: Any = _MISSING, repr: bool = True) -> Any:  # noqa: A002 - the name of PEP 557
    """Return the description of a member: its default, or the callable that makes one, and whether `repr` shows it."""
    return _Default(default, default_factory, repr)


@overload
def dataclass(cls: type[T], /) -> type[T]: ...
@overload
def dataclass(*, frozen: bool = False, slots: bool = False, order: bool = False) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(field_specifiers=(field,))
def dataclass(cls: Any = None, /, *, frozen: bool = False, slots: bool = False, order: bool = False) -> Any:
    """Make a class with annotated members a value class: `__init__`, `__repr__`, `__eq__`, and as asked immutable, slotted, ordered.

    Raises:
        TypeError: for a member without default after one with, and for a mutable default.
    """
    if cls is None:
        return lambda given: _record(given, frozen=frozen, slots=slots, order=order)
    return _record(cls, frozen=frozen, slots=slots, order=order)


def replace(value: T, /, **changes: Any) -> T:
    """Return a copy of a record with some members changed."""
    members = {name: getattr(value, name) for name in value.__record_members__}  # type: ignore[attr-defined]
    return type(value)(**{**members, **changes})


def _record(cls: Any, *, frozen: bool, slots: bool, order: bool) -> Any:
    own = _own_members(cls)
    members: dict[str, _Default] = {}
    for base in reversed(cls.__mro__[1:]):
        members |= base.__dict__.get("__record_members__", {})
    members |= own
    _check_order(cls, members)
    if slots:
        cls = _slotted(cls, own, frozen=frozen)
    cls.__record_members__ = members
    cls.__dataclass_fields__ = _StandardFields()
    given = cls.__dict__
    values: Callable[[Any], Any] = attrgetter(*members) if members else lambda _value: ()
    shared: dict[str, Any] = {"__init__": _first_init(cls), "__repr__": _repr, "__eq__": _equality(values)}
    shared |= {"__match_args__": tuple(members)}
    if order:
        shared |= _ordering(values)
    for name, method in shared.items():
        if name not in given:
            setattr(cls, name, method)
    if given.get("__hash__") is None:  # defining __eq__ has set it to None
        cls.__hash__ = (lambda self: hash((type(self), values(self)))) if frozen else None
    if frozen:
        cls.__setattr__, cls.__delattr__ = _refuse_set, _refuse_delete
    return cls


def _own_members(cls: Any) -> dict[str, _Default]:
    members = {}
    for name, annotation in cls.__annotations__.items():
        if str(annotation).startswith(("ClassVar", "typing.ClassVar")):
            continue
        default = cls.__dict__.get(name, _MISSING)
        described = default if isinstance(default, _Default) else _Default(default)
        if type(described.value).__hash__ is None:
            raise TypeError(f"{cls.__name__}.{name}: a mutable default would be shared; use default_factory")
        members[name] = described
        if isinstance(default, _Default):
            if default.value is _MISSING:
                delattr(cls, name)
            else:
                setattr(cls, name, default.value)
    return members


def _check_order(cls: Any, members: dict[str, _Default]) -> None:
    optional = ""
    for name, default in members.items():
        if default.given:
            optional = name
        elif optional:
            raise TypeError(f"{cls.__name__}.{name} has no default and follows {optional}, which has one")


def _slotted(cls: Any, own: dict[str, _Default], *, frozen: bool) -> Any:
    """The same class with `__slots__`, which only a new class object can have."""
    namespace = {name: value for name, value in cls.__dict__.items() if name not in own}
    namespace.pop("__dict__", None)
    namespace.pop("__weakref__", None)
    namespace["__slots__"] = tuple(own)
    if frozen:  # pickle and copy set state attribute by attribute, which a frozen class refuses
        namespace |= {"__getstate__": _get_state, "__setstate__": _set_state}
    made = type(cls)(cls.__name__, cls.__bases__, namespace)
    made.__qualname__ = cls.__qualname__
    return made


def _first_init(cls: Any) -> Callable[..., None]:
    """An `__init__` that sets members itself a few times, then compiles the real one and puts it in its own place.

    Most classes of a short run have one or two instances, for which compiling costs more than it saves.
    """
    uses = 0

    def __init__(self: Any, *arguments: Any, **named: Any) -> None:  # noqa: N807 - becomes the method
        nonlocal uses
        uses += 1
        if uses > _USES_BEFORE_COMPILING or not _set_members(cls, self, arguments, named):
            compiled = _compiled_init(cls)
            cls.__init__ = compiled
            compiled(self, *arguments, **named)

    return __init__


def _set_members(cls: Any, self: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Set every member; False, with nothing done, for a call that is wrong: the compiled `__init__` words the error."""
    members: dict[str, _Default] = cls.__record_members__
    values = dict(zip(members, arguments, strict=False))
    if len(arguments) > len(members) or values.keys() & named.keys():
        return False
    values |= named
    if values.keys() - members.keys() or any(name not in values and not members[name].given for name in members):
        return False
    for name, default in members.items():
        if name in values:
            _SET(self, name, values[name])
        else:
            _SET(self, name, default.factory() if default.factory is not _MISSING else default.value)
    if hasattr(cls, "__post_init__"):
        self.__post_init__()
    return True


def _compiled_init(cls: Any) -> Any:
    parameters, body = ["self"], []
    scope: dict[str, Any] = {"_missing": _MISSING}
    for name, default in cls.__record_members__.items():
        value = name
        if default.factory is not _MISSING:
            scope[f"_make_{name}"] = default.factory
            parameters.append(f"{name}=_missing")
            value = f"_make_{name}() if {name} is _missing else {name}"
        elif default.value is not _MISSING:
            scope[f"_default_{name}"] = default.value
            parameters.append(f"{name}=_default_{name}")
        else:
            parameters.append(name)
        body.append(_assignment(cls, name, value, scope))
    if any(line.startswith("  _members[") for line in body):
        body.insert(0, "  _members = self.__dict__")
    if hasattr(cls, "__post_init__"):
        body.append("  self.__post_init__()")
    source = f"def __init__({', '.join(parameters)}):\n" + ("\n".join(body) or "  pass")
    exec(source, scope)  # noqa: S102 - the names are a class's own annotations, as in the standard library
    compiled = scope["__init__"]
    compiled.__qualname__ = f"{cls.__qualname__}.__init__"
    return compiled


def _assignment(cls: Any, name: str, value: str, scope: dict[str, Any]) -> str:
    """The line that sets a member past a frozen class's own `__setattr__`, in half of the time of `object.__setattr__`."""
    if cls.__setattr__ is _SET:
        return f"  self.{name} = {value}"
    slot = getattr(cls, name, None)
    if isinstance(slot, MemberDescriptorType):
        scope[f"_set_{name}"] = slot.__set__
        return f"  _set_{name}(self, {value})"
    return f"  _members[{name!r}] = {value}"


def _repr(self: Any) -> str:
    shown = (name for name, default in self.__record_members__.items() if default.repr)
    return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


def _equality(values: Callable[[Any], Any]) -> Any:
    def __eq__(self: Any, other: object) -> Any:  # noqa: N807
        return values(self) == values(other) if type(other) is type(self) else NotImplemented

    return __eq__


def _ordering(values: Callable[[Any], Any]) -> dict[str, Any]:
    def compared(test: Callable[[Any, Any], bool]) -> Any:
        return lambda self, other: test(values(self), values(other)) if type(other) is type(self) else NotImplemented

    return {
        "__lt__": compared(lambda one, other: one < other),
        "__le__": compared(lambda one, other: one <= other),
        "__gt__": compared(lambda one, other: one > other),
        "__ge__": compared(lambda one, other: one >= other),
    }


def _refuse_set(self: object, name: str, _value: object) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to {name!r} of a {type(self).__name__}")


def _refuse_delete(self: object, name: str) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete {name!r} of a {type(self).__name__}")


def _get_state(self: Any) -> list[Any]:
    return [getattr(self, name) for name in self.__record_members__]


def _set_state(self: Any, state: list[Any]) -> None:
    for name, value in zip(self.__record_members__, state, strict=True):
        _SET(self, name, value)


class _StandardFields:
    """`__dataclass_fields__`, made when somebody asks: this is how `dataclasses` knows its own."""

    def __get__(self, _instance: object, cls: Any) -> Any:
        import dataclasses

        specifications: list[Any] = []
        for name, default in cls.__record_members__.items():
            options: dict[str, Any] = {"repr": default.repr}
            if default.factory is not _MISSING:
                options["default_factory"] = default.factory
            elif default.value is not _MISSING:
                options["default"] = default.value
            specifications.append((name, Any, dataclasses.field(**options)))
        made: Any = dataclasses.make_dataclass(cls.__name__, specifications)
        return made.__dataclass_fields__


__all__ = ["dataclass", "field", "replace"]
