"""A world whose registry has ended in favour of another one, for tests and for the frozen example.

Here: the two registries, the handover in both logs, and bundles of long after. Not here: what of it counts
(`datasigil/verification/test_handover.py`).
"""

from dataclasses import replace

from simulator import Log, World, signer_of

from datasigil.credentials.handover import REQUEST_TYPE, RegistryName, logged_handover, new_handover, parse_handover
from datasigil.transparency.entry import log_entry
from datasigil.trust.policy import parse_policy
from datasigil.verification import verify


class Succeeded(World):
    """A world whose registry has handed over to another one, which continues its log under its own keys."""

    def __init__(self):
        super().__init__()
        self.successor = signer_of("successor registry")
        self.new = Log("new.example/log", signer_of("new log"), signer_of("new time"))

    def published(self):
        document = self.issue()
        self.publish(document)
        return document

    def side(self, log, url, did):
        return RegistryName(did, url, log.origin, str(log.key), str(log.time_key))

    def statement(self, *, signer=None, **changes):
        size = self.log.tree.size
        given = {
            "before": self.side(self.log, self.url, self.registry.controller),
            "after": self.side(self.new, "https://new.example", self.successor.controller),
            "tree_size": size,
            "root": self.log.tree.root_at(size).hex(),
            "reason": "we end",
            "created": self.now,
        }
        document = new_handover(**{**given, **changes})
        return self.sign(document, signer or self.registry)

    def end(self, **changes):
        """Log the handover in both logs; the new one begins with every entry of the old one."""
        self.handover = self.statement(**changes)
        entry = self.entry(self.handover)
        self.index = self.log.append(entry)
        self.last = self.log.checkpoint(self.now)
        for one in self.log.entries:
            self.new.append(one)
        return self.handover

    def entry(self, document):
        digest = parse_handover(document).digest
        return log_entry("key", digest, document["issuer"], REQUEST_TYPE, digest)

    def frame(self, **changes):
        first = self.log.proof(self.index, self.last, self.index + 1)
        current = self.new.proof(self.index, self.new.checkpoint(self.now))
        return {**logged_handover(self.handover, first, current), **changes}

    def late(self, document, frame=None, **lists):
        """The bundle of long after: the old log's last checkpoint, lists of now by the successor, the handover."""
        index = self.log_index(document)
        bundle = self.bundle(document)
        evidence = replace(bundle.log, proof=self.log.proof(index, self.last, self.index + 1))
        self.tick(days=30)
        given = {"signer": self.successor, "replay": (self.new.origin, self.new.tree.size), **lists}
        signed = tuple(self.status_list(entry, **given) for entry in document["credentialStatus"])
        keys = (*bundle.issuer_keys, *((self.frame() if frame is None else frame(self)),))
        return replace(bundle, log=evidence, status_lists=signed, issuer_keys=keys)

    def trust_file(self, *, both=True, extra=""):
        new = f"""
[[logs]]
origin = "{self.new.origin}"
url = "https://new.example/log"
key = "{self.new.key}"
timeKey = "{self.new.time_key}"
"""
        return self.policy_toml() + (new if both else "") + extra

    def judge(self, bundle, **trusting):
        policy = parse_policy(self.trust_file(**trusting).encode())
        return verify(bundle, policy=policy, at=self.now, offline=True).report
