"""The arguments of `datasigil`.

Here: every command's options, help and example. Not here: what a command does; `run` names it as `module:function`, so that nothing
of it is imported before it is wanted. Over 400 lines because it is one table: a user's whole command line, read in one place.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from datasigil.command_line.programs import command, command_group, dev_option, program, whole_number

if TYPE_CHECKING:
    from collections.abc import Sequence

_PROGRAM = "datasigil"
_WHAT = "a credential's id or digest, or a file with the credential or its bundle"
SEARCH_LIMIT = 20
SEARCH_LIMIT_MAX = 100  # what a registry answers at once
VALID_DAYS_MAX = 36_500
PUBLISH_SECONDS = 60


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; wrong usage exits with 2, `--help` and `--version` with 0.

    What follows `--` after `curate record` is another program's command line, kept as it is in `program`.
    """
    words = list(argv)
    if words[:2] != ["curate", "record"]:
        return parser(words[0] if words else "").parse_args(words)
    at = words.index("--") if "--" in words else len(words)
    top = argparse.ArgumentParser(prog=f"{_PROGRAM} curate", allow_abbrev=False)
    _record(top.add_subparsers(required=True, dest="command"))
    given = top.parse_args(words[1:at])
    given.program = words[at + 1 :]
    return given


def parser(wanted: str = "") -> argparse.ArgumentParser:
    """Return the parser of the whole command line, or of the one command that is wanted: the others cost time to make."""
    known = {
        "init": _init, "key": _key, "login": _login, "manifest": _manifest, "issue": _issue, "publish": _publish,
        "revoke": _changes, "suspend": _changes, "resume": _changes, "status": _status, "search": _search, "lineage": _lineage,
        "impact": _impact, "diff": _diff, "prove": _prove, "observe": _observe, "curate": _curate, "attest": _attest, "grant": _grant,
        "export": _export, "files": _files,
    }  # fmt: skip
    top, commands = program(
        _PROGRAM,
        "Describe, hash, sign and publish a dataset; revoke it, and see whom that hits.",
        "datasigil init contracts/",
        "datasigil key new --name me",
        "datasigil login --registry https://registry.example --key me",
        "datasigil issue contracts/ --description contracts.dataset.toml --key me -o credential.json",
        "datasigil publish credential.json",
    )
    if wanted in known:
        commands.metavar = "COMMAND"  # wrong usage of one command does not say that there is no other
    for add in (known[wanted],) if wanted in known else dict.fromkeys(known.values()):
        add(commands)
    return top


def _init(commands: Any) -> None:
    one = command(
        commands, "init", "describing:run", "Describe a dataset: read what is there, ask what is not.",
        "datasigil init contracts/",
        "datasigil init contracts/ --yes --license CC-BY-4.0",
        "datasigil init contracts/ --from croissant.json --from sheet.csv",
        notes="Writes NAME.dataset.toml beside the folder, never into it. Asks at most eight questions; what nobody said stays unknown.",
    )  # fmt: skip
    one.add_argument("folder", metavar="DIR", help="the folder that holds the dataset")
    one.add_argument(
        "--from", dest="sources", metavar="FILE", action="append", default=[],
        help="read this as well: Croissant, SPDX, a dataset card (.md), csv, tsv or xlsx; may be repeated",
    )  # fmt: skip
    one.add_argument("--yes", action="store_true", help="ask nothing")
    _profile_option(one)
    one.add_argument("--force", action="store_true", help="write an existing description anew; the dataset's id stays")
    one.add_argument("-o", "--output", metavar="FILE", help="where to write (default: DIR.dataset.toml)")
    for flag, text in (
        ("name", "what the dataset is called"),
        ("publisher", "who publishes it"),
        ("about", "in one or two sentences, what is in it"),
        ("license", "an SPDX expression such as CC-BY-4.0, LicenseRef-YOURS, or unknown"),
        ("issued", "when it was first published, YYYY-MM-DD"),
        ("personal-data", "whether it says anything about living people: yes, no or unknown"),
    ):
        one.add_argument(f"--{flag}", metavar="TEXT", help=text)


def _key(commands: Any) -> None:
    group = command_group(commands, "key", "Make and show signing keys.", "datasigil key new --name me")
    one = command(
        group, "new", "keys:new", "Make a key, encrypted with a passphrase.",
        "datasigil key new --name me",
        notes="The passphrase is asked for, or read from the file that DATASIGIL_PASSPHRASE_FILE names.",
    )  # fmt: skip
    one.add_argument("--name", required=True, help="what you call it: letters, digits, dot, dash, underscore")
    one.add_argument(
        "--kind", choices=("ed25519", "p256", "p384"), default="ed25519", help="kind of key (default: ed25519)"
    )
    one = command(
        group, "show", "keys:show", "Show a key's DID and fingerprint, or list all keys; needs no passphrase.",
        "datasigil key show me",
    )  # fmt: skip
    one.add_argument("name", metavar="NAME", nargs="?", help="the key (default: all)")
    one = command(
        group, "rotate", "rotating:run", "Make a new key under the same name, vouched for by the old one.",
        'datasigil key rotate --name me --static site/ --site-key site --reason "yearly change"',
        'datasigil key rotate --name me --recovery safe --static site/ --site-key site --reason "the laptop was lost"',
        'datasigil key rotate --name me --did-web example.org --registry https://registry.example --reason "yearly change"',
        notes="With --static or --did-web the change is signed by both keys and logged, so that whoever pinned the old key can follow it. With\n"
        "--did-web, run it, upload the did.json that it writes, and run it again: the registry logs only what the address itself vouches for.\n"
        "The old key's file is kept: NAME.pem.retired-N. If the old key was stolen, read docs/key-loss.md first.",
    )  # fmt: skip
    one.add_argument("--name", metavar="NAME", help="the key (default: the only one you have)")
    one.add_argument(
        "--recovery", metavar="NAME", help="the old key is lost or stolen: this one, which your users pinned as your recovery key, vouches in its place"
    )  # fmt: skip
    one.add_argument("--static", metavar="DIR", help="the static site whose did:web the key signs for")
    one.add_argument("--site-key", metavar="NAME", help="the key that signs the site's log and lists")
    one.add_argument(
        "--did-web", metavar="DOMAIN_OR_PATH", help="the address whose did:web the key signs for, at a registry that knows it"
    )  # fmt: skip
    _registry_option(one, "with --did-web: the registry that logs the change", dev=False)
    one.add_argument(
        "-o", "--output", metavar="FILE", help="with --did-web: the DID document to extend (default: did.json here)"
    )
    one.add_argument(
        "--reason", metavar="TEXT", default="a planned change", help="why; it is published (default: a planned change)"
    )
    dev_option(one, "an address")
    one = command(
        group, "prove-self", "proving_self:run", "Sign a trust file as the one whose it is, so that licences granted to you count under it.",
        "datasigil key prove-self datasigil.toml --key me",
        "datasigil key prove-self datasigil.toml --key me --did-web example.org",
        notes="Writes `self`, where the file does not say it yet, and [selfProof]. Every change of the file's content asks for a new signature. A\n"
        "did:web needs an [[issuers]] table in the file that pins its key.",
    )  # fmt: skip
    one.add_argument("trust_file", metavar="TRUST_FILE", help="the trust file, such as datasigil.toml")
    one.add_argument(
        "--did-web", metavar="DOMAIN_OR_PATH", help="the address whose did:web you are (default: the key's did:key)"
    )
    _key_option(one)
    dev_option(one, "an address")
    one = command(
        group, "did-web", "site.documents:did_web", "Write the did.json with which a web address vouches for a key; needs no passphrase.",
        "datasigil key did-web example.org --key me -o site/.well-known/did.json",
        "datasigil key did-web https://example.github.io/contracts --key me -o site/did.json",
        notes="Put the file where the result says. `issue --static-base` signs under that DID; `publish --static` writes the file as well.",
    )  # fmt: skip
    one.add_argument(
        "address", metavar="DOMAIN_OR_PATH", help="the domain or project path, such as example.github.io/contracts"
    )
    one.add_argument(
        "-o", "--output", metavar="FILE", help="where to write (default: did.json here); keys in it stay listed"
    )
    _key_option(one)
    dev_option(one, "an address")


def _login(commands: Any) -> None:
    one = command(
        commands, "login", "logins:run", "Prove to a registry that you hold a key, and keep the token it grants.",
        "datasigil login --registry https://registry.example --key me",
        "datasigil login --registry https://registry.example --key me --did-web example.org",
        notes="With --did-web, first publish the did.json that `datasigil key did-web` writes: the registry fetches it. What you issue there\n"
        "is then by that name; if a key has logged in under two names, the last login counts. Also stores the registry's log and your\n"
        "status lists, which `issue` signs into credentials.",
    )  # fmt: skip
    _registry_option(one)
    _key_option(one)
    one.add_argument(
        "--did-web", metavar="DOMAIN_OR_PATH", help="log in as the did:web of this address (default: the key's did:key)"
    )
    one.add_argument("--name", help="what the registry calls you when it meets this key first")
    one.add_argument(
        "--scope",
        action="append",
        choices=("publish", "status", "train", "work"),
        help="what the token may do; may be repeated (default: publish, status, train; a training worker needs publish and work)",
    )


def _manifest(commands: Any) -> None:
    one = command(
        commands, "manifest", "hashing:manifest", "Hash a folder and list its files; `issue` does it by itself.",
        "datasigil manifest contracts/ -o contracts.manifest.json",
    )  # fmt: skip
    one.add_argument(
        "folder",
        metavar="DIR|ARCHIVE|s3://…",
        help="the folder that holds the dataset, or a tar or zip file, or a bucket",
    )
    one.add_argument("-o", "--output", metavar="FILE", help="write the manifest here (default: show its figures only)")
    _hash_options(one)


def _issue(commands: Any) -> None:
    one = command(
        commands, "issue", "issuing:issue", "Hash a dataset and sign a credential about it; nothing leaves the machine.",
        "datasigil issue contracts/ --description contracts.dataset.toml --key me -o credential.json",
        notes="Writes the credential and, beside it, the manifest. `publish` registers it.",
    )  # fmt: skip
    one.add_argument("folder", metavar="DIR", help="the folder that holds the dataset")
    one.add_argument("--description", metavar="FILE", help="what `init` wrote (default: DIR.dataset.toml)")
    one.add_argument("-o", "--output", metavar="FILE", help="where to write (default: DIR.credential.json here)")
    one.add_argument(
        "--sheet",
        metavar="FILE",
        help="the csv, tsv or xlsx with a row per file, signed by its digest (default: metadata.csv and the like in DIR)",
    )
    _profile_option(one)
    _valid_option(one)
    one.add_argument(
        "--predecessor",
        metavar="FILE",
        help="the bundle, or credential with its manifest, of the version before this one",
    )
    one.add_argument(
        "--lineage", metavar="FILE", help="what `curate` wrote about this folder: the credential names its parents"
    )
    _key_option(one)
    _registry_option(one, "the registry it is for, if you are logged in to several")
    _site_options(one)
    _hash_options(one)


def _publish(commands: Any) -> None:
    one = command(
        commands, "publish", "publishing:run", "Register a signed credential, wait for its log entry, write the bundle.",
        "datasigil publish credential.json",
        "datasigil publish credential.json --registry https://registry.example --public-manifest",
        "datasigil publish credential.json --static site/",
        "datasigil publish --static site/ --key site",
        notes="Safe to repeat after any interruption: nothing is registered twice. File names stay private unless you say otherwise. With\n"
        "--static nothing leaves the machine: upload the folder yourself. Without CREDENTIAL its status and log are signed again, as of now.",
    )  # fmt: skip
    one.add_argument("credential", metavar="CREDENTIAL", nargs="?", help="what `issue` wrote")
    one.add_argument(
        "--static", metavar="DIR", help="publish as files in this folder, for GitHub Pages or any other host"
    )
    one.add_argument(
        "--evidence", metavar="BUNDLE", action="append", default=[],
        help="with --static: carry this bundle by somebody else (an approval, a parent) in those of what it is about; may be repeated",
    )  # fmt: skip
    one.add_argument("--data", metavar="DIR", help="where the data lies now (default: where `issue` found it)")
    one.add_argument("-o", "--output", metavar="FILE", help="where to write the bundle (default: DIR.sigil.json)")
    one.add_argument("--public-manifest", action="store_true", help="let the registry show the list of files")
    one.add_argument(
        "--timeout", metavar="SECONDS", type=whole_number(0, 86_400), default=PUBLISH_SECONDS,
        help=f"how long to go on trying while the registry is away (default: {PUBLISH_SECONDS})",
    )  # fmt: skip
    _key_option(one, "with --static: the key to sign status and log with")
    _registry_option(one)
    _site_options(one)


def _changes(commands: Any) -> None:
    for name, text, reason, notes in (
        ("revoke", "Revoke a credential, for ever.", "a contributor withdrew consent", "A revocation cannot be taken back."),
        ("suspend", "Suspend a credential until `resume`.", "a complaint is looked into", ""),
        ("resume", "Lift a suspension.", "the complaint was unfounded", ""),
    ):  # fmt: skip
        one = command(
            commands, name, "status:change", text,
            f'datasigil {name} urn:uuid:6f1e7c7e-32a6-4b8e-9e8b-0f4f6f1d2a51 --reason "{reason}"', notes=notes,
        )  # fmt: skip
        one.add_argument("what", metavar="ID", help=_WHAT)
        one.add_argument("--reason", metavar="TEXT", required=True, help="why; it is published")
        one.add_argument("--static", metavar="DIR", help="the credential is one of the static site in this folder")
        _key_option(one)
        _registry_option(one)
        _site_options(one)


def _status(commands: Any) -> None:
    one = command(
        commands, "status", "status:status", "Show whether a credential is active, suspended or revoked.",
        "datasigil status urn:uuid:6f1e7c7e-32a6-4b8e-9e8b-0f4f6f1d2a51",
        notes="Exit code: 0 active, 1 suspended or revoked.",
    )  # fmt: skip
    one.add_argument("what", metavar="ID", help=_WHAT)
    _registry_option(one)


def _search(commands: Any) -> None:
    one = command(
        commands, "search", "asking:search", "Find registered credentials, newest first.",
        "datasigil search contract clauses",
        "datasigil search --license CC-BY-4.0 --status active",
    )  # fmt: skip
    one.add_argument("words", metavar="WORD", nargs="*", help="words that must all occur, each as the start of a word")
    one.add_argument("--type", metavar="TYPE", help="DatasetCredential, ModelTrainingCredential and so on")
    one.add_argument("--issuer", metavar="DID", help="only what this DID signed")
    one.add_argument("--license", metavar="SPDX", help="only this licence expression")
    one.add_argument("--status", choices=("active", "suspended", "revoked"), help="only this status")
    one.add_argument(
        "--limit", metavar="N", type=whole_number(1, SEARCH_LIMIT_MAX), default=SEARCH_LIMIT,
        help=f"how many to show (default: {SEARCH_LIMIT}, at most {SEARCH_LIMIT_MAX})",
    )  # fmt: skip
    _registry_option(one)


def _lineage(commands: Any) -> None:
    one = command(
        commands, "lineage", "asking:lineage", "Show what a dataset or model was made from.",
        "datasigil lineage urn:uuid:6f1e7c7e-32a6-4b8e-9e8b-0f4f6f1d2a51",
        "datasigil lineage credential.json --svg > lineage.svg",
        "datasigil lineage credential.json --dot",
        "datasigil lineage clauses.sigil.json --offline",
    )  # fmt: skip
    one.add_argument("what", metavar="ID", help=_WHAT)
    one.add_argument(
        "--offline", action="store_true", help="ask nobody: show what the bundle itself holds, status left out"
    )
    drawn = one.add_mutually_exclusive_group()
    drawn.add_argument("--dot", action="store_true", help="write the graph for Graphviz")
    drawn.add_argument("--svg", action="store_true", help="write the graph as a picture")
    _registry_option(one)


def _impact(commands: Any) -> None:
    one = command(
        commands, "impact", "asking:impact", "Name the datasets, models, audits and grants that rest on a credential.",
        "datasigil impact urn:uuid:6f1e7c7e-32a6-4b8e-9e8b-0f4f6f1d2a51",
        notes="Shows what names the credential directly, as far as it is registered.",
    )  # fmt: skip
    one.add_argument("what", metavar="ID", help=_WHAT)
    _registry_option(one)


def _diff(commands: Any) -> None:
    one = command(
        commands, "diff", "comparing:run", "Show which files were added, removed and changed between two versions.",
        "datasigil diff old.sigil.json contracts/",
        notes="Exit code: 0 the same files, 1 different. A folder is hashed as it lies there.",
    )  # fmt: skip
    for name in ("old", "new"):
        one.add_argument(
            name, metavar=name.upper(), help="a manifest, a bundle, a credential with its manifest, or a folder"
        )


def _prove(commands: Any) -> None:
    one = command(
        commands, "prove", "proving:run", "Write proofs for some files, or ranges of large files, for whoever gets only these.",
        "datasigil prove contracts.sigil.json --file data/leases.jsonl -o leases.part.json",
        "datasigil prove scans.sigil.json --range scans.bin:0-16777215 --data scans/ -o first.part.json",
        notes="The receiver checks with `datasigil-verify check BUNDLE --data DIR --partial --proof FILE`. Ranges are rounded to chunks of 16 MiB.",
    )  # fmt: skip
    one.add_argument(
        "manifest", metavar="BUNDLE", help="a manifest, a bundle, a credential with its manifest, or a folder"
    )
    one.add_argument("--file", metavar="PATH", action="append", default=[], help="a whole file; may be repeated")
    one.add_argument(
        "--range",
        metavar="PATH:FIRST-LAST",
        action="append",
        default=[],
        help="bytes of a large file, both included; may be repeated",
    )
    one.add_argument("--data", metavar="DIR", help="the dataset's files, from which ranges are proven")
    one.add_argument("-o", "--output", metavar="FILE", required=True, help="where to write the proofs")


def _observe(commands: Any) -> None:
    one = command(
        commands, "observe", "observing:run", "Sign what you saw of somebody else's dataset: its bytes, its licence text, its source.",
        "datasigil observe downloads/leases --source https://data.example/leases --revision v2",
        "datasigil observe hf://example-org/leases@2f1c0d9e8b7a6f5e4d3c2b1a0f9e8d7c6b5a4f3e",
        notes="The credential's role is observer: it is your word, never the publisher's. `publish` registers it.",
    )  # fmt: skip
    one.add_argument(
        "folder",
        metavar="DIR|hf://…",
        help="the folder as you obtained it, or a dataset in the Hugging Face Hub's cache",
    )
    one.add_argument("--source", metavar="URL", help="where you obtained it (hf://: known)")
    one.add_argument(
        "--revision", metavar="TEXT", help="revision, tag or commit of the source (default: unknown; hf://: known)"
    )
    one.add_argument("--name", metavar="TEXT", help="what the dataset is called (default: what the folder says)")
    one.add_argument("--version", metavar="TEXT", help="the version that you call it (default: 1)")
    one.add_argument("--publisher", metavar="TEXT", help="who published it, as far as you know")
    one.add_argument("--license", metavar="SPDX", help="its licence in your judgement (default: what the folder says)")
    one.add_argument("-o", "--output", metavar="FILE", help="where to write (default: DIR.observation.json here)")
    _profile_option(one)
    _valid_option(one)
    _key_option(one)
    _registry_option(one, "the registry it is for, if you are logged in to several")
    _site_options(one)
    _hash_options(one)


def _curate(commands: Any) -> None:
    one = command(
        commands, "curate", "curating:run", "Make a dataset out of others by a recipe, and sign how it was made.",
        "datasigil curate leases.recipe.toml",
        "datasigil curate leases.recipe.toml --dry-run",
        "datasigil curate record --parent raw.sigil.json raw/ --folder clean/ -- python clean.py",
        notes=(
            "A recipe names parents by their credentials and steps by what they do; it holds no code (docs/curation.md). Whoever has the parents\n"
            "repeats it: datasigil-verify recompute. `curate record` runs any script and signs, on your word, that it made the result."
        ),
    )  # fmt: skip
    one.add_argument("recipe", metavar="RECIPE", help="the recipe, a .toml file; its paths are relative to it")
    one.add_argument("--folder", metavar="DIR", help="where the result goes (default: output.folder of the recipe)")
    one.add_argument("--dry-run", action="store_true", help="run it and show the counts; write and sign nothing")
    _lineage_options(one)


def _record(commands: Any) -> None:
    one = command(
        commands, "record", "recording:run", "Run a script and sign, on your word, that it made one dataset out of others.",
        "datasigil curate record --parent raw.sigil.json raw/ --folder clean/ -- python clean.py",
        notes=(
            "The script finds its parents in DATASIGIL_DATA_0, DATASIGIL_DATA_1 and so on, DATASIGIL_DATA for the first, and writes to DATASIGIL_RESULT.\n"
            "Established: the parents' files before and after, the files on the command line, the result. Declared: everything else."
        ),
    )  # fmt: skip
    one.add_argument(
        "--parent", nargs=2, metavar=("CREDENTIAL", "DIR"), action="append", required=True, help="a dataset that goes in; may be repeated"
    )  # fmt: skip
    one.add_argument("--folder", metavar="DIR", required=True, help="where the script writes its result")
    one.add_argument(
        "--kind", choices=("DataCleaning", "DataAnnotation", "DataAggregation", "DataEnrichment"), default="DataCleaning",
        help="what kind of step it was (default: DataCleaning)",
    )  # fmt: skip
    one.add_argument("--name", metavar="TEXT", help="what was done")
    one.add_argument("--about", metavar="TEXT", help="why it was done, in one or two sentences")
    _lineage_options(one)


def _lineage_options(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "-o", "--output", metavar="FILE", help="where the lineage goes (default: FOLDER.lineage.json here)"
    )
    one.add_argument("--agent", metavar="TEXT", help="who did it (default: the DID of the key)")
    one.add_argument(
        "--policy", metavar="FILE", help="refuse a parent that is not VALID, offline, under this trust file"
    )
    _valid_option(one)
    _key_option(one)
    _registry_option(one, "the registry it is for, if you are logged in to several")
    _site_options(one)


def _attest(commands: Any) -> None:
    one = command(
        commands, "attest", "attesting:attest", "Sign an audit, an approval or a review of a dataset.",
        'datasigil attest urn:uuid:6f1e7c7e-32a6-4b8e-9e8b-0f4f6f1d2a51 --type audit --assessor "Example Audits" '
        '--standard "ISO/IEC 5259-2:2024" --criterion completeness --method "random sample" --sample-size 200 --result met --evidence report.pdf',
        'datasigil attest leases.sigil.json --type approval --assessor "Data steward" --use fine-tuning --valid-days 365',
        'datasigil attest leases.sigil.json --type review --assessor "A. Lawyer" --qualification "solicitor, England and Wales" --verdict accepted',
        notes="An audit names standard, criterion, method, result and evidence; an approval names its use and its end; a review names who\n"
        "reviewed, with what qualification, and the verdict.",
    )  # fmt: skip
    one.add_argument("what", metavar="ID", help=_WHAT)
    one.add_argument(
        "--type", choices=("audit", "approval", "review"), required=True, help="what kind of statement it is"
    )
    one.add_argument("--assessor", metavar="NAME", required=True, help="who assessed, a person or an organisation")
    one.add_argument(
        "--level", choices=("self", "commercial", "buyer", "membership", "unspecified", "3rdParty"),
        help="how the assessor stands to the publisher (default: self for your own dataset, else unspecified)",
    )  # fmt: skip
    for flag, text in (
        ("standard", "standard or regulation, with its date"),
        ("criterion", "the criterion of it that was assessed"),
        ("method", "how it was assessed"),
        ("found", "what was found, such as a measured value"),
        ("exclusions", "what was not looked at"),
    ):
        one.add_argument(f"--{flag}", metavar="TEXT", help=text)
    one.add_argument(
        "--sample-size", metavar="N", type=whole_number(0, 10**9 - 1), help="how many records were looked at"
    )
    one.add_argument("--result", choices=("met", "not-met"), help="whether the criterion is met")
    one.add_argument(
        "--evidence", metavar="FILE", action="append", default=[], help="a report, named by its digest; may be repeated"
    )
    one.add_argument(
        "--use",
        metavar="PURPOSE",
        action="append",
        default=[],
        help="a use that is approved, such as pre-training, fine-tuning, evaluation or research (any other word is answered with the whole list); may be repeated",
    )
    one.add_argument(
        "--verdict", choices=("accepted", "accepted-with-conditions", "rejected"), help="outcome of an approval (default: accepted) or a review",
    )  # fmt: skip
    one.add_argument("--qualification", metavar="TEXT", help="what qualifies the person who reviewed")
    one.add_argument("--conditions", metavar="TEXT", help="conditions of an acceptance")
    one.add_argument("-o", "--output", metavar="FILE", help="where to write (default: TYPE.credential.json here)")
    _valid_option(one)
    _key_option(one)
    _registry_option(one)
    _site_options(one)


def _grant(commands: Any) -> None:
    one = command(
        commands, "grant", "attesting:grant", "Sign a licence for a dataset to one grantee.",
        "datasigil grant leases.sigil.json --to did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK --terms contract.pdf --valid-days 365",
        notes="The terms stay with you; their digest is signed. Without --permit the grant is for training (ai-training).",
    )  # fmt: skip
    one.add_argument("what", metavar="ID", help=_WHAT)
    one.add_argument("--to", metavar="DID", required=True, help="who is granted the licence")
    one.add_argument("--terms", metavar="FILE", required=True, help="the full terms, signed by their digest")
    one.add_argument("--terms-url", metavar="URL", help="where the full terms lie")
    one.add_argument(
        "--permit",
        metavar="ACTION",
        action="append",
        default=[],
        help="an ODRL action that is allowed; may be repeated",
    )
    one.add_argument(
        "--forbid",
        metavar="ACTION",
        action="append",
        default=[],
        help="an ODRL action that is forbidden; may be repeated",
    )
    one.add_argument(
        "--jurisdiction", metavar="CODE", action="append", default=[], help="where it holds, ISO 3166; may be repeated"
    )
    one.add_argument("--reference", metavar="TEXT", help="contract number or the like")
    one.add_argument("-o", "--output", metavar="FILE", help="where to write (default: grant.credential.json here)")
    _valid_option(one)
    _key_option(one)
    _registry_option(one)
    _site_options(one)


def _export(commands: Any) -> None:
    one = command(
        commands, "export", "formats.exporting:run", "Write what a credential says in a format of others: Croissant, OASIS, OpenSSF.",
        "datasigil export croissant contracts.sigil.json --data contracts/ -o contracts/croissant.json",
        "datasigil export oasis credential.json",
        "datasigil export oms contracts.sigil.json --key ec -o contracts.oms.sig",
        notes="croissant: MLCommons Croissant 1.1. oasis: OASIS Data Provenance Metadata 1.0. oms: OpenSSF Model Signing 1.0, signed with an\n"
        "EC key (`key new --kind p256`). A Croissant file inside the data must be there before the data is hashed, or be left out with --ignore.",
    )  # fmt: skip
    one.add_argument("format", choices=("croissant", "oasis", "oms"), help="the format")
    one.add_argument("credential", metavar="CREDENTIAL", help="a credential with its manifest beside it, or its bundle")
    one.add_argument("--manifest", metavar="FILE", help="the manifest, if it is neither in the bundle nor beside it")
    one.add_argument("--data", metavar="DIR", help="croissant: look into csv and jsonl files here for their columns")
    one.add_argument("-o", "--output", metavar="FILE", help="where to write (default: NAME.FORMAT here)")
    _key_option(one, "oms: the EC key to sign with")


def _files(commands: Any) -> None:
    one = command(
        commands, "files", "sources.rows:run", "List the files whose row in the dataset's sheet meets conditions.",
        "datasigil files contracts/ --where 'jurisdiction=England and Wales' --where 'date>=2021-01-01'",
        "datasigil files credential.files.jsonl --where license=CC-BY-4.0",
        notes="Conditions: = != >= <= and ~ (contains). A file whose row leaves the column empty meets none of them. Exit code: 1 for no file.",
    )  # fmt: skip
    one.add_argument("data", metavar="DIR|FILE", help="the dataset's folder, or the rows that `issue` wrote")
    one.add_argument("--sheet", metavar="FILE", help="the sheet (default: metadata.csv and the like in DIR)")
    one.add_argument("--where", metavar="CONDITION", action="append", default=[], help="COLUMN=VALUE; all must hold")


# Options that several commands have ------------------------------------------------------------------------------


def _valid_option(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "--valid-days",
        metavar="N",
        type=whole_number(1, VALID_DAYS_MAX),
        help="let it expire after N days (default: never)",
    )


def _key_option(one: argparse.ArgumentParser, text: str = "the key to sign with") -> None:
    one.add_argument("--key", metavar="NAME|FILE.pem", help=f"{text} (default: the only one you have)")


def _profile_option(one: argparse.ArgumentParser) -> None:
    one.add_argument("--no-profile", action="store_true", help="do not look into the files' content")


def _site_options(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "--static-base",
        metavar="URL",
        help="for a static site instead of a registry: the address at which its folder is served",
    )
    one.add_argument(
        "--site-key", metavar="NAME", help="the key of the site's log and lists, if it is another than yours"
    )


def _registry_option(
    one: argparse.ArgumentParser, text: str = "the registry (default: the only one you are logged in to)", *, dev: bool = True
) -> None:  # fmt: skip
    one.add_argument("--registry", metavar="URL", help=f"{text}, or DATASIGIL_REGISTRY")
    if dev:
        dev_option(one)


def _hash_options(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "--digest",
        choices=("both", "sha256"),
        default="both",
        help="SHA-256 and BLAKE3, or SHA-256 only (default: both)",
    )
    one.add_argument(
        "--rehash",
        action="store_true",
        help="read every file, also those that have not changed since they were hashed here",
    )
    one.add_argument(
        "--ignore", metavar="PATH", action="append", default=[],
        help="leave this path out; it is named in the credential; may be repeated",
    )  # fmt: skip
