"""Every reason code of the core: what it means, which decision it leads to, and what helps.

Lives here: the one table behind `next_action` and docs/formats.md. Not here: raising them. Codes are stable: one may be added, none is
renamed or given another meaning.

One table of more than 400 lines: a reader who has a code in hand looks in one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from datasigil.record import dataclass
from datasigil.report.model import NextAction

YOU: Final = "you"
PUBLISHER: Final = "publisher"
REGISTRY: Final = "registry"
RETRY: Final = True


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason code; `decision` is INVALID, INDETERMINATE, `warning`, or `exit 2` for what is no verdict."""

    decision: str
    meaning: str
    actor: str
    command: str
    retry: bool = False


_X: Final = "INVALID"
_Q: Final = "INDETERMINATE"
_W: Final = "warning"
_E: Final = "exit 2"

_GET_AGAIN: Final = "get the file again from its publisher (`datasigil-verify fetch`)"
_ISSUE_AGAIN: Final = "issue the credential again (`datasigil issue`)"
_PUBLISH: Final = "publish again and pass on the bundle that results (`datasigil publish`)"
_REFRESH: Final = "run `datasigil-verify refresh BUNDLE`"
_TRUST: Final = "compare its fingerprint over another channel, then `datasigil-verify trust add BUNDLE`"
_POLICY: Final = "use other data, or change the requirements in your trust file"
_ASK: Final = "ask the publisher to state it in a new credential"
_DATA: Final = "get the data again from its publisher"
_REPORT: Final = "keep the evidence and report it to the log's operator and to other users"

_FORM: Final[Mapping[str, tuple[str, str]]] = {
    "LIMIT": (_X, "larger, longer or more than the named bound allows"),
    "ENCODING": (_X, "not UTF-8, not base64, base64url or base58 in its one spelling, or a lone surrogate"),
    "DEPTH": (_X, "JSON nested deeper than 32 levels"),
    "DUP_KEY": (_X, "a JSON object names one member twice"),
    "NUMBER": (_X, "a number that is no integer within 2^53-1"),
    "NULL": (_X, "null, which is not allowed anywhere"),
    "PARSE": (_X, "not JSON"),
    "DIGEST": (_X, "not a digest in its one spelling"),
    "TIMESTAMP": (_X, "not an RFC 3339 time in UTC"),
    "DATE": (_X, "not a calendar date"),
    "CONTEXT": (_X, "the @context is not exactly the one that the profile demands"),
    "KEYWORD": (_X, "a JSON-LD keyword where the profile allows none"),
    "UNKNOWN_PROPERTY": (_X, "a member that the closed schema does not have, so that no context defines it"),
    "DATA_LOSS": (_X, "a term that RDF canonicalisation would drop, so that a signature would not cover it"),
    "SCHEMA": (_X, "a member is missing, has the wrong type or form, or an array is not sorted"),
    "TYPE": (_X, "not a verifiable credential of exactly one of the five types"),
    "EXPECTED_TYPE": (_X, "a credential of another type than the one asked for"),
    "STATUS_INDEX": (_X, "a status index that is not a decimal number as text"),
    "JSON_LD": (_X, "JSON-LD that cannot be expanded safely"),
    "URI": (_X, "not an absolute URI where one is needed"),
    "RELATED_RESOURCE": (_X, "a related resource without a digest, or with a wrong one"),
    "PERIOD": (_X, "a validity period that ends before it starts"),
    "CREDENTIAL": (_X, "not a credential by the rules of VC Data Model 1.1 or 2.0"),
}

_PROOF: Final[Mapping[str, tuple[str, str]]] = {
    "PROOF": (_X, "a proof is malformed"),
    "PROOF_MISSING": (_X, "the document carries no proof"),
    "PROOF_EXPIRED": (_X, "the proof's own `expires` has passed"),
    "SIGNATURE": (_X, "the signature does not fit the document: something was changed after signing"),
    "UNSUPPORTED": (_X, "a kind of proof or cryptosuite that is not supported"),
    "PURPOSE": (_X, "the proof was made for another purpose"),
    "ISSUER_MISMATCH": (_X, "a proof is by somebody else than the issuer"),
    "DOMAIN": (_X, "the proof was made for another verifier"),
    "CHALLENGE": (_X, "the proof does not answer this challenge"),
    "KEY_TYPE": (_X, "a kind of key that cannot be used here"),
    "KEY": (_X, "not a usable public key: off its curve, of small order, or not canonical"),
    "KEY_UNKNOWN": (_X, "the DID has no such key"),
    "RELATIONSHIP": (_X, "the key is not listed for this purpose"),
    "CONTROLLER": (_X, "the key is controlled by another DID"),
    "PREVIOUS_PROOF": (_X, "a proof builds on one that is not there"),
    "JWK": (_X, "a malformed JSON Web Key, or one that publishes a private key"),
    "DID": (_X, "not a DID, or a did:web that cannot be resolved safely"),
    "DID_DOCUMENT": (_X, "a malformed DID document"),
}

_REASONS: Final[Mapping[str, Reason]] = {
    **{code: Reason(decision, meaning, PUBLISHER, _GET_AGAIN) for code, (decision, meaning) in _FORM.items()},
    "VERSION": Reason(_X, "a format version that this release does not know", YOU, "update datasigil"),
    **{code: Reason(decision, meaning, PUBLISHER, _ISSUE_AGAIN) for code, (decision, meaning) in _PROOF.items()},
    "NOT_DATASET_PROFILE": Reason(
        _Q, "a credential that says nothing about datasets", YOU, "ask for a DatasetCredential"
    ),
    "NOT_CHECKED": Reason(
        _Q, "a step that could not run because an earlier one failed", YOU, "deal with the earlier step first"
    ),
    # 4 issuer
    "UNTRUSTED_ISSUER": Reason(_X, "your trust file does not name the signer", YOU, _TRUST),
    "ISSUER_TYPE": Reason(
        _X,
        "your trust file does not count the signer for this type of credential",
        YOU,
        "add the type to the issuer in your trust file, if you mean to",
    ),
    "ISSUER_ROLE": Reason(
        _X,
        "your trust file does not count the signer in this role",
        YOU,
        "add the role to the issuer in your trust file, if you mean to",
    ),
    # 5, 7 keys
    "KEY_HISTORY": Reason(
        _Q,
        "nothing connects the signing key with a key that you pinned",
        YOU,
        "pin the key in your trust file after comparing its fingerprint",
    ),
    "KEY_REVOKED": Reason(
        _X, "the key had been revoked when the log first held the credential", PUBLISHER, _ISSUE_AGAIN
    ),
    "KEY_EXPIRED": Reason(_X, "the key had expired when the log first held the credential", PUBLISHER, _ISSUE_AGAIN),
    "KEY_WINDOW": Reason(
        _X, "the log held the credential outside the time for which the key is pinned", PUBLISHER, _ISSUE_AGAIN
    ),
    "KEY_COMPROMISED": Reason(
        _X,
        "the key is marked compromised, and this does not stand below that point of the log",
        PUBLISHER,
        "issue it again with a new key",
    ),
    "KEY_COMPROMISED_LATER": Reason(
        _W, "the key is compromised from a later entry on; this one stands", YOU, "nothing: the entry is older"
    ),
    # 6 period
    "NOT_YET": Reason(_X, "the period of the credential has not begun", YOU, "wait, or ask the publisher", RETRY),
    "EXPIRED": Reason(_X, "the period of the credential has ended", PUBLISHER, _ISSUE_AGAIN),
    # 7 log
    "LOG_PROOF_MISSING": Reason(_X, "the bundle does not show that the credential was logged", PUBLISHER, _PUBLISH),
    "LOG_PROOF": Reason(_X, "the log proof is malformed", PUBLISHER, _PUBLISH),
    "LOG_KEY_ENDED": Reason(
        _X,
        "the checkpoint, or its time, is signed only by a key that the log no longer had at that size",
        YOU,
        _REFRESH,
        RETRY,
    ),
    "LOG_ORIGIN": Reason(
        _X, "the log proof is from another log than the one that the credential names", PUBLISHER, _PUBLISH
    ),
    "UNKNOWN_LOG": Reason(_Q, "your trust file does not name the log of the credential", YOU, _TRUST),
    "INCLUSION": Reason(_X, "the log proof does not lead from this credential to the log's root", PUBLISHER, _PUBLISH),
    "CONSISTENCY": Reason(_X, "the log's newer tree does not contain its older one", REGISTRY, _REPORT),
    "CHECKPOINT": Reason(
        _X,
        "the checkpoint is malformed, not signed by the log, or not timestamped by its time key",
        PUBLISHER,
        _PUBLISH,
    ),
    "EMPTY_TREE": Reason(_X, "an empty tree, which proves nothing", PUBLISHER, _PUBLISH),
    "QUORUM": Reason(_X, "fewer independent witnesses cosigned than your policy asks for", REGISTRY, _REFRESH, RETRY),
    "VKEY": Reason(_X, "a malformed verifier key", PUBLISHER, _PUBLISH),
    "ENTRY": Reason(_X, "a malformed log entry", PUBLISHER, _PUBLISH),
    "LOG_STALE": Reason(_Q, "the newest checkpoint known is older than your policy allows", YOU, _REFRESH, RETRY),
    "LOG_ROLLBACK": Reason(
        _Q, "the log shows fewer entries than it had", REGISTRY, "fetch from the log itself instead of a mirror", RETRY
    ),
    "LOG_RETRIEVAL": Reason(
        _Q, "the log could not be reached", YOU, "check your connection and try again, or use --offline", RETRY
    ),
    "SPLIT_VIEW": Reason(_X, "the log signed two trees of one size; both notes are saved", REGISTRY, _REPORT),
    "EVIDENCE_LATER": Reason(
        _Q, "the evidence is from after the time asked about", YOU, "check with the bundle as it was then"
    ),
    "CLOCK_BEHIND": Reason(
        _Q,
        "this machine's clock is behind a time that a trusted key signed",
        YOU,
        "set the clock and check again",
        RETRY,
    ),
    "CLIENT_STATE": Reason(
        _Q,
        "what this client remembers is damaged or cannot be used",
        YOU,
        "repair the state folder that the report names",
    ),
    # 8 status
    "REVOKED": Reason(
        _X,
        "the issuer has revoked the credential",
        PUBLISHER,
        "stop using it; ask the publisher why, and for a newer version",
    ),
    "SUSPENDED": Reason(
        _X, "the issuer has suspended the credential", PUBLISHER, "ask the publisher, and check again later", RETRY
    ),
    "REVOKED_SINCE": Reason(_W, "revoked after the time that was asked about", YOU, "do not use it now"),
    "SUSPENDED_SINCE": Reason(_W, "suspended after the time that was asked about", YOU, "do not use it now"),
    "STATUS_MISSING": Reason(_Q, "the bundle lacks a status list", YOU, _REFRESH, RETRY),
    "STATUS_STALE": Reason(_Q, "the newest status list known is older than your policy allows", YOU, _REFRESH, RETRY),
    "STATUS_LATER": Reason(
        _Q, "the status list is from after the time asked about", YOU, "check with the bundle as it was then"
    ),
    "STATUS_RETRIEVAL": Reason(_Q, "a status list could not be had", YOU, "check your connection and try again", RETRY),
    "STATUS_ROLLBACK": Reason(
        _Q, "the status list is older than one already seen", REGISTRY, "fetch the list from its own address", RETRY
    ),
    "STATUS_HANDOVER": Reason(
        _Q, "a registry took over the status list, and the bundle does not show how", YOU, _REFRESH, RETRY
    ),
    "STATUS_ID": Reason(_X, "a status list that the credential does not name", PUBLISHER, _REFRESH, RETRY),
    "STATUS_PURPOSE": Reason(_X, "the status list is for another purpose", PUBLISHER, _REFRESH, RETRY),
    "STATUS_ISSUER": Reason(
        _X, "the status list is not by the signer that the credential consents to", REGISTRY, _REFRESH, RETRY
    ),
    "STATUS_REPLAY": Reason(
        _X, "the status list does not say that it replays the credential's log", REGISTRY, _REFRESH, RETRY
    ),
    "STATUS_EQUIVOCATION": Reason(_X, "two status lists replay one log differently", REGISTRY, _REPORT),
    "STATUS_RANGE": Reason(_X, "the status index lies outside the list", PUBLISHER, _ISSUE_AGAIN),
    "STATUS_SIZE": Reason(_X, "a status list below 16 KiB or above 8 MiB", REGISTRY, _REFRESH, RETRY),
    "STATUS_ENCODING": Reason(_X, "a status list that is not one gzip member in base64url", REGISTRY, _REFRESH, RETRY),
    "STATUS_RECURSION": Reason(_X, "a status list with a status of its own", REGISTRY, _REFRESH, RETRY),
    # 9 files
    "MANIFEST_MISSING": Reason(
        _X, "there is no manifest to compare files with", PUBLISHER, "get the manifest that lies beside the bundle"
    ),
    **{
        f"MANIFEST_{name}": Reason(
            _X,
            f"the manifest's {words} differs from the signed one",
            PUBLISHER,
            "get the manifest that belongs to this credential",
        )
        for name, words in (
            ("DIGEST", "digest"),
            ("ROOT", "tree root"),
            ("FILE_COUNT", "number of files"),
            ("BYTE_SIZE", "size"),
            ("RECORD_COUNT", "number of records"),
            ("CHUNK_SIZE", "chunk size"),
            ("IGNORED", "list of ignored paths"),
        )
    },
    "MANIFEST_FORM": Reason(
        _X,
        "the manifest is not in its one canonical form",
        PUBLISHER,
        "get the manifest that belongs to this credential",
    ),
    "MANIFEST_VERSION": Reason(_X, "a manifest of a version that this release does not know", YOU, "update datasigil"),
    "MANIFEST_EQUIVOCATION": Reason(
        _X,
        "some digests of a file agree with the manifest and others do not",
        PUBLISHER,
        "stop using it and tell the publisher",
    ),
    "DUP_PATH": Reason(_X, "one path is there twice, in a manifest or an archive", PUBLISHER, _ISSUE_AGAIN),
    "FILE_DIGEST": Reason(_X, "a file's bytes are not the signed ones", YOU, _DATA),
    "FILE_MISSING": Reason(
        _X, "a file of the manifest is not there", YOU, "get the whole dataset, or check a part with --partial"
    ),
    "EXTRA_FILE": Reason(_X, "a file that the manifest does not list", YOU, "take the file out of the folder"),
    "SYMLINK": Reason(_X, "a link where a file or folder must be", YOU, "put the file itself in its place"),
    "SPECIAL_FILE": Reason(_X, "a device, socket or pipe", YOU, "take it out of the folder"),
    "COLLISION": Reason(
        _X, "two names that are one on some file systems", PUBLISHER, "rename one of them and issue again"
    ),
    "PATH": Reason(_X, "a path that no manifest may hold", PUBLISHER, "rename the file and issue again"),
    "UNREADABLE": Reason(_X, "a file that could not be read", YOU, "make the file readable", RETRY),
    "ARCHIVE": Reason(
        _X, "an archive that is damaged, ambiguous or expands without measure", PUBLISHER, "get the archive again"
    ),
    "SOURCE_UNAVAILABLE": Reason(
        _Q,
        "data in a bucket or on a hub could not be read",
        YOU,
        "check your access and the network, and try again",
        RETRY,
    ),
    "FILE_CHANGED": Reason(_X, "a file that changed while it was read", YOU, "stop whatever writes to it", RETRY),
    "DIGEST_ABSENT": Reason(
        _X, "the manifest lacks the digest that was asked for", YOU, "ask for a digest that it has"
    ),
    "DIGEST_NOT_ESTABLISHED": Reason(
        _X, "the digest that the policy asks for was not computed", YOU, "check again with --digest"
    ),
    "IGNORED_PATHS": Reason(_W, "paths that the manifest leaves out", YOU, "do not use what lies there"),
    # 10 lineage
    "PARENT_MISSING": Reason(_Q, "the evidence lacks a dataset that this was made from", YOU, _REFRESH, RETRY),
    "PARENT_MISMATCH": Reason(_X, "a parent is another one than the reference says", PUBLISHER, _ISSUE_AGAIN),
    "PARENT_LATER": Reason(_X, "a parent was logged after what was made from it", PUBLISHER, _ISSUE_AGAIN),
    "PARENT": Reason(_X, "a parent does not pass", PUBLISHER, "ask the curator"),
    "LINEAGE_CYCLE": Reason(
        _X, "a dataset is its own ancestor", PUBLISHER, "ask the curator for lineage that ends at a source"
    ),
    "LINEAGE_UNBALANCED": Reason(
        _X, "the record counts of a derivation do not add up", PUBLISHER, "ask the curator for counts that balance"
    ),
    "LINEAGE_FORM": Reason(_X, "a malformed derivation", PUBLISHER, _ISSUE_AGAIN),
    "LINEAGE_MISSING": Reason(
        _X,
        "no lineage credential that counts says how it was derived",
        PUBLISHER,
        "ask for the curator's lineage credential",
    ),
    "LINEAGE_UNDETERMINED": Reason(_Q, "the lineage credential cannot be established now", YOU, _REFRESH, RETRY),
    # 11 policy
    "LICENSE_UNKNOWN": Reason(
        _X, "nobody has stated the licence", PUBLISHER, "ask the publisher for a licence, or obtain a grant"
    ),
    "LICENSE_EXPRESSION": Reason(_X, "not an SPDX licence expression", PUBLISHER, _ISSUE_AGAIN),
    "LICENSE_DENIED": Reason(_X, "the policy refuses the licence", YOU, _POLICY),
    "LICENSE_NOT_ALLOWED": Reason(_X, "the policy does not list the licence", YOU, _POLICY),
    "LICENSE_TEXT": Reason(
        _X,
        "a licence outside the SPDX list that the policy does not name with its text's digest",
        YOU,
        "read its text, then allow LicenseRef-NAME@sha256:HEX",
    ),
    "LICENSE_EVIDENCE": Reason(
        _X,
        "the licence is only asserted, and the policy asks for its text or a grant",
        PUBLISHER,
        "ask for a credential that signs the digest of the licence's text, or obtain a grant",
    ),
    "LICENSE_USE": Reason(
        _X, "the licence forbids the intended use", YOU, "obtain a grant from the rightsholder, or use other data"
    ),
    "LICENSE_USE_UNKNOWN": Reason(
        _X,
        "what the licence says about the intended use is not known",
        YOU,
        "have it read, then allow it by name, or obtain a grant",
    ),
    "LICENSE_CONFLICT": Reason(
        _X,
        "licences that do not go together for the intended use",
        YOU,
        "run `datasigil-verify policy plan`: it names the minimal conflicting set, and what to drop or obtain",
    ),
    "USE_PROHIBITED": Reason(
        _X, "the publisher prohibits the intended use", YOU, "obtain a grant from the rightsholder, or use other data"
    ),
    "USE_NOT_PERMITTED": Reason(
        _X,
        "the publisher's ODRL terms do not permit the intended use",
        YOU,
        "obtain a grant from the rightsholder, or use other data",
    ),
    "USE_NOT_INTENDED": Reason(
        _W, "the publisher made the data for other purposes", YOU, "judge whether the data suits your purpose"
    ),
    "TDM_RESERVED": Reason(
        _X,
        "text and data mining is reserved, and no other right is stated",
        YOU,
        "obtain a grant from the rightsholder",
    ),
    "DUTIES": Reason(_W, "the terms ask for something in return", YOU, "do what they ask"),
    "ROLE_NOT_ACCEPTED": Reason(_X, "the policy does not accept a credential in this role", YOU, _POLICY),
    "OBSERVED": Reason(_W, "an observer's word, not the publisher's", YOU, "ask the publisher for a credential"),
    "PROFILE": Reason(_X, "the policy asks for the full profile", PUBLISHER, _ASK),
    "REGULATION_UNKNOWN": Reason(_X, "nobody has said whether regulated data is in it", PUBLISHER, _ASK),
    "REGULATION_PRESENT": Reason(_X, "the policy does not accept the result for regulated data", YOU, _POLICY),
    "DEIDENTIFICATION_EXPIRED": Reason(_X, "the de-identification is past its day of review", PUBLISHER, _ASK),
    "PERSONAL_DATA": Reason(_X, "the policy does not accept the status of personal data", YOU, _POLICY),
    "AGE_UNKNOWN": Reason(_X, "nobody has said when it was published", PUBLISHER, _ASK),
    "TOO_OLD": Reason(_X, "published longer ago than the policy accepts", YOU, _POLICY),
    "NOT_PROVEN_BEFORE": Reason(
        _X, "the log does not show that it existed by the day that the policy names", YOU, _POLICY
    ),
    "CLAIMED_LATER": Reason(_W, "it claims a date after the log held it", PUBLISHER, _ASK),
    "QUALITY": Reason(_X, "a measured quality outside what the policy accepts", YOU, _POLICY),
    "QUALITY_UNKNOWN": Reason(
        _X, "a quality that the policy asks for was not measured, or not with the assurance asked for", PUBLISHER, _ASK
    ),
    "GEOGRAPHY": Reason(_X, "the publisher does not allow the data where you process it", YOU, _POLICY),
    "SECTOR_REQUIREMENT": Reason(_X, "a rule of the sector profile is not met", PUBLISHER, _ASK),
    "APPROVAL_MISSING": Reason(
        _X,
        "an approval that the policy asks for is missing",
        YOU,
        "ask the approver for a credential (`datasigil attest --type approval`)",
    ),
    "APPROVAL_UNDETERMINED": Reason(
        _Q, "an approval that the policy asks for cannot be established now", YOU, _REFRESH, RETRY
    ),
    "GRANT_MISSING": Reason(
        _X,
        "a licence grant to you that the policy asks for is missing",
        YOU,
        "obtain a grant from the rightsholder (`datasigil grant`)",
    ),
    "SELF_UNPROVEN": Reason(
        _Q,
        "a licence is granted to the trust file's `self`, and no signature by its key proves who that is",
        YOU,
        "sign the trust file as it is now: `datasigil key prove-self datasigil.toml --key NAME`",
    ),
    # no verdict
    "POLICY_FILE": Reason(_E, "the trust file is not as it must be", YOU, "correct the trust file"),
    "CONTEXT_ALTERED": Reason(
        _E, "an installed context file is not the one that was shipped", YOU, "reinstall datasigil"
    ),
    "NO_BUNDLE": Reason(
        _E,
        "no evidence was found at that place",
        YOU,
        "run `datasigil-verify fetch`, or ask the publisher for the bundle",
    ),
    "DATA_FOLDER": Reason(_E, "the data folder cannot be read", YOU, "name a folder that can be read"),
    "NO_DATA": Reason(_E, "the check had no data to read from", YOU, "pass --data or data="),
    "UNKNOWN_PATH": Reason(_E, "the manifest lists no such file", YOU, "use one of the listed paths"),
    "EXTRA_MISSING": Reason(
        _E, "an optional package is not installed", YOU, "install the extra that the message names"
    ),
    "FORMAT": Reason(_E, "a file format that cannot be loaded", YOU, "read the files with .open(path)"),
    "WORKER_LOST": Reason(_E, "a hashing process ended unexpectedly", YOU, "try again", RETRY),
}


# What no step of the plan says: the gate, the network, the model folder, the user's own machine.
_ELSEWHERE: Final[Mapping[str, Reason]] = {
    "UNCOVERED": Reason(_X, "a file below the gate's roots that no VALID dataset lists", YOU, "name its dataset in gate.toml, or take the file out"),
    "NO_CREDENTIAL": Reason(_X, "there is no credential for this data", YOU, "ask the publisher for one, or `datasigil observe` the data yourself"),
    "TILE_MISSING": Reason(_Q, "the log does not serve one of its tiles", REGISTRY, "try again, or fetch from the log itself", RETRY),
    "TILE_CORRUPT": Reason(_Q, "a tile of the log does not lead to its signed root", REGISTRY, _REPORT),
    "FETCH_BLOCKED": Reason(_Q, "an address that may not be reached from a credential", YOU, "name the registry with --registry or in the trust file, if you mean to"),
    "FETCH_FAILED": Reason(_Q, "the other side could not be reached", YOU, "check your connection and try again", RETRY),
    "FETCH_REDIRECT": Reason(_Q, "the other side redirects too often, or to where it may not", REGISTRY, "fetch from the address itself", RETRY),
    "FETCH_SIZE": Reason(_Q, "the other side sent more than the bound", REGISTRY, "fetch from another mirror", RETRY),
    "FETCH_TIMEOUT": Reason(_Q, "the other side did not answer in time", YOU, "try again", RETRY),
    "FETCH_URL": Reason(_E, "not an address that can be fetched", YOU, "write it as https://HOST/PATH"),
    "REGISTRY_ANSWER": Reason(_E, "the registry answered with something else than its API describes", REGISTRY, "check the registry's URL; try again", RETRY),
    "CHUNK": Reason(_X, "a chunk of a file is not the signed one", YOU, _DATA),
    "FILE_PROOF": Reason(_X, "a proof of inclusion does not lead to the manifest's root", PUBLISHER, "get the proof again from its publisher"),
    "MODEL_BINDING": Reason(_X, "the model's files, receipt, card and credential do not belong together", PUBLISHER, "get the whole model folder again from its publisher"),
    "CARD_SOURCE": Reason(_X, "a statement of the card has no source that holds", PUBLISHER, "ask for a card whose every statement has a source"),
    "CARD_RECEIPT": Reason(_X, "the card and the receipt disagree", PUBLISHER, "ask for the card that was made from this receipt"),
    "CARD_VALUE": Reason(_X, "a fact of the card is not what its source says", PUBLISHER, "ask for the card that was made from these sources"),
    "CARD_ASSURANCE": Reason(_X, "a fact of the card claims more assurance than its source carries", PUBLISHER, "ask for the card that was made from these sources"),
    "README": Reason(_X, "a document beside the card says something else than the card", PUBLISHER, "read card.json; `datasigil-train card RUN --render` writes the documents anew"),
    "REVIEW_VOID": Reason(_X, "the card changed after this review", PUBLISHER, "have the card as it is now reviewed"),
    "NOT_A_REVIEW": Reason(_X, "a file among the reviews is no review of a model card", PUBLISHER, "remove it, or ask the reviewer for the review"),
    "RELEASE_VOID": Reason(_X, "the release is of another card, or rests on no accepting review", PUBLISHER, "review the card as it is now, then release it"),
    "BOM_REFERENCE": Reason(_X, "a reference in the bill of materials leads nowhere", PUBLISHER, "ask for the bill of materials that was made from this card"),
    "DRAFT": Reason(_X, "the card lacks facts that only people can state", YOU, "datasigil-train card RUN --questions, then --facts"),
    "NOT_REVIEWED": Reason(_X, "no review by an issuer you trust accepts this card", YOU, "datasigil-train review RUN"),
    "REVIEW_REJECTED": Reason(_X, "a reviewer rejected this card", YOU, "change what was objected to, and have the new card reviewed"),
    "NOT_VALID": Reason(_X, "a run folder that is not VALID is not released", YOU, "datasigil-verify card RUN names what does not hold"),
    "OFFER": Reason(_X, "a receipt of offered bytes that carries no card", YOU, "run it again: datasigil-verify exec … --result DIR"),
    "EVIDENCE_MISSING": Reason(_E, "the bundle of an offered dataset was not named", YOU, "add --evidence BUNDLE"),
    "OTHER_CREDENTIAL": Reason(_X, "the model's credential is about another model", PUBLISHER, "get the whole model folder again from its publisher"),
    "GATE_FILE": Reason(_E, "the gate file is not as it must be", YOU, "correct the gate file"),
    "KEY_FILE": Reason(_E, "a private key file that cannot be used", YOU, "name the right key file"),
    "KEY_FILE_MODE": Reason(_E, "a private key file that others can read", YOU, "chmod 600 the key file"),
    "PASSPHRASE": Reason(_E, "the passphrase does not open the key", YOU, "type the passphrase again", RETRY),
    "DISK_FULL": Reason(_E, "no room for the verified copy", YOU, "free some room and try again", RETRY),
    "SNAPSHOT_EXISTS": Reason(_E, "there is a copy already where the verified copy should go", YOU, "name an empty folder"),
    "SNAPSHOT_PLACE": Reason(_E, "the verified copy would lie inside the data, or where others can write", YOU, "name a folder of your own"),
    "SNAPSHOT_FAILED": Reason(_E, "the verified copy could not be finished", YOU, "check the disk and try again", RETRY),
    "EMPTY_DATASET": Reason(_E, "a folder without any file", YOU, "name the folder that holds the data"),
    "RECORDS": Reason(_E, "a file whose records cannot be read", YOU, "correct the line that is named"),
    "CURATION_RECIPE": Reason(_E, "a curation recipe is not as it must be", YOU, "correct the key that is named; docs/curation.md lists them"),
    "COLUMN": Reason(_E, "a step of a recipe cannot work on a record", YOU, "correct the step, or filter such records out before it"),
    "SPLIT_KEY": Reason(_E, "a record belongs to no part of a recipe's split", YOU, "name its value in members, or say what becomes of others"),
    "EMPTY_RESULT": Reason(_E, "a recipe leaves no record", YOU, "look at the step that removes the last ones"),
    "LINEAGE_OTHER": Reason(_X, "a lineage is about other files than those to be issued", YOU, "leave the curated folder as it was made, or curate again"),
    "REMOTE_PLACE": Reason(_E, "data cannot be read from such a place", YOU, "name a folder, an archive, or s3://BUCKET/FOLDER"),
    "USAGE": Reason(_E, "the command was typed in a way that means nothing", YOU, "read --help"),
    "NO_SUCH_PATH": Reason(_E, "there is no such file or folder", YOU, "check the path"),
    "SYSTEM": Reason(_E, "the operating system refused", YOU, "check path, permissions and room on the disk"),
    "EXISTS": Reason(_E, "something else lies where a file should be written", YOU, "name another file with -o"),
    "UNKNOWN_KIND": Reason(_X, "a file of none of the kinds that `inspect` knows", YOU, "name a bundle, credential, manifest, status list, receipt, card or log proof"),
    "NOT_FOUND": Reason(_X, "nothing is registered under this id or digest", YOU, "check the address, or ask the publisher"),
    "SEVERAL": Reason(_X, "several credentials are registered under one digest", YOU, "fetch one by its id"),
    "DOMAIN": Reason(_X, "the domain of a did:web does not serve its keys", PUBLISHER, "ask the issuer for its did.json", RETRY),
    "LOG_KEYS": Reason(_X, "a bundle does not name the keys of its log", PUBLISHER, _GET_AGAIN),
    "LOG_KEYS_DIFFER": Reason(_X, "the trust file names this log with other keys", YOU, "ask the log's operator over another channel which keys are its own"),
    "ISSUER_DIFFERS": Reason(_X, "the trust file names this issuer with other keys, or for less", YOU, "ask the issuer over another channel, then edit the trust file by hand"),
    "ENTRIES": Reason(_X, "the log's entries do not hash to the tree that it signed", REGISTRY, _REPORT),
}  # fmt: skip

_TABLE: Final[Mapping[str, Reason]] = {**_REASONS, **_ELSEWHERE}


def reason(code: str) -> Reason | None:
    """Return what a code means, or None for one that is not in the table."""
    return _TABLE.get(code)


def all_reasons() -> Mapping[str, Reason]:
    """Return the whole table, in the order of the plan."""
    return _TABLE


def next_action(code: str) -> NextAction:
    """Return what helps when a check ends with `code`."""
    known = _TABLE.get(code)
    if known is None:
        return NextAction("read the message; it names the place and what was expected", YOU)
    return NextAction(known.command, known.actor, known.retry)
