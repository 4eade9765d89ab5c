"""Field tables: one description that drives the strict parser, emits the JSON Schemas and emits the JSON-LD context.

Lives here: alternatives, arrays and closed objects, each with its check and its JSON Schema (draft 2020-12). Not here: the kinds
without parts (`values`), the tables themselves (`dataset`, `lineage`, `audit`, `grant`, `model`, `envelope`) and writing files
(`emit_schemas`).

The parser is at least as strict as the schema it emits; what JSON Schema cannot say (sorted arrays, calendar dates) it checks in
addition. Nothing here depends on `format`, which validators may ignore.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import lt

from datasigil.credentials.values import Day, Enum, Kind, Moment, Place, Raw, Schema, Text, fault, safe, wrong_type
from datasigil.encoding import JsonValue
from datasigil.errors import MalformedError
from datasigil.record import dataclass

USES_BEFORE_COMPILING = 50  # documents of one type, after which a process gains by compiling its table


class OneOf(Kind):
    """Text of one kind, or text or an object of another: told apart by JSON type, then tried in order."""

    def __init__(self, *kinds: Kind) -> None:
        self.kinds = kinds
        self._objects: list[Kind] = [kind for kind in kinds if isinstance(kind, (Table, Opaque))] or list(kinds)
        self._others: list[Kind] = [kind for kind in kinds if not isinstance(kind, (Table, Opaque))] or list(kinds)
        self.coercion = (
            kinds[0].coercion if len({kind.coercion for kind in kinds if not isinstance(kind, Table)}) == 1 else ""
        )

    def check(self, value: JsonValue, place: Place) -> None:
        """Raise the last error when no kind takes `value`."""
        candidates = self._objects if type(value) is dict else self._others
        for kind in candidates[:-1]:
            if kind.fits(value):
                return
        candidates[-1].check(value, place)

    def make_test(self, of: Callable[[Kind], Raw]) -> Raw:
        """Return `test`."""
        if len(self.kinds) == 2 and all(isinstance(kind, (Text, Enum, Day, Moment)) for kind in self.kinds):
            first, second = (of(kind) for kind in self.kinds)
            return lambda value: first(value) or second(value)  # nothing but text fits either
        # What is no value for one alternative, and raises there, may be one for the next.
        objects, others = ([safe(of(kind)) for kind in kinds] for kinds in (self._objects, self._others))

        def fits(value: JsonValue) -> bool:
            for test in objects if type(value) is dict else others:  # noqa: SIM110 - a generator costs twice as much
                if test(value):
                    return True
            return False

        return fits

    def schema(self) -> Schema:
        """Return an `anyOf`."""
        return {"anyOf": [kind.schema() for kind in self.kinds]}

    def tables(self) -> Iterator[Table]:
        """Yield the nested tables of every alternative."""
        for kind in self.kinds:
            yield from ((kind, *kind.tables()) if isinstance(kind, Table) else kind.tables())


class ListOf(Kind):
    """An array whose order means something (`@list` in the context); never empty unless `minimum` is 0."""

    container = "@list"

    def __init__(self, item: Kind, *, minimum: int = 1, maximum: int = 1000) -> None:
        self.item = item
        self.minimum = minimum
        self.maximum = maximum
        self.coercion = item.coercion

    def check(self, value: JsonValue, place: Place) -> None:
        """Raise SCHEMA for a wrong size, and what the items raise."""
        if type(value) is not list:
            raise wrong_type(value, place, "an array", "SCHEMA")
        if not self.minimum <= len(value) <= self.maximum:
            raise fault(
                "SCHEMA",
                "an array has the wrong size",
                place,
                f"{self.minimum} to {self.maximum} items",
                f"{len(value)} items",
            )
        for index, item in enumerate(value):
            self.item.check(item, (place, index))

    def make_test(self, of: Callable[[Kind], Raw]) -> Raw:
        """Return `test`."""
        minimum, maximum, test = self.minimum, self.maximum, of(self.item)

        def fits(value: JsonValue) -> bool:
            return type(value) is list and minimum <= len(value) <= maximum and all(map(test, value))

        return fits

    def schema(self) -> Schema:
        """Return an `array` schema."""
        return {"type": "array", "minItems": self.minimum, "maxItems": self.maximum, "items": self.item.schema()}

    def tables(self) -> Iterator[Table]:
        """Yield the item's tables."""
        return iter((self.item, *self.item.tables())) if isinstance(self.item, Table) else self.item.tables()


class SetOf(ListOf):
    """A sorted array without duplicates; objects are sorted by the text of one member (`key`)."""

    container = "@set"

    def __init__(self, item: Kind, *, key: str = "", minimum: int = 1, maximum: int = 1000) -> None:
        super().__init__(item, minimum=minimum, maximum=maximum)
        self.key = key

    def check(self, value: JsonValue, place: Place) -> None:
        """Raise SCHEMA also when the items are not strictly increasing."""
        super().check(value, place)
        keys = [item[self.key] for item in value] if self.key else value
        for index in range(1, len(keys)):
            if not keys[index - 1] < keys[index]:
                raise fault(
                    "SCHEMA",
                    "an array is not sorted and free of duplicates",
                    (place, index),
                    f"more than {keys[index - 1]!r}"[:100],
                    keys[index],
                )

    def make_test(self, of: Callable[[Kind], Raw]) -> Raw:
        """Return `test`."""
        minimum, maximum, test, key = self.minimum, self.maximum, of(self.item), self.key

        def fits(value: JsonValue) -> bool:
            if type(value) is not list or not minimum <= len(value) <= maximum or not all(map(test, value)):
                return False
            if len(value) == 1:
                return True
            keys = [item[key] for item in value] if key else value
            return all(map(lt, keys, keys[1:]))

        return fits

    def schema(self) -> Schema:
        """Return an `array` schema with unique items; their order only the parser checks."""
        order = f"sorted by {self.key}" if self.key else "sorted"
        return {**super().schema(), "uniqueItems": True, "$comment": f"{order}, no duplicates"}


class Opaque(Kind):
    """An object, or an array of objects, that another module checks (proofs)."""

    def check(self, value: JsonValue, place: Place) -> None:
        """Raise SCHEMA unless `value` is an object or a non-empty array."""
        if not isinstance(value, (dict, list)):
            raise wrong_type(value, place, "an object or an array of objects", "SCHEMA")

    def schema(self) -> Schema:
        """Return a schema that says no more than that."""
        return {"type": ["object", "array"]}


@dataclass(frozen=True)
class Field:
    """One member of an object: its JSON name, kind, meaning, and the IRI that the context gives it."""

    name: str
    kind: Kind
    doc: str
    iri: str = ""  # empty: the VC 2.0 context defines the term
    required: bool = False


@dataclass(frozen=True)
class Rule:
    """When the member at `path` has one of `values` (or, an array, contains one), the members `names` must be present."""

    path: tuple[str, ...]
    values: tuple[JsonValue, ...]
    names: tuple[str, ...]
    contains: bool = False

    def applies(self, value: Mapping[str, JsonValue]) -> bool:
        """Say whether the condition holds for an object."""
        current: JsonValue = value
        for step in self.path:
            if not isinstance(current, dict) or step not in current:
                return False
            current = current[step]
        if self.contains:
            return isinstance(current, list) and any(item in self.values for item in current)
        return current in self.values

    def test(self) -> Callable[[Mapping[str, JsonValue]], bool]:
        """Return whether an object whose members all fit keeps the rule, as a closure."""
        wanted, names, applies = frozenset(self.values), frozenset(self.names), self.applies
        if len(self.path) > 1:
            return lambda value: not applies(value) or names <= value.keys()
        first = self.path[0]
        if self.contains:
            return lambda value: first not in value or wanted.isdisjoint(value[first]) or names <= value.keys()
        return lambda value: value.get(first) not in wanted or names <= value.keys()

    def schema(self) -> Schema:
        """Return the rule as `if` and `then`."""
        condition: Schema = {"contains": {"enum": list(self.values)}} if self.contains else {"enum": list(self.values)}
        for step in reversed(self.path):
            condition = {"type": "object", "properties": {step: condition}, "required": [step]}
        return {"if": condition, "then": {"required": list(self.names)}}


class Table(Kind):
    """A closed object: the table of its members, of which the required ones must be there."""

    coercion = "@id"

    def __init__(self, *fields: Field, rules: Iterable[Rule] = (), any_of: tuple[str, ...] = (), doc: str = "") -> None:
        self.fields = fields
        self.rules = tuple(rules)
        self.any_of = any_of  # at least one of these members
        self.doc = doc
        self._kinds = {field.name: field.kind for field in fields}
        self._required = frozenset(field.name for field in fields if field.required)
        self._uses_left = USES_BEFORE_COMPILING

    def check(self, value: JsonValue, place: Place) -> None:
        """Raise SCHEMA for missing members, UNKNOWN_PROPERTY or KEYWORD for others, and what the members raise."""
        if type(value) is not dict:
            raise wrong_type(value, place, "an object", "SCHEMA")
        kinds = self._kinds
        for name, item in value.items():
            kind = kinds.get(name)
            if kind is None:
                raise self._unknown(name, place)
            kind.check(item, (place, name))
        if not self._required <= value.keys():
            raise self._missing(self._required - value.keys(), place)
        if self.any_of and not any(name in value for name in self.any_of):
            raise fault("SCHEMA", "an object lacks a member", place, "one of " + ", ".join(self.any_of))
        for rule in self.rules:
            if rule.applies(value) and not all(name in value for name in rule.names):
                raise self._missing(
                    set(rule.names) - value.keys(),
                    place,
                    because=f"{'.'.join(rule.path)} is {' or '.join(map(str, rule.values))}",
                )

    def make_test(self, of: Callable[[Kind], Raw]) -> Raw:
        """Return `test`."""
        kinds, tests = self._kinds, dict[str, Raw]()
        required, any_of, rules = self._required, frozenset(self.any_of), [rule.test() for rule in self.rules]

        def fits(value: JsonValue) -> bool:
            if type(value) is not dict or not required <= value.keys():
                return False
            for name, item in value.items():
                try:
                    test = tests[name]
                except KeyError:  # most documents hold few members: a test is made when it is first wanted
                    if name not in kinds:
                        return False
                    test = tests[name] = of(kinds[name])
                if not test(item):
                    return False
            if any_of and any_of.isdisjoint(value):
                return False
            for keeps in rules:  # noqa: SIM110 - a generator costs twice as much
                if not keeps(value):
                    return False
            return True

        return fits

    def require(self, value: JsonValue) -> None:
        """Raise what `check` raises unless `value` fits.

        Raises:
            MalformedError: as `check`; SCHEMA should the two ever disagree.
        """
        self._uses_left -= 1
        if not self._uses_left:
            from datasigil.credentials.compiled import compiled

            self.fits = compiled(self)
        if not self.fits(value):
            self.check(value, None)
            raise fault("SCHEMA", "an object is not of the required form", None, self.doc)

    def _missing(self, names: Iterable[str], place: Place, because: str = "") -> MalformedError:
        name = next((field.name for field in self.fields if field.name in set(names)), "")
        doc = next((field.doc for field in self.fields if field.name == name), "")
        return fault(
            "SCHEMA", f"a required member is missing{f' because {because}' if because else ''}", (place, name), doc
        )

    def _unknown(self, given: object, place: Place) -> MalformedError:
        name = str(given)  # a name that is no text comes from no JSON, but perhaps from a Python program
        if name.startswith("@"):
            code = "CONTEXT" if name == "@context" else "KEYWORD"
            return fault(
                code,
                "JSON-LD keywords are not allowed here",
                (place, name),
                name[1:] if name in ("@id", "@type") else "",
            )
        from difflib import get_close_matches

        near = get_close_matches(name[:100], self._kinds, n=1)
        return fault(
            "UNKNOWN_PROPERTY",
            "an unknown member",
            (place, name),
            near[0] if near else ", ".join(self._kinds)[:200],
            name,
        )

    def schema(self) -> Schema:
        """Return a closed `object` schema."""
        schema: Schema = {
            "type": "object",
            "additionalProperties": False,
            "required": sorted(self._required),
            "properties": {field.name: {"description": field.doc, **field.kind.schema()} for field in self.fields},
        }
        if self.doc:
            schema["description"] = self.doc
        conditions = [rule.schema() for rule in self.rules]
        if self.any_of:
            conditions.append({"anyOf": [{"required": [name]} for name in self.any_of]})
        return {**schema, "allOf": conditions} if conditions else schema

    def tables(self) -> Iterator[Table]:
        """Yield every table nested below this one."""
        for field in self.fields:
            if isinstance(field.kind, Table):
                yield field.kind
            yield from field.kind.tables()
