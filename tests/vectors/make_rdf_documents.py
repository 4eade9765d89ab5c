"""Generated JSON-LD documents for the differential test of RDF canonicalisation, one per line on standard output.

Lives here: a seeded generator, `python tests/vectors/make_rdf_documents.py COUNT [SEED]`, whose output `make_credentials.mjs` canonicalises.
Not here: anything that checks. It covers nested and shared nodes, blank node cycles, lists, graphs, sets, language and direction,
native numbers, typed values, JSON literals, reverse properties, scoped contexts and characters that N-Quads escapes.
"""

import json
import random
import sys

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


def main() -> None:
    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    generator = Generator(seed)
    for _ in range(count):
        sys.stdout.write(json.dumps(generator.document(), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
