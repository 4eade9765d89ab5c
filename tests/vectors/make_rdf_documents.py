"""Generated JSON-LD documents for the differential tests of RDF canonicalisation.

Lives here: two seeded generators. `Generator` uses an inline context: nested and shared nodes, blank node cycles, lists, graphs, sets,
language and direction, native numbers, typed values, JSON literals, reverse properties, scoped contexts and characters that N-Quads
escapes. `PinnedDocuments` uses the terms of pinned contexts alone, as credentials do. Not here: anything that checks, and any of our code.
"""

import json
import random
from pathlib import Path

V2 = "https://www.w3.org/ns/credentials/v2"
OURS = "https://w3id.org/datasigil/v1"
INLINE = {
    "ref": {"@id": "https://x.example/ref", "@type": "@id"},
    "kind": {"@id": "https://x.example/kind", "@type": "@vocab"},
    "Thing": {"@id": "https://x.example/Thing", "@context": {"scoped": "https://x.example/scoped-in-thing"}},
    "Other": "https://x.example/Other",
    "scoped": "https://x.example/scoped",
    "plain": "https://x.example/plain",
    "items": {"@id": "https://x.example/items", "@container": "@list"},
    "set": {"@id": "https://x.example/set", "@container": "@set"},
    "text": {"@id": "https://x.example/text", "@container": "@language"},
    "graph": {"@id": "https://x.example/graph", "@container": "@graph"},
    "when": {"@id": "https://x.example/when", "@type": "http://www.w3.org/2001/XMLSchema#dateTime"},
    "real": {"@id": "https://x.example/real", "@type": "http://www.w3.org/2001/XMLSchema#double"},
    "back": {"@reverse": "https://x.example/back"},
    "json": {"@id": "https://x.example/json", "@type": "@json"},
    "inner": {"@id": "https://x.example/inner", "@context": {"plain": "https://x.example/plain-in-inner"}},
    "x": "https://x.example/ns#",
}
CHARACTERS = "abc äß 契約 🙂 \" \\ \n \r \t \b \f \x01 \x7f ' < > {} \u2028 \u00a0"


class Generator:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def document(self) -> dict:
        context = [V2, INLINE] if self.random.random() < 0.8 else [V2, OURS, INLINE]
        document = {"@context": context, **self.node(3)}
        document.setdefault("id", f"urn:doc:{self.random.randrange(10**6)}")
        document.setdefault("plain", "at least one")
        return document

    def node(self, depth: int) -> dict:
        pick = self.random
        node: dict = {}
        if pick.random() < 0.4:
            node["id"] = pick.choice(
                [f"urn:n:{pick.randrange(5)}", f"_:n{pick.randrange(4)}", f"https://x.example/{pick.randrange(9)}"]
            )
        if pick.random() < 0.4:
            node["type"] = pick.choice(["Thing", "Other", ["Thing", "Other"], "https://x.example/Third"])
        for _ in range(pick.randrange(1, 4)):
            name, value = self.member(depth)
            node[name] = value
        return node

    def member(self, depth: int) -> tuple[str, object]:
        pick = self.random
        choices = ["plain", "items", "set", "text", "when", "real", "scoped", "ref", "kind", "name", "x:made", "json"]
        if depth > 0:
            choices += ["inner", "graph", "back", "nodes", "listed"] * 2
        name = pick.choice(choices)
        if name == "inner":
            return name, self.node(depth - 1)
        if name == "graph":
            return name, pick.choice([self.node(depth - 1), [self.node(depth - 1), self.node(depth - 1)]])
        if name == "back":
            return name, self.node(depth - 1)
        if name == "nodes":
            return "plain", [self.node(depth - 1) for _ in range(pick.randrange(1, 4))]
        if name == "listed":
            return "items", [pick.choice([self.node(depth - 1), self.scalar()]) for _ in range(pick.randrange(4))]
        return name, self.value(name)

    def value(self, name: str) -> object:
        pick = self.random
        if name in ("items", "set"):
            return [self.scalar() for _ in range(pick.randrange(5))]
        if name == "text":
            return {tag: self.string() for tag in pick.sample(["en", "de", "fr-CA", "ar"], pick.randrange(1, 3))}
        if name == "when":
            return f"2026-11-{pick.randrange(10, 28)}T00:00:00Z"
        if name == "real":
            return pick.choice([1, 0, -7, 0.5, "1.5", "12", 100000])
        if name == "ref":
            return pick.choice(
                [f"_:n{pick.randrange(4)}", "urn:r:1", [f"_:n{pick.randrange(4)}", "https://x.example/a?b#c"]]
            )
        if name == "kind":
            return pick.choice(["Thing", "x:Kind", "https://x.example/K"])
        if name == "json":
            return {"b": [1, True, self.string()], "a": {"é": 1, "z": []}}
        if name == "name":
            return pick.choice(
                [
                    self.string(),
                    {"@value": self.string(), "@language": "en"},
                    {"@value": "x", "@language": "ar", "@direction": "rtl"},
                ]
            )
        return self.scalar() if pick.random() < 0.7 else [self.scalar() for _ in range(pick.randrange(1, 4))]

    def scalar(self) -> object:
        pick = self.random
        return pick.choice(
            [
                self.string(), self.string(), pick.randrange(-(10**6), 10**6), True, False, 2**53 - 1, 0.25, 1.5, -3.75, 1e21, 2.5e22, 5.0,
                {"@value": self.string(), "@type": "https://x.example/type"}, {"@value": 7, "@type": "http://www.w3.org/2001/XMLSchema#double"},
                {"@value": "x", "@language": "EN-gb"}, {"@value": "y", "@direction": "ltr"}, {"@value": "a\u0000b"}, {"@set": ["s1", "s2"]},
            ]
        )  # fmt: skip

    def string(self) -> str:
        return "".join(self.random.choice(CHARACTERS) for _ in range(self.random.randrange(12)))


CONTEXTS = Path(__file__).resolve().parents[2] / "schemas" / "contexts"
INTEGRITY = "https://w3id.org/security/data-integrity/v2"
STATUS = "https://www.w3.org/ns/credentials/status/v1"
MULTIKEY = "https://w3id.org/security/multikey/v1"
FILES = {
    V2: "credentials-v2",
    OURS: "datasigil-v1",
    INTEGRITY: "data-integrity-v2",
    STATUS: "bitstring-status-list-v1",
    MULTIKEY: "multikey-v1",
}
LISTS = [[V2], [V2, OURS], [V2, INTEGRITY], [V2, OURS, STATUS], [INTEGRITY], [MULTIKEY], [V2, MULTIKEY]]
IDS = ["urn:uuid:1", "https://x.example/a?b#c", "did:key:z6Mk"]
STRANGE_IDS = ["relative", "_:b0", "id:x", "urn:a b"]
TEXTS = ["plain", "é 契約 🙂", 'quote " and \\ and \n', "\x7f\u0085\u00a0", "2026-11-02T09:30:00Z", "1.5", ""]


class PinnedDocuments:
    """Documents whose terms are those of pinned contexts; `strange` of them step outside now and then."""

    def __init__(self, seed: int, *, strange: float = 0.0) -> None:
        self.random = random.Random(seed)
        self.strange = strange
        self.known = {
            url: json.loads((CONTEXTS / f"{name}.jsonld").read_text())["@context"] for url, name in FILES.items()
        }

    def document(self) -> dict:
        contexts = self.random.choice(LISTS)
        self.terms = {}
        for url in contexts:
            self.terms |= {name: raw for name, raw in self.known[url].items() if not name.startswith("@")}
        self.types = [name for name in self.terms if name[0].isupper()]
        return {"@context": contexts, "id": "urn:doc:1", **self.node(3)}

    def node(self, depth: int) -> dict:
        pick = self.random
        node: dict = {}
        if pick.random() < 0.3:
            node["id"] = pick.choice(STRANGE_IDS if pick.random() < self.strange else IDS)
        terms = dict(self.terms)
        if self.types and pick.random() < 0.6:
            node["type"] = pick.choice([pick.choice(self.types), pick.sample(self.types, min(2, len(self.types)))])
            for name in [node["type"]] if isinstance(node["type"], str) else node["type"]:
                scoped = self.terms[name].get("@context") if isinstance(self.terms[name], dict) else None
                terms |= scoped or {}
        names = [name for name in terms if not name.startswith("@") and name not in ("id", "type", "proof")]
        for name in pick.sample(names, min(len(names), pick.randrange(1, 4))):
            node[name] = self.value(terms[name], depth)
        return node

    def value(self, raw: object, depth: int) -> object:
        pick = self.random
        coercion = raw.get("@type", "") if isinstance(raw, dict) else ""
        if depth and pick.random() < 0.4:
            return self.node(depth - 1)
        if pick.random() < 0.3:
            return [self.value(raw, 0) for _ in range(pick.randrange(1, 4))]
        if coercion == "@vocab":
            return pick.choice([*self.types, "assertionMethod", "authentication"])
        if coercion == "@id" and pick.random() >= self.strange:
            return pick.choice([*IDS, {"id": "urn:r:1"}, {"id": "urn:r:2", "type": pick.choice(self.types or ["x"])}])
        return pick.choice([*TEXTS, True, False, 0, -5, 2**53 - 1, {"id": "urn:r:1"}])


def documents(count: int, seed: int) -> list[dict]:
    """Return `count` documents, one half from each generator."""
    inline, pinned = Generator(seed), PinnedDocuments(seed)
    return [(pinned if number % 2 else inline).document() for number in range(count)]
