"""OpenSSF Model Signing 1.0: a manifest as an in-toto statement, in a DSSE envelope signed with an EC key, as a Sigstore bundle.

Here: what `model_signing verify key` accepts for the dataset's folder. Not here: hashing, the `sigstore` and certificate methods of that
tool. Spec: model-signing signature v1.0, DSSE v1.0.0, Sigstore bundle v0.3 (the `publicKey` form, no log entry).
"""

from __future__ import annotations

from hashlib import sha256
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING

from datasigil.credentials.keys import P256, P384
from datasigil.datasets.manifest import oms_root
from datasigil.encoding import b64_encode
from datasigil.errors import DatasigilError
from datasigil.transparency.durable import write_durably
from publisher_cli.keys import load_signer

if TYPE_CHECKING:
    from argparse import Namespace

    from datasigil.credentials.types import Credential
    from datasigil.datasets.entry import Manifest
    from datasigil.encoding import JsonObject
    from datasigil.report.terminal import Console
    from datasigil.signing import LocalSigner

PREDICATE = "https://model_signing/signature/v1.0"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"


def export(credential: Credential, manifest: Manifest, target: Path, given: Namespace, console: Console) -> Path:
    """Write the signature to `target` and the public key beside it, and return where the key lies.

    Raises:
        DatasigilError: KEY_FILE, for a key of a kind that the tool does not know.
    """
    signer = load_signer(given.key)
    if signer.public_key.kind not in (P256, P384):
        raise DatasigilError(
            "KEY_FILE", "the OpenSSF tool knows EC keys only", expected="p256 or p384", found=signer.public_key.kind,
            next_action="datasigil key new --name ec --kind p256, then --key ec",
        )  # fmt: skip
    public = _public_pem(signer)
    payload = dumps(statement(str(credential.subject["name"]), manifest)).encode()
    signature = signer.sign_der(
        b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
    )
    bundle: JsonObject = {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": sha256(public).hexdigest()}, "tlogEntries": []},
        "dsseEnvelope": {"payload": b64_encode(payload), "payloadType": PAYLOAD_TYPE, "signatures": [{"sig": b64_encode(signature), "keyid": ""}]},
    }  # fmt: skip
    key_path = target.with_name(target.name.removesuffix(".sig") + ".pub.pem")
    target.parent.mkdir(parents=True, exist_ok=True)
    write_durably(target, dumps(bundle).encode())
    write_durably(key_path, public)
    console.say(f"check: model_signing verify key FOLDER --signature {target} --public_key {key_path}")
    return key_path


def statement(name: str, manifest: Manifest) -> JsonObject:
    """Return the in-toto statement over a manifest, its files in the tool's own order."""
    entries = sorted(manifest.entries, key=lambda one: one.path.split("/"))
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": oms_root(manifest)}}],
        "predicateType": PREDICATE,
        "predicate": {
            "serialization": {
                "method": "files", "hash_type": "sha256", "allow_symlinks": False,
                "ignore_paths": [one.rstrip("/") for one in manifest.ignored],
            },
            "resources": [{"name": entry.path, "algorithm": "sha256", "digest": entry.sha256} for entry in entries],
        },
    }  # fmt: skip


def _public_pem(signer: LocalSigner) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    curve = ec.SECP256R1() if signer.public_key.kind == P256 else ec.SECP384R1()
    key = ec.EllipticCurvePublicKey.from_encoded_point(curve, signer.public_key.raw)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
