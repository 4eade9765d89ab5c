"""`python -m service`: the operator's command line.

Lives here: arguments, messages, exit codes. Not here: what the commands do (`setup`, `migrating`, `fsck`, `app`).
"""

from __future__ import annotations

import argparse
import gc
import json
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from datasigil.errors import DatasigilError
from service import VERSION
from service.limits import GC_ALLOCATIONS
from service.settings import Settings, is_loopback

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it
    Command = Callable[[argparse.Namespace], int]

_EXAMPLE = """example:
  export DATASIGIL_PASSPHRASE_FILE=$HOME/.registry-passphrase
  python -m service init --data-dir ./registry --public-url http://127.0.0.1:8800
  python -m service serve --data-dir ./registry
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 on success, 1 when `fsck` or a comparison finds a difference, 2 on any error."""
    given = _parser().parse_args(arguments)
    try:
        return int(given.command(given))
    except DatasigilError as error:
        print(f"error: {error} [{error.code}]", file=sys.stderr)
        if error.next_action:
            print(f"next: {error.next_action}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error.filename or 'the disk'}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m service",
        description="The datasigil registry.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    init = _command(commands, "init", _init, "make the data folder, the registry's keys and the database's tables")
    init.add_argument("--public-url", required=True, help="URL under which clients reach this registry")
    init.add_argument("--name", help="what the registry calls itself")
    init.add_argument("--hosted-key", action="store_true", help="also make a key that issues for operators")
    init.add_argument("--database-url", help="PostgreSQL URL; SQLite in the data folder by default")
    serve = _command(commands, "serve", _serve, "serve HTTP")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8800)
    serve.add_argument("--database-url", help="PostgreSQL URL; SQLite in the data folder by default")
    serve.add_argument("--tls-certificate", type=Path, help="PEM file; serves https itself instead of behind a proxy")
    serve.add_argument("--tls-key", type=Path, help="PEM file of the certificate's key")
    serve.add_argument(
        "--dev", action="store_true", default=None, help="unauthenticated issuers for conformance suites; loopback only"
    )
    migrate = _command(commands, "migrate", _migrate, "bring the database's tables to this version")
    migrate.add_argument("--to", default="head", help="revision to go to, up or down")
    migrate.add_argument("--database-url")
    fsck = _command(commands, "fsck", _fsck, "derive tree, status lists and digests again and compare")
    fsck.add_argument("--database-url")
    again = _command(commands, "reindex", _reindex, "derive again by what credentials are found; after some upgrades")
    again.add_argument("--database-url")
    _admin(commands)
    keys = _command(
        commands, "keys", _keys, "list, make, rotate or retire the registry's own keys, or say that one was stolen"
    )
    keys.add_argument("action", choices=("list", "new", "rotate", "retire", "compromised"))
    keys.add_argument("name", nargs="?", default="", help="hosted, notices, checkpoint or time")
    keys.add_argument("--database-url")
    backup = _command(commands, "backup", _backup, "copy the registry, running or stopped, into a new folder")
    backup.add_argument("--to", type=Path, required=True, help="a new folder")
    backup.add_argument("--database-url")
    restore = _command(commands, "restore", _restore, "fill an empty registry from a backup")
    restore.add_argument("--from", dest="source", type=Path, required=True, help="the backup's folder")
    restore.add_argument("--newest-checkpoint", type=Path, help="the newest checkpoint that anybody has")
    restore.add_argument("--nothing-newer", action="store_true", help="nothing was released after the backup")
    restore.add_argument("--database-url")
    _handover_parsers(commands)
    _witness_parser(commands)
    export = commands.add_parser("openapi", help="write or compare the OpenAPI document")
    export.add_argument("--check", type=Path, help="exit 1 if this file is not the app's document")
    export.add_argument("--breaking", type=Path, metavar="OLD", help="name what breaks for clients of the document OLD")
    export.add_argument("--write", type=Path, help="write the document to this file")
    export.set_defaults(command=_openapi)
    return parser


def _command(commands: Subparsers, name: str, function: Command, text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of keys, marks and the SQLite database")
    parser.set_defaults(command=function)
    return parser


def _admin(commands: Subparsers) -> None:
    admin = _command(commands, "admin", _run_admin, "invite, lock out or let in a publisher")
    admin.add_argument("action", choices=("invite", "lock", "unlock", "auditor", "operator"))
    admin.add_argument("did", help="the publisher's DID")
    admin.add_argument("--name", default="")
    admin.add_argument("--database-url")


def _handover_parsers(commands: Subparsers) -> None:
    export = _command(commands, "export", _export, "hand this registry over to another one: ends it, for good")
    export.add_argument("--to", type=Path, required=True, help="a new folder for the archive")
    export.add_argument(
        "--successor", type=Path, required=True, metavar="OFFER", help="what `import --offer` wrote there"
    )
    export.add_argument("--reason", default="the registry moves", help="why; published in the handover")
    export.add_argument("--database-url")
    taking = _command(commands, "import", _import, "take another registry's place: offer to, then fill this empty one")
    what = taking.add_mutually_exclusive_group(required=True)
    what.add_argument("--offer", type=Path, help="write a signed offer for the other registry's operator to this file")
    what.add_argument("--from", dest="source", type=Path, help="the folder that `export` wrote")
    taking.add_argument("--database-url")


def _witness_parser(commands: Subparsers) -> None:
    witness = _command(commands, "witness", _witness, "make or serve a witness, which cosigns other people's logs")
    witness.add_argument("action", choices=("init", "serve"))
    witness.add_argument("--name", required=True, help="the witness's name, such as witness.example")
    witness.add_argument(
        "--log", action="append", default=[], metavar="VKEY", help="a log to watch; as often as needed"
    )
    witness.add_argument("--host", default="127.0.0.1")
    witness.add_argument("--port", type=int, default=8801)


def _witness(given: argparse.Namespace) -> int:
    from datasigil.signing import LocalSigner
    from datasigil.transparency.note import parse_vkey
    from service.clock import system_clock
    from service.settings import passphrase_of_environment
    from service.witnessing.app import create_witness_app
    from service.witnessing.witness import KEY_FILE, Witness, make_witness

    passphrase = passphrase_of_environment()
    if given.action == "init":
        print(make_witness(given.data_dir, given.name, passphrase))
        return 0
    import uvicorn

    from service import journal

    signer = LocalSigner.load(given.data_dir / KEY_FILE, passphrase)
    witness = Witness(given.data_dir, given.name, signer, [parse_vkey(one) for one in given.log], system_clock)
    journal.install()
    app = create_witness_app(witness)
    server = uvicorn.Server(
        uvicorn.Config(app, host=given.host, port=given.port, log_config=None, access_log=False, server_header=False)
    )
    server.run()
    return 0 if server.started else 2


def _init(given: argparse.Namespace) -> int:
    from service.setup import initialise

    flags = {"public_url": given.public_url, "name": given.name, "database_url": given.database_url}
    settings = Settings.fresh(given.data_dir, **flags)
    print(initialise(settings, hosted=given.hosted_key))
    return 0


def _serve(given: argparse.Namespace) -> int:
    import uvicorn

    from service import journal
    from service.app import create_app
    from service.migrating import require_current

    settings = Settings.load(given.data_dir, database_url=given.database_url, dev=given.dev)
    if settings.dev and not is_loopback(given.host):
        raise DatasigilError(
            "DEV_NOT_LOOPBACK",
            "development issuers sign for anybody and are refused off loopback",
            expected="--host 127.0.0.1",
        )
    certificate, key = _tls_files(given)
    require_current(settings)
    journal.install()
    config = uvicorn.Config(
        create_app(settings),
        host=given.host,
        port=given.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        forwarded_allow_ips="",
        timeout_keep_alive=15,
        limit_concurrency=1000,
        h11_max_incomplete_event_size=32768,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    server = uvicorn.Server(config)
    # What is loaded by now stays until the end: looking through it again and again for what could be freed is a tenth of the work.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS)
    server.run()
    return 0 if server.started else 2


def _tls_files(given: argparse.Namespace) -> tuple[Path | None, Path | None]:
    """The certificate and its key: both, readable and fitting, or neither."""
    certificate, key = given.tls_certificate, given.tls_key
    if certificate is None and key is None:
        return None, None
    if certificate is None or key is None:
        raise DatasigilError(
            "SETTINGS", "a certificate and its key go together", expected="--tls-certificate FILE --tls-key FILE"
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        raise DatasigilError(
            "SETTINGS",
            f"the certificate or its key cannot be used ({error.strerror or 'not PEM, or they do not fit'})",
            place=str(certificate),
            expected="PEM files that belong together",
        ) from None
    return certificate, key


def _migrate(given: argparse.Namespace) -> int:
    from service.migrating import migrate

    print(migrate(Settings.load(given.data_dir, database_url=given.database_url), given.to))
    return 0


def _reindex(given: argparse.Namespace) -> int:
    from service.credentials.reindexing import reindex

    count = reindex(Settings.load(given.data_dir, database_url=given.database_url))
    print(f"{count} credentials are found by what this version finds them by")
    return 0


def _fsck(given: argparse.Namespace) -> int:
    from service.fsck import check_everything
    from service.migrating import require_current

    settings = Settings.load(given.data_dir, database_url=given.database_url)
    require_current(settings)
    findings = check_everything(settings)
    for line in findings.lines():
        print(line)
    return 0 if findings.clean else 1


def _run_admin(given: argparse.Namespace) -> int:
    from service.admin import act

    settings = Settings.load(given.data_dir, database_url=given.database_url)
    print(act(settings, given.action, given.did, given.name))
    return 0


def _keys(given: argparse.Namespace) -> int:
    from service.key_changes import change_key, list_keys

    settings = Settings.load(given.data_dir, database_url=given.database_url)
    print(list_keys(settings) if given.action == "list" else change_key(settings, given.action, given.name))
    return 0


def _backup(given: argparse.Namespace) -> int:
    from service.backup import back_up

    print(back_up(Settings.load(given.data_dir, database_url=given.database_url), given.to))
    return 0


def _restore(given: argparse.Namespace) -> int:
    from service.backup import restore

    home = given.data_dir if (given.data_dir / "registry.json").is_file() else given.source
    known = Settings.load(home, database_url=given.database_url)
    settings = known.model_copy(update={"data_dir": given.data_dir.resolve()})
    newest = None if given.newest_checkpoint is None else given.newest_checkpoint.read_bytes()
    for line in restore(settings, given.source, newest=newest, nothing_newer=given.nothing_newer):
        print(line)
    return 0


def _export(given: argparse.Namespace) -> int:
    from service.handover.exporting import export_registry

    settings = Settings.load(given.data_dir, database_url=given.database_url)
    for line in export_registry(settings, given.to, given.successor.read_bytes(), given.reason):
        print(line)
    return 0


def _import(given: argparse.Namespace) -> int:
    from service.handover.importing import import_registry, write_offer

    settings = Settings.load(given.data_dir, database_url=given.database_url)
    if given.offer is not None:
        print(
            f"{write_offer(settings, given.offer)} offers to go on: give {given.offer} to the other registry's operator"
        )
        return 0
    for line in import_registry(settings, given.source):
        print(line)
    return 0


def _openapi(given: argparse.Namespace) -> int:
    from service.documentation import differs, export_text
    from service.setup import app_for_export

    app = app_for_export()
    if given.breaking is not None:
        from service.breaking import breaking_changes, load_document

        found = breaking_changes(load_document(given.breaking), json.loads(export_text(app)))
        print("\n".join(found) or f"nothing breaks for clients of {given.breaking}")
        return 1 if found else 0
    if given.write is not None:
        given.write.write_text(export_text(app), encoding="utf-8")
        return 0
    if given.check is None:
        print(export_text(app), end="")
        return 0
    if differs(app, given.check):
        print(f"error: {given.check} is not the document of this app", file=sys.stderr)
        print(f"next: python -m service openapi --write {given.check}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
