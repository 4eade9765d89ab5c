"""Runs the public conformance suites against `python -m service serve --dev`: `python tests/service/public_suites.py CHECKOUTS`.

Here: a served registry with TLS on loopback, each suite's configuration, its run under mocha, and the counts. Not here: the suites. CHECKOUTS
is a folder with a checkout of each suite by its repository's name, and of the packages that they take from GitHub (`SOURCES`); Node 20
and npm are needed. Exit code 0 when no test of any suite failed.
"""

import datetime as dt
import ipaddress
import json
import ssl
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from registry_process import RegistryProcess

VC = {"supports": {"vc": ["1.1", "2.0"]}}


def _curve(name: str) -> dict[str, Any]:
    return {"supportedEcdsaKeyTypes": [name], **VC}


# Suite -> its endpoints: (development issuer, tag, more settings).
SUITES: dict[str, list[tuple[str, str, dict[str, Any]]]] = {
    "vc-data-model-2.0-test-suite": [("eddsa-rdfc-2022", "vc2.0", {})],
    "vc-di-eddsa-test-suite": [(name, name, VC) for name in ("eddsa-rdfc-2022", "eddsa-jcs-2022")],
    "vc-di-ecdsa-test-suite": [
        (f"{suite}-{curve.lower().replace('-', '')}", suite, _curve(curve))
        for suite in ("ecdsa-rdfc-2019", "ecdsa-jcs-2019")
        for curve in ("P-256", "P-384")
    ],
    "vc-bitstring-status-list-test-suite": [("bitstring-status-list", "BitstringStatusList", {})],
    "vc-api-issuer-test-suite": [("eddsa-rdfc-2022", "vc-api", {})],
    "vc-api-verifier-test-suite": [("eddsa-rdfc-2022", "vc-api", {})],
}
# What the suites' package.json takes from GitHub -> the folder in CHECKOUTS that stands for it.
SOURCES = {
    "github:w3c/vc-test-suite-implementations": "w3c-vc-test-suite-implementations",
    "github:w3c-ccg/vc-test-suite-implementations": "w3c-ccg-vc-test-suite-implementations",
    "github:w3c-ccg/data-integrity-test-suite-assertion": "w3c-ccg-data-integrity-test-suite-assertion",
}


@dataclass
class Counts:
    """What one suite's run came to."""

    passed: int = 0
    pending: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for loopback and its key; the suites accept any, but speak https only."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def install(suite: Path) -> None:
    """Install a suite's packages from the npm registry, and those of GitHub from their checkouts."""
    file = suite / "package.json"
    package = json.loads(file.read_text("utf-8"))
    package.pop("devDependencies", None)
    wanted = package["dependencies"]
    wanted.pop("@digitalbazaar/mocha-w3c-interop-reporter", None)
    wanted.update({name: f"file:../{SOURCES[value]}" for name, value in wanted.items() if value in SOURCES})
    wanted["mocha"] = "^10.7.3"
    package["scripts"] = {}
    file.write_text(json.dumps(package, indent=1), "utf-8")
    (suite / "package-lock.json").unlink(missing_ok=True)
    command = ["npm", "install", "--install-links", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=suite, check=True, stdout=subprocess.DEVNULL)


def configure(suite: Path, issuers: dict[str, Any]) -> None:
    """Write the suite's `localConfig.cjs`."""

    def endpoints(kind: str) -> list[dict[str, Any]]:
        return [
            {"id": issuers[name]["id"], "endpoint": issuers[name][kind], "tags": [tag], **more}
            for name, tag, more in SUITES[suite.name]
        ]

    ours = {
        "name": "datasigil",
        "implementation": "datasigil registry",
        "issuers": endpoints("issue"),
        "verifiers": endpoints("verify"),
        "vpVerifiers": endpoints("verifyPresentation"),
    }
    settings = {"enableInteropTests": False, "testAllImplementations": False}
    text = json.dumps({"settings": settings, "implementations": [ours]}, indent=1)
    (suite / "localConfig.cjs").write_text(f"module.exports = {text};\n", "utf-8")


def run(suite: Path, folder: Path) -> Counts:
    """Run one suite."""
    report = folder / f"{suite.name}.json"
    options = ["--reporter", "json", "--reporter-option", f"output={report}", "--timeout", "15000"]
    command = ["npx", "mocha", "tests/", "--no-package", *options, "--preserve-symlinks"]
    done = subprocess.run(command, cwd=suite, check=False, capture_output=True, text=True)
    if not report.is_file():
        raise SystemExit(f"{suite.name} did not run: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    found = json.loads(report.read_text("utf-8"))
    failed = [f"{one['fullTitle']}: {one['err'].get('message', '')[:200]}" for one in found["failures"]]
    return Counts(len(found["passes"]), [one["fullTitle"] for one in found["pending"]], failed)


def main(checkouts: Path) -> int:
    """Run every suite that is there; print a line for each, and what failed."""
    suites = [checkouts / name for name in SUITES if (checkouts / name).is_dir()]
    if not suites:
        print(f"error: none of {', '.join(SUITES)} lies in {checkouts}", file=sys.stderr)
        return 2
    wrong = 0
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        certificate, key = self_signed(folder)
        arguments = ("--dev", "--tls-certificate", str(certificate), "--tls-key", str(key))
        registry = RegistryProcess(folder / "data", arguments=arguments, scheme="https").initialise()
        with registry.start():
            trusting = ssl._create_unverified_context()
            with urlopen(f"{registry.url}/issuers", context=trusting) as answer:
                issuers = json.load(answer)
            for suite in suites:
                if not (suite / "node_modules").is_dir():
                    install(suite)
                configure(suite, issuers)
                counts = run(suite, folder)
                wrong += len(counts.failed)
                print(
                    f"{suite.name}: {counts.passed} passed, {len(counts.failed)} failed, {len(counts.pending)} pending"
                )
                for title in counts.failed:
                    print(f"  failed: {title}")
                for title in counts.pending:
                    print(f"  pending: {title}")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    sys.exit(main(Path(sys.argv[1])))
