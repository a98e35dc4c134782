"""Certificates of a study's server: a CA that sites pin, and what it signs for the server's names.

The CA's key signs once and is thrown away: nobody can sign a second server later.
"""

import os
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from study.failure import ExitCode, Failure

CA, SERVER, SERVER_KEY = "ca.pem", "server.pem", "server.key"
FILES = (CA, SERVER, SERVER_KEY)
VALID = timedelta(days=365)
HOUR = timedelta(hours=1)


def make_certificates(folder: Path, hosts: list[str], now: datetime) -> str:
    """ca.pem, server.pem and server.key in `folder`; the CA's SHA-256, which sites compare.

    The server's certificate is for `hosts`, names or addresses. Nothing is written over.
    """
    if there := [name for name in FILES if (folder / name).exists()]:
        raise _not_made(f"{there} in {folder}", "a folder without them", ExitCode.REFUSED)
    ca_key, server_key = (ec.generate_private_key(ec.SECP384R1()) for _ in range(2))
    ca = _authority(ca_key, now)
    server = _of_server(ca, ca_key, server_key, hosts, now)
    secret = server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / CA).write_bytes(ca.public_bytes(Encoding.PEM))
        (folder / SERVER).write_bytes(server.public_bytes(Encoding.PEM))
        handle = os.open(folder / SERVER_KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secret)
    except OSError as error:
        found = f"{folder}: {error.strerror}"
        raise _not_made(found, "a folder to write to", ExitCode.NOT_WRITTEN) from error
    return ca.fingerprint(hashes.SHA256()).hex()


def _authority(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = _name("Insula study CA")
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    return (
        _builder(name, name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA384())
    )


def _of_server(
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    key: ec.EllipticCurvePrivateKey,
    hosts: list[str],
    now: datetime,
) -> x509.Certificate:
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    return (
        _builder(_name(hosts[0]), ca.subject, key.public_key(), now)
        .add_extension(x509.SubjectAlternativeName([_host(one) for one in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(signer, critical=False)
        .sign(ca_key, hashes.SHA384())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
    return builder.not_valid_before(now - HOUR).not_valid_after(now + VALID)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def utc_now() -> datetime:
    """The moment from which a certificate made now is valid."""
    return datetime.now(UTC)


def _not_made(found: str, expected: str, code: ExitCode) -> Failure:
    return Failure(
        found=found,
        expected=expected,
        consequence="No certificate was made.",
        remedy="name a new folder; sites pin the CA, so it is not replaced during a study",
        code=code,
    )
