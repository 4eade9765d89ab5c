"""Y: steps 9 to 11, the neighbours: manifests in bundles, lineage, and what a policy asks of a dataset.

The threat model's sample has no letter for these; the same rules hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from adversarial.stage import FULL, REMOVED, Build, Case, Given, Stage, case
from simulator import FILES, manifest_of, mutate, proving_self, signer_of, without
from subjects import audit_subject, grant_subject, lineage_subject, reference

from datasigil.bundle import Bundle
from datasigil.signing import LocalSigner

MYSELF = signer_of("me")
ME = MYSELF.controller
WEB_ME = "did:web:me.example"
OTHER = manifest_of({"clauses/clean.jsonl": FILES["clauses/train.jsonl"]})
EVIDENCE = '[requirements.licenses]\nevidence = "text"\n'
TRAINING = '[requirements]\nuse = "ai-training"\n'


def asked(requirements: str, *, full: bool = False, above: str = "", **subject: Any) -> Build:
    """The baseline (or the full profile) with other subject members, under requirements."""

    def build(stage: Stage) -> Given:
        document = stage.full(**subject) if full else stage.unsigned(**subject)
        policy = stage.world.policy_toml(extra=requirements).replace(
            "formatVersion = 1", f"formatVersion = 1\n{above}", 1
        )
        return stage.given(stage.publish(stage.signed(document)), policy=policy)

    return build


def licensed(expression: str, requirements: str, **more: Any) -> Build:
    """A licence, under requirements."""
    return asked(requirements, license={"expression": expression, "assurance": "declared", **more})


def allow(*names: str, key: str = "allow", extra: str = "") -> str:
    """Requirements that list licences."""
    return f"{extra}[requirements.licenses]\n{key} = [{', '.join(repr(name) for name in names)}]\n".replace("'", '"')


def files(change: Callable[[dict[str, bytes]], dict[str, bytes]], *, partial: bool = False, **given: Any) -> Build:
    """The baseline with its files, some of which are others."""
    return lambda stage: stage.given(files=change(dict(FILES)), partial=partial, **given)


def manifest(change: Callable[[dict[str, Any]], Any]) -> Build:
    """The baseline whose embedded manifest was changed."""

    def build(stage: Stage) -> Given:
        bundle = stage.bundle
        return stage.given(replace(bundle, manifest=change(dict(bundle.manifest or {}))))

    return build


def derived(change: Callable[[Stage, Bundle], Bundle] | None = None, extra: str = "", **lineage: Any) -> Build:
    """A dataset made from one parent, whose evidence may be changed."""

    def build(stage: Stage) -> Given:
        parent = stage.document
        bundle, _ = stage.world.derive([parent], **lineage)
        bundle = change(stage, bundle) if change is not None else bundle
        return stage.given(bundle, policy=stage.world.policy_toml(extra=extra))

    return build


def parent_of(bundle: Bundle) -> Bundle:
    """The parent dataset's bundle, two levels down."""
    return bundle.parents[0].parents[0]


def with_parent(bundle: Bundle, parent: Bundle) -> Bundle:
    """The bundle with another parent dataset."""
    return replace(bundle, parents=(replace(bundle.parents[0], parents=(parent,)),))


def revoked_parent(stage: Stage) -> Given:
    """The parent was revoked after it was used."""
    parent = stage.document
    bundle, made = stage.world.derive([parent])
    stage.world.revoke(parent)
    document = bundle.credential
    return stage.given(
        stage.world.bundle(document, parents=(stage.world.bundle(made, parents=(stage.world.bundle(parent),)),))
    )


def expired_parent(stage: Stage) -> Given:
    """The parent's period was over when it was used."""
    document = {**stage.unsigned(), "validFrom": "2020-01-01T00:00:00Z", "validUntil": "2026-11-01T00:00:00Z"}
    parent = stage.signed(document)
    stage.world.publish(parent)
    bundle, _ = stage.world.derive([parent])
    return stage.given(bundle)


def stranger_parent(stage: Stage) -> Given:
    """The parent is by somebody whom the trust file does not name."""
    mallory = stage.world.new_publisher("mallory")
    parent = stage.world.issue(publisher=mallory)
    stage.world.publish(parent)
    bundle, _ = stage.world.derive([parent])
    return stage.given(bundle)


def later_parent(stage: Stage) -> Given:
    """The parent was logged after what was made from it."""
    parent = stage.world.issue()
    child = stage.world.issue(OTHER, subject={"derivedFrom": [reference(parent)]})
    stage.world.publish(child)
    stage.world.publish(parent)
    return stage.given(stage.world.bundle(child, parents=(stage.world.bundle(parent),)))


def other_reference(member: str, value: str) -> Build:
    """The child names its parent by another id or root."""

    def build(stage: Stage) -> Given:
        parent = stage.document
        child = stage.world.issue(OTHER, subject={"derivedFrom": [{**reference(parent), member: value}]})
        return stage.given(stage.world.publish(child, parents=(stage.bundle,)))

    return build


def model_parent(stage: Stage) -> Given:
    """The child names as parent a credential that is about no dataset."""
    audit = stage.world.issue_as("DatasetAuditCredential", audit_subject(stage.document))
    root = stage.document["credentialSubject"]["manifest"]["root"]
    from datasigil.canonical import document_digest

    named = {"credential": audit["id"], "credentialDigest": document_digest(audit), "root": root}
    parent = stage.world.publish(audit)
    child = stage.world.issue(OTHER, subject={"derivedFrom": [named]})
    return stage.given(stage.world.publish(child, parents=(parent,)))


def own_ancestor(stage: Stage) -> Given:
    """A dataset that is said to be made from one with its own root."""
    first = stage.world.issue()
    first_bundle = stage.world.publish(first)
    second = stage.world.issue(subject={"derivedFrom": [reference(first)]})
    return stage.given(stage.world.publish(second, parents=(first_bundle,)))


def audited_health(party: str = "", **audit: Any) -> Build:
    """De-identified health data with an audit, whose auditor may be named as a party to the dataset."""

    def build(stage: Stage) -> Given:
        world = stage.world
        auditor = world.new_publisher("auditor")
        looked = {"evaluated": True, "assurance": "computed", "tool": "scan 1.0", "date": "2026-10-30"}
        results = (("phi", "present"), ("pi", "absent"), ("spi", "absent"))
        described = {
            **FULL,
            "classification": [{"regulation": name, "result": result, **looked} for name, result in results],
            "deidentification": {**SAFE_HARBOUR, "reviewBy": "2027-11-02"},
        }
        named = {"name": "Example Clinic", "id": auditor.did}
        described |= {"publisher": {"publisher": named}, "creator": {"creator": [named]}}.get(party, {})
        document = world.issue(subject=described)
        world.publish(document)
        made = world.issue_as("DatasetAuditCredential", audit_subject(document, **audit), publisher=auditor)
        bundle = world.bundle(document, parents=(world.publish(made),))
        extra = '[requirements]\nsector = "health"\n'
        policy = world.policy_toml(publishers=(world.publisher, auditor), extra=extra)
        return stage.given(bundle, policy=policy)

    return build


def cycle_by_a_stranger(stage: Stage) -> Given:
    """The same claim by somebody whom the trust file does not name: anybody can say such a thing."""
    return cycle_through_lineage(stage, stage.world.new_publisher("mallory"))


def cycle_through_lineage(stage: Stage, by: Any = None) -> Given:
    """Two datasets, each made from the other by somebody's lineage."""
    world = stage.world
    one = world.issue(manifest_of({"a": b"1"}))
    two_manifest = manifest_of({"b": b"2"})
    two = world.issue(two_manifest, subject={"derivedFrom": [reference(one)]})
    back = world.issue_as("DatasetLineageCredential", lineage_subject([two], manifest_of({"a": b"1"})), publisher=by)
    bundles = [world.publish(document) for document in (one, two, back)]
    return stage.given(replace(bundles[1], parents=(bundles[0], bundles[2])))


def approved(kind: str = "approval", *, by: str = "auditor", expression: str = "publisher AND auditor", roles: str = '["auditor"]', target: Callable[[Stage], Any] | None = None, revoked: bool = False, requirements: str = "", status: bool = True, shift: dict[str, float] | None = None, **subject: Any) -> Build:  # fmt: skip
    """The baseline under a policy with approvals, and one attestation by somebody."""

    def build(stage: Stage) -> Given:
        world = stage.world
        document = stage.document
        auditor = world.new_publisher(by)
        about = target(stage) if target is not None else document
        made = audit_subject(about, kind, **subject)
        until = "2027-11-02T00:00:00Z"
        attestation = world.issue_as(
            "DatasetAuditCredential",
            {k: v for k, v in made.items() if v is not REMOVED},
            publisher=auditor,
            validUntil=until,
        )
        world.publish(attestation)
        if revoked:
            world.revoke(attestation)
        if shift:
            world.tick(**shift)
        evidence = world.bundle(attestation)
        evidence = evidence if status else without(evidence, "status_lists")
        table = (
            f'[[issuers]]\ndid = "{auditor.did}"\nname = "{by}"\ntypes = ["DatasetAuditCredential"]\nroles = {roles}\n'
        )
        policy = world.policy_toml(extra=table + requirements).replace(
            "formatVersion = 1", f'formatVersion = 1\napprovals = "{expression}"'
        )
        return stage.given(world.bundle(document, parents=(evidence,)), policy=policy)

    return build


def mine(text: str) -> str:
    """The trust file, signed as its own by the key of `me`."""
    return proving_self(text, MYSELF)


def said(text: str, did: str = ME) -> str:
    """The trust file, which says whose it is and proves nothing."""
    return text.replace("formatVersion = 1", f'formatVersion = 1\nself = "{did}"', 1)


def proof_by(other: LocalSigner) -> Callable[[str], str]:
    """A proof over this very trust file by somebody else, under the method of `me`."""
    return lambda text: proving_self(text, other.as_method(MYSELF.verification_method))


def changed_after(old: str, new: str) -> Callable[[str], str]:
    """The trust file was signed, then changed."""

    def change(text: str) -> str:
        assert old in mine(text)
        return mine(text).replace(old, new, 1)

    return change


def copied(text: str) -> str:
    """The proof of another trust file of the same owner."""
    other = mine(text.replace("formatVersion = 1", 'formatVersion = 1\nmirrors = ["https://mirror.example/"]', 1))
    return said(text) + "[selfProof]" + other.partition("[selfProof]")[2]


def web_me(pin: str = 'keys = [{ multibase = "%s" }]', *, signer: LocalSigner = MYSELF) -> Callable[[str], str]:
    """A did:web signs the trust file, which pins its key in this way; `%s` stands for that key."""

    def change(text: str) -> str:
        table = f'[[issuers]]\ndid = "{WEB_ME}"\nname = "Me"\ntypes = []\n{pin}\n' if pin else ""
        whole = f"{text}\n{table.replace('%s', MYSELF.public_key.multibase)}"
        return proving_self(whole, signer.as_method(f"{WEB_ME}#key-1"))

    return change


def proof_by_web(text: str) -> str:
    """A did:web whose pinned key is not the one that has signed: no command writes this."""
    return web_me()(text).replace(
        f'keys = [{{ multibase = "{MYSELF.public_key.multibase}"',
        f'keys = [{{ multibase = "{signer_of("x").public_key.multibase}"',
    )


def only_for(who: str, owner: Callable[[str], str] = mine) -> Build:
    """Terms that permit the use to one recipient alone."""
    one = {"leftOperand": "recipient", "operator": "eq", "rightOperand": who}

    def build(stage: Stage) -> Given:
        document = stage.signed(
            stage.unsigned(hasPolicy=offer(permission=[{"action": "ai-training", "constraint": [one]}]))
        )
        return stage.given(stage.publish(document), policy=owner(stage.world.policy_toml(extra=TRAINING)))

    return build


def granted(*, me: Callable[[str], str] = mine, to: str = ME, assigner: str = "", expression: str = "CC-BY-NC-4.0", extra: str = "", target: Callable[[Stage], Any] | None = None, revoked: bool = False, **subject: Any) -> Build:  # fmt: skip
    """A licence that forbids the use, with a grant to somebody."""

    if "assigner_" in subject:
        subject["assigner"] = subject.pop("assigner_")

    def build(stage: Stage) -> Given:
        world = stage.world
        document = stage.world.issue(subject={"license": {"expression": expression, "assurance": "declared"}})
        world.publish(document)
        signer = world.new_publisher(assigner) if assigner else world.publisher
        about = target(stage) if target is not None else document
        grant = world.issue_as(
            "DatasetLicenseGrantCredential", {**grant_subject(about, signer.did, to), **subject}, publisher=signer
        )
        world.publish(grant)
        if revoked:
            world.revoke(grant)
        policy = world.policy_toml(
            publishers=(world.publisher,) if not assigner else (world.publisher, signer),
            extra=TRAINING + "commercial = true\n" + extra,
        )
        return stage.given(world.bundle(document, parents=(world.bundle(grant),)), policy=me(policy))

    return build


def offer(**rules: Any) -> dict[str, Any]:
    """An ODRL offer."""
    return {"type": "Offer", "permission": [{"action": "ai-training"}], **rules}


def constraint(left: str, operator: str, right: Any) -> list[dict[str, Any]]:
    """One constraint."""
    return [{"leftOperand": left, "operator": operator, "rightOperand": right}]


def terms(offered: dict[str, Any], more: str = "") -> Build:
    """The publisher's terms, for training."""
    return asked(TRAINING + more, hasPolicy=offered)


PHI = '[requirements.regulations]\nphi = ["absent"]\n'


def classified(regulation: str, result: str, requirements: str, *, evaluated: bool = True, **subject: Any) -> Build:
    """One classification."""
    entry = {
        "regulation": regulation,
        "evaluated": evaluated,
        "result": result,
        **({"tool": "scan", "date": "2026-10-30"} if evaluated else {}),
    }
    return asked(requirements, classification=[entry], **subject)


def quality(value: str, rule: str, assurance: str = "declared") -> Build:
    """One measured quality under one rule."""
    measured = {"metric": "completeness", "value": value, "method": "counted", "assurance": assurance}
    return asked(f'[[requirements.quality]]\nmetric = "completeness"\n{rule}\n', qualityMeasurement=[measured])


COMMERCIAL = TRAINING + "commercial = true\n"
SAFE_HARBOUR = {
    "method": "expert-determination",
    "expert": {"name": "E"},
    "resultDigest": "a" * 64,
    "reviewBy": "2026-11-01",
}

CASES: list[Case] = [
    case("Y01", "files: one byte changed", "INVALID:FILE_DIGEST", files(lambda data: {**data, "LICENSE": b"creative" + data["LICENSE"][8:]})),
    case("Y01", "files: one byte more", "INVALID:FILE_DIGEST", files(lambda data: {**data, "LICENSE": data["LICENSE"] + b"\n"})),
    case("Y01", "files: one missing", "INVALID:FILE_MISSING", files(lambda data: {name: content for name, content in data.items() if name != "LICENSE"})),
    case("Y01", "files: one more", "INVALID:EXTRA_FILE", files(lambda data: {**data, "more.jsonl": b"{}"})),
    case("Y01", "files: one more, and a part is asked for", "INVALID:EXTRA_FILE", files(lambda data: {"LICENSE": data["LICENSE"], "more.jsonl": b"{}"}, partial=True)),
    case("Y01", "files: none of a part", "INVALID:FILE_MISSING", files(lambda _: {}, partial=True)),
    case("Y01", "files: in another folder", "INVALID:FILE_MISSING", files(lambda data: {"train.jsonl" if name == "clauses/train.jsonl" else name: content for name, content in data.items() if name != "x"})),
    case("Y01", "files: no manifest to compare with", "INVALID:MANIFEST_MISSING", lambda stage: stage.given(without(stage.bundle, "manifest"), files=FILES)),
    case("Y04", "manifest: of another dataset", "INVALID:MANIFEST_FILE_COUNT", lambda stage: stage.given(replace(stage.bundle, manifest=_other_manifest()))),
    case("Y04", "manifest: one digest changed", "INVALID:MANIFEST_ROOT", manifest(lambda found: mutate(found, "/entries/0/sha256", "0" * 64))),
    case("Y04", "manifest: one entry taken out", "INVALID:MANIFEST_FILE_COUNT", manifest(lambda found: mutate(found, "/entries/0", REMOVED))),
    case("Y04", "manifest: unsorted", "INVALID:MANIFEST_FORM", manifest(lambda found: {**found, "entries": found["entries"][::-1]})),
    case("Y04", "manifest: one path twice", "INVALID:DUP_PATH", manifest(lambda found: {**found, "entries": [found["entries"][0], *found["entries"]]})),
    case("Y04", "manifest: path that climbs", "INVALID:PATH", manifest(lambda found: mutate(found, "/entries/0/path", "../LICENSE"))),
    case("Y04", "manifest: of version 9", "INVALID:MANIFEST_VERSION", manifest(lambda found: {**found, "formatVersion": 9})),
    case("Y04", "manifest: unknown member", "INVALID:UNKNOWN_PROPERTY", manifest(lambda found: {**found, "confirmed": True})),
    case("Y07", "parent absent", "INDET:PARENT_MISSING", derived(lambda _, bundle: replace(bundle, parents=()))),
    case("Y07", "parent's dataset absent", "INDET:PARENT_MISSING", derived(lambda _, bundle: replace(bundle, parents=(replace(bundle.parents[0], parents=()),)))),
    case("Y07", "parent revoked since", "INVALID:REVOKED", revoked_parent),
    case("Y07", "parent's period over when it was used", "INVALID:EXPIRED", expired_parent),
    case("Y07", "parent by a stranger", "INVALID:UNTRUSTED_ISSUER", stranger_parent),
    case("Y07", "parent logged later", "INVALID:PARENT_LATER", later_parent),
    case("Y07", "parent named by another id", "INVALID:PARENT_MISMATCH", other_reference("credential", "urn:x:other")),
    case("Y07", "parent named by another root", "INVALID:PARENT_MISMATCH", other_reference("root", "0" * 64)),
    case("Y07", "parent named by another digest", "INDET:PARENT_MISSING", other_reference("credentialDigest", "0" * 64)),
    case("Y07", "parent that is no dataset", "INVALID:PARENT_MISMATCH", model_parent),
    case("Y07", "parent without log proof", "INVALID:LOG_PROOF_MISSING", derived(lambda _, bundle: with_parent(bundle, without(parent_of(bundle), "log")))),
    case("Y07", "parent without status lists", "INDET:STATUS_MISSING", derived(lambda _, bundle: with_parent(bundle, without(parent_of(bundle), "status_lists")))),
    case("Y07", "parent with a changed name", "INDET:PARENT_MISSING", derived(lambda _, bundle: with_parent(bundle, replace(parent_of(bundle), credential=mutate(parent_of(bundle).credential, "/credentialSubject/name", "x"))))),
    case("Y07", "parent whose licence the policy refuses", "INVALID:LICENSE_DENIED", derived(extra=allow("CC-BY-4.0", key="deny"))),
    case("Y10", "dataset that is its own parent", "INVALID:LINEAGE_CYCLE", own_ancestor),
    case("Y10", "two datasets made from each other", "INVALID:LINEAGE_CYCLE", cycle_through_lineage),
    case("Y10", "lineage asked for and absent", "INVALID:LINEAGE_MISSING", derived(lambda _, bundle: replace(bundle, parents=(parent_of(bundle),)), extra='[requirements]\nlineage = "declared"\n')),
    case("Y10", "lineage declared, computed asked for", "INVALID:LINEAGE_MISSING", derived(extra='[requirements]\nlineage = "computed"\n')),
    case("Y10", "lineage asked for, its status unknown", "INDET:LINEAGE_UNDETERMINED", derived(lambda _, bundle: replace(bundle, parents=(without(bundle.parents[0], "status_lists"),)), extra='[requirements]\nlineage = "declared"\n')),
    case("Y10", "lineage about other parents", "INVALID:LINEAGE_MISSING", derived(extra='[requirements]\nlineage = "declared"\n', used=[{"credential": "urn:x:1", "credentialDigest": "1" * 64, "root": "2" * 64, "recordsUsed": 100}])),
    case("Y10", "lineage that makes another dataset", "INVALID:LINEAGE_MISSING", derived(extra='[requirements]\nlineage = "declared"\n', generated={"root": "2" * 64, "digest": "1" * 64, "fileCount": 1, "byteSize": 1, "recordCount": 90})),
    case("Y13", "licence unknown", "INVALID:LICENSE_UNKNOWN", licensed("unknown", "")),
    case("Y13", "licence denied by name", "INVALID:LICENSE_DENIED", licensed("CC-BY-4.0", allow("CC-BY-4.0", key="deny"))),
    case("Y13", "licence denied, with an exception", "INVALID:LICENSE_DENIED", licensed("GPL-3.0-only WITH Classpath-exception-2.0", allow("GPL-3.0-only", key="deny"))),
    case("Y13", "licence not allowed", "INVALID:LICENSE_NOT_ALLOWED", licensed("MIT", allow("CC-BY-4.0"))),
    case("Y13", "licence AND one that is not allowed", "INVALID:LICENSE_NOT_ALLOWED", licensed("CC-BY-4.0 AND MIT", allow("CC-BY-4.0"))),
    case("Y13", "licence OR, none of which is allowed", "INVALID:LICENSE_NOT_ALLOWED", licensed("MIT OR Apache-2.0", allow("CC-BY-4.0"))),
    case("Y13", "licence that nobody lists", "INVALID:LICENSE_EXPRESSION", licensed("Proprietary", "")),
    case("Y13", "licence that does not parse", "INVALID:LICENSE_EXPRESSION", licensed("MIT AND", "")),
    case("Y13", "licence in other case", "INVALID:LICENSE_EXPRESSION", licensed("mit", "")),
    case("Y13", "licence of one's own without its text's digest", "INVALID:LICENSE_TEXT", licensed("LicenseRef-terms", "")),
    case("Y13", "licence of one's own with another text", "INVALID:LICENSE_TEXT", licensed("LicenseRef-terms", allow("LicenseRef-terms@sha256:" + "a" * 64), textDigest="b" * 64)),
    case("Y13", "licence only asserted, evidence asked for", "INVALID:LICENSE_EVIDENCE", licensed("CC-BY-4.0", EVIDENCE)),
    case("Y13", "licence whose text is not the file it names", "INVALID:LICENSE_EVIDENCE", licensed("CC-BY-4.0", EVIDENCE, textDigest="b" * 64, textPath="LICENSE")),
    case("Y07", "parent whose licence is only asserted", "INVALID:LICENSE_EVIDENCE", derived(extra=EVIDENCE)),
    case("Y16", "licence that forbids commercial use", "INVALID:LICENSE_USE", licensed("CC-BY-NC-4.0", COMMERCIAL)),
    case("Y16", "licence that forbids commercial use, allowed by name", "INVALID:LICENSE_USE", licensed("CC-BY-NC-4.0", COMMERCIAL + allow("CC-BY-NC-4.0"))),
    case("Y16", "licence about derivatives, for training", "INVALID:LICENSE_USE_UNKNOWN", licensed("CC-BY-ND-4.0", TRAINING)),
    case("Y16", "licence that this release does not know", "INVALID:LICENSE_USE_UNKNOWN", licensed("Sleepycat", TRAINING)),
    case("Y16", "use prohibited by purpose", "INVALID:USE_PROHIBITED", asked(TRAINING, prohibitedPurpose=["pre-training"])),
    case("Y16", "use class not commercial", "INVALID:USE_PROHIBITED", asked(COMMERCIAL, useClass={"use": "nc", "attribution": True, "shareAlike": False})),
    case("Y16", "use class academic", "INVALID:USE_PROHIBITED", asked(COMMERCIAL, useClass={"use": "academic", "attribution": True, "shareAlike": False})),
    case("Y16", "mining reserved, basis unknown", "INVALID:TDM_RESERVED", asked(TRAINING, tdmReservation={"value": "reserved"}, rightsBasis="unknown")),
    case("Y16", "mining reserved, basis the exception", "INVALID:TDM_RESERVED", asked(TRAINING, tdmReservation={"value": "reserved"}, rightsBasis="statutoryException")),
    case("Y16", "mining reserved, no basis stated", "INVALID:TDM_RESERVED", asked(TRAINING, tdmReservation={"value": "reserved"})),
    case("Y19", "terms that permit something else", "INVALID:USE_NOT_PERMITTED", terms(offer(permission=[{"action": "distribute"}]))),
    case("Y19", "terms that permit use in general", "INVALID:USE_NOT_PERMITTED", terms(offer(permission=[{"action": "use"}]))),
    case("Y19", "terms that permit and prohibit it", "INVALID:USE_NOT_PERMITTED", terms(offer(prohibition=[{"action": "ai-training"}]))),
    case("Y19", "terms that prohibit use in general", "INVALID:USE_NOT_PERMITTED", terms(offer(prohibition=[{"action": "use"}]))),
    case("Y19", "terms that prohibit something unknown", "INVALID:USE_NOT_PERMITTED", terms(offer(prohibition=[{"action": "acme:learn"}]))),
    case("Y19", "terms with an unknown operand", "INVALID:USE_NOT_PERMITTED", terms(offer(permission=[{"action": "ai-training", "constraint": constraint("acme:mood", "eq", "good")}]))),
    case("Y19", "terms for another purpose", "INVALID:USE_NOT_PERMITTED", terms(offer(permission=[{"action": "ai-training", "constraint": constraint("purpose", "eq", "research")}]))),
    case("Y19", "terms for another place", "INVALID:USE_NOT_PERMITTED", terms(offer(permission=[{"action": "ai-training", "constraint": constraint("spatial", "eq", "DE")}]), 'geography = "US"\n')),
    case("Y19", "terms for a place, and none is stated", "INVALID:USE_NOT_PERMITTED", terms(offer(permission=[{"action": "ai-training", "constraint": constraint("spatial", "eq", "DE")}]))),
    case("Y19", "terms that ended", "INVALID:USE_NOT_PERMITTED", terms(offer(permission=[{"action": "ai-training", "constraint": constraint("dateTime", "lt", "2026-11-01")}]))),
    case("Y19", "terms with a limit that is no date", "INVALID:USE_NOT_PERMITTED", terms(offer(permission=[{"action": "ai-training", "constraint": constraint("dateTime", "lt", "soon")}]))),
    case("Y19", "terms whose prohibition has an unknown operand", "INVALID:USE_NOT_PERMITTED", terms(offer(prohibition=[{"action": "ai-training", "constraint": constraint("acme:mood", "eq", "bad")}]))),
    case("Y22", "grant to somebody else", "INVALID:LICENSE_USE", granted(assignee="did:web:other.example")),
    case("Y22", "grant, and the trust file does not say who you are", "INVALID:LICENSE_USE", granted(me=str)),
    *(
        case("Y23", f"trust file: {words}", "INDET:SELF_UNPROVEN", granted(me=me, to=WEB_ME if "did:web" in words else ME))
        for words, me in (
            ("self without a proof", said),
            ("selfProof by another key", proof_by(signer_of("mallory"))),
            ("selfProof by another DID", lambda text: said(text) + "[selfProof]" + proving_self(text, signer_of("mallory")).partition("[selfProof]")[2]),
            ("selfProof of another trust file", copied),
            ("an issuer trusted after it was signed", lambda text: mine(text) + f'\n[[issuers]]\ndid = "{WEB_ME}"\nname = "X"\ntypes = []\n'),
            ("a requirement changed after it was signed", changed_after("commercial = true", 'commercial = true\ngeography = "DE"')),
            ("selfProof of another time", changed_after('created = "2026', 'created = "2025')),
            ("selfProof/verificationMethod of another fragment", changed_after(f"#{ME.removeprefix('did:key:')}", "#key-1")),
            ("self did:web without a pin", web_me("")),
            ("self did:web that pins another key", lambda text: proof_by_web(text)),
            ("self did:web, its key compromised", web_me('keys = [{ multibase = "%s", compromised = { origin = "x.example/log", index = 9 } }]')),
            ("self did:web, its key retired", web_me('keys = [{ multibase = "%s", until = "2026-11-01T00:00:00Z" }]')),
            ("self did:web, its key not in force yet", web_me('keys = [{ multibase = "%s", from = "2027-01-01T00:00:00Z" }]')),
            ("self did:web, its key under another name", web_me('keys = [{ multibase = "%s", id = "did:web:me.example#key-2" }]')),
        )
    ),
    case("Y23", "terms for you alone, and nothing proves who you are", "INDET:SELF_UNPROVEN", only_for(ME, said)),
    case("Y23", "evidence = text, and nothing proves who you are", "INDET:SELF_UNPROVEN", granted(me=said, expression="CC-BY-4.0", extra=EVIDENCE)),
    case("Y23", "grant to somebody else, and nothing proves who you are", "INVALID:LICENSE_USE", granted(me=said, assignee="did:web:other.example")),
    case("Y23", "terms for somebody else alone", "INVALID:USE_NOT_PERMITTED", only_for("did:web:other.example")),
    case("Y23", "trust file: selfProof without self", "exit 2:POLICY_FILE", granted(me=lambda text: mine(text).replace(f'self = "{ME}"\n', ""))),
    case("Y23", "trust file: selfProof with an unknown key", "exit 2:POLICY_FILE", granted(me=lambda text: mine(text) + 'purpose = "x"\n')),
    case("Y23", "trust file: selfProof empty", "exit 2:POLICY_FILE", granted(me=lambda text: said(text) + "\n[selfProof]\n")),
    case("Y22", "grant by somebody who has no right", "INVALID:LICENSE_USE", granted(assigner="mallory")),
    case("Y22", "grant in the publisher's name by somebody else", "INVALID:LICENSE_USE", lambda stage: granted(assigner="mallory", assigner_=stage.world.publisher.did)(stage)),
    case("Y22", "grant of something else", "INVALID:LICENSE_USE", granted(permission=[{"action": "distribute"}])),
    case("Y22", "grant about another dataset", "INVALID:LICENSE_USE", granted(target=lambda stage: stage.document)),
    case("Y22", "grant revoked", "INVALID:LICENSE_USE", granted(revoked=True)),
    case("Y25", "regulated data: nobody looked", "INVALID:REGULATION_UNKNOWN", asked(PHI)),
    case("Y25", "regulated data: looked at, unknown", "INVALID:REGULATION_UNKNOWN", classified("phi", "unknown", PHI)),
    case("Y25", "regulated data: said to be absent, not looked at", "INVALID:REGULATION_UNKNOWN", classified("phi", "absent", PHI, evaluated=False)),
    case("Y25", "regulated data: present", "INVALID:REGULATION_PRESENT", classified("phi", "present", PHI)),
    case("Y25", "regulated data: present, not de-identified", "INVALID:REGULATION_PRESENT", classified("phi", "present", '[requirements.regulations]\nphi = ["absent", "deidentified"]\n')),
    case("Y25", "regulated data: de-identified, review past", "INVALID:DEIDENTIFICATION_EXPIRED", classified("phi", "present", '[requirements.regulations]\nphi = ["deidentified"]\n', deidentification=SAFE_HARBOUR)),
    case("Y25", "personal data: not said", "INVALID:PERSONAL_DATA", asked('[requirements]\npersonalData = ["absent"]\n')),
    case("Y25", "personal data: unknown", "INVALID:PERSONAL_DATA", asked('[requirements]\npersonalData = ["absent"]\n', personalData={"status": "unknown"})),
    case("Y28", "age: a day too old", "INVALID:TOO_OLD", asked("[requirements]\nmaxAgeDays = 30\n", issued="2026-10-02")),
    case("Y28", "age: unknown", "INVALID:AGE_UNKNOWN", asked("[requirements]\nmaxAgeDays = 30\n", issued="unknown")),
    case("Y28", "age: proven a second too late", "INVALID:NOT_PROVEN_BEFORE", asked("[requirements]\nprovenBefore = 2026-11-02T09:29:59Z\n")),
    case("Y31", "quality: below the minimum", "INVALID:QUALITY", quality("0.949999999999999999", 'minimum = "0.95"')),
    case("Y31", "quality: above the maximum", "INVALID:QUALITY", quality("0.2", 'maximum = "0.1"')),
    case("Y31", "quality: measured as unknown", "INVALID:QUALITY_UNKNOWN", quality("unknown", 'minimum = "0.95"')),
    case("Y31", "quality: declared, computed asked for", "INVALID:QUALITY_UNKNOWN", quality("0.99", 'minimum = "0.95"\nassurance = ["computed"]')),
    case("Y31", "quality: not measured", "INVALID:QUALITY_UNKNOWN", asked('[[requirements.quality]]\nmetric = "accuracy"\nminimum = "0.5"\n')),
    case("Y31", "quality: measured twice, once below", "INVALID:QUALITY", asked('[[requirements.quality]]\nmetric = "completeness"\nminimum = "0.9"\n', qualityMeasurement=[{"metric": "completeness", "value": value, "method": "counted", "assurance": "declared"} for value in ("0.99", "0.1")])),
    case("Y34", "geography: denied", "INVALID:GEOGRAPHY", asked('[requirements]\ngeography = "CN"\n', processingGeography={"denied": ["CN"]})),
    case("Y34", "geography: a region denied", "INVALID:GEOGRAPHY", asked('[requirements]\ngeography = "US"\n', storageGeography={"denied": ["US-CA"]})),
    case("Y34", "geography: not allowed", "INVALID:GEOGRAPHY", asked('[requirements]\ngeography = "US"\n', processingGeography={"allowed": ["DE"]})),
    case("Y37", "role not accepted", "INVALID:ROLE_NOT_ACCEPTED", asked('[requirements]\nroles = ["observer"]\n')),
    case("Y37", "profile minimal, full asked for", "INVALID:PROFILE", asked('[requirements]\nprofile = "full"\n')),
    *(case("Y37", f"sector {sector}, minimal profile", "INVALID:SECTOR_REQUIREMENT", asked(f'[requirements]\nsector = "{sector}"\n')) for sector in ("law", "finance", "health")),
    case("Y37", "sector health, audited by the publisher who is named", "INVALID:SECTOR_REQUIREMENT", audited_health("publisher")),
    case("Y37", "sector health, audited by a creator who is named", "INVALID:SECTOR_REQUIREMENT", audited_health("creator")),
    case("Y37", "sector health, audited by oneself", "INVALID:SECTOR_REQUIREMENT", audited_health(assessorLevel="self")),
    case("Y40", "approval absent", "INVALID:APPROVAL_MISSING", asked("", above='approvals = "publisher AND auditor"')),
    case("Y40", "approval that is a review", "INVALID:APPROVAL_MISSING", approved("review")),
    case("Y40", "approval that rejects", "INVALID:APPROVAL_MISSING", approved(verdict="rejected")),
    case("Y40", "approval for another use", "INVALID:APPROVAL_MISSING", approved(approvedUse=["research"], requirements='[requirements]\nuse = "fine-tuning"\n')),
    *(
        case("Y40", f"approval of {' and '.join(narrow)} for {use}", "INVALID:APPROVAL_MISSING", approved(approvedUse=narrow, requirements=f'[requirements]\nuse = "{use}"\n'))
        for narrow, use in (
            (["fine-tuning"], "ai-training"), (["pre-training"], "ai-training"), (["fine-tuning", "pre-training"], "gen-ai"), (["pre-training"], "fine-tuning"),
            (["fine-tuning"], "pre-training"), (["other"], "fine-tuning"), (["unknown"], "ai-training"), (["pre-training"], "ai-augment"),
        )
    ),
    case("Y40", "approval by somebody in another role", "INVALID:APPROVAL_MISSING", approved(roles='["regulator"]')),
    case("Y40", "approval by somebody without a role", "INVALID:APPROVAL_MISSING", approved(roles='["reader"]')),
    case("Y40", "approval of another dataset", "INVALID:APPROVAL_MISSING", approved(target=lambda stage: stage.world.issue())),
    case("Y40", "approval revoked", "INVALID:APPROVAL_MISSING", approved(revoked=True)),
    case("Y40", "approval whose status is unknown", "INDET:APPROVAL_UNDETERMINED", approved(status=False)),
    case("Y40", "auditor who calls itself publisher", "INVALID:APPROVAL_MISSING", approved(roles='["publisher"]')),
    case("Y40", "approval for one of two roles", "INVALID:APPROVAL_MISSING", approved(expression="publisher AND auditor AND regulator")),
]  # fmt: skip


def _other_manifest() -> Any:
    from datasigil.datasets.manifest import manifest_bytes
    from datasigil.encoding import parse_json

    return parse_json(manifest_bytes(manifest_of({"a": b"1"})))


__all__ = [
    "CASES",
    "approved",
    "asked",
    "classified",
    "derived",
    "granted",
    "licensed",
    "offer",
    "only_for",
    "quality",
    "terms",
]
