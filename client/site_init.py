"""Making a site folder: all that a clinic needs before its first import, and nothing written over.

Every file is new and its owner's alone. If one of them is there already, or the disk refuses, what
this call had made is taken back.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from client.consent import SITE_KEY
from client.node_key import new_node_key, private_text, public_text
from client.policy import POLICY
from client.site_folder import (
    CA,
    COMPOSE,
    COMPOSE_VALUES,
    LEDGER,
    LONGEST_SOCKET,
    NODE,
    NODE_KEY,
    NODE_PUBLIC,
    RUN,
    SETTINGS,
    SiteSettings,
    disk,
)
from privacy.ledger_folder import KEY as LEDGER_KEY
from study.failure import ExitCode, Failure
from study.signing_key import public_hex

TEMPLATES = Path(__file__).parent / "templates"
POLICY_TEXT, COMPOSE_TEXT = TEMPLATES / POLICY, TEMPLATES / "client.compose.yaml"
FOLDERS = ("", NODE, RUN, LEDGER)


@dataclass(frozen=True)
class NewSite:
    """What a coordinator is told of a new site, and the files that were made for it.

    The keys are public halves: of the node in OpenSSH form, of site and ledger in hex.
    """

    node_public_key: str
    site_public_key: str
    ledger_public_key: str
    ca_sha256: str
    written: tuple[str, ...]


def make_site(site: Path, settings: SiteSettings, ca: Path) -> NewSite:
    """A new site folder, or one that only `site import` has written to, made ready."""
    certificates = read_certificates(ca)
    _require_short(settings.socket_in(site))
    node, own, ledger = new_node_key(), Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    files = {
        NODE_KEY: private_text(node),
        NODE_PUBLIC: public_text(node).encode(),
        CA: ca.read_bytes(),
        SETTINGS: _settings_text(settings),
        SITE_KEY: own.private_bytes_raw(),
        f"{LEDGER}/{LEDGER_KEY}": ledger.private_bytes_raw(),
        POLICY: POLICY_TEXT.read_bytes(),
        COMPOSE: COMPOSE_TEXT.read_bytes(),
        COMPOSE_VALUES: _compose_values(settings),
    }
    _write_new(site, files)
    return NewSite(
        node_public_key=public_text(node).strip(),
        site_public_key=public_hex(own),
        ledger_public_key=public_hex(ledger),
        ca_sha256=certificates[0].fingerprint(hashes.SHA256()).hex(),
        written=tuple(files),
    )


def read_certificates(path: Path) -> list[x509.Certificate]:
    """The certificates in a PEM file, one at least, and nothing secret beside them."""
    try:
        content = path.read_bytes()
        certificates = x509.load_pem_x509_certificates(content)
    except (OSError, ValueError) as error:
        raise _no_ca(f"no certificate in {path}: {error}", ExitCode.MISSING_INPUT) from error
    if b"PRIVATE KEY" in content:
        raise _no_ca(f"a private key in {path}", ExitCode.REFUSED)
    return certificates


def _no_ca(found: str, code: ExitCode) -> Failure:
    return Failure(
        found=found,
        expected="the certificate of the study's CA in PEM, as the coordinator sent it",
        consequence="No site folder was made.",
        remedy="ask the coordinator for ca.pem; a private key must never leave its owner",
        code=code,
    )


def _require_short(socket: Path) -> None:
    if len(os.fsencode(socket.absolute())) > LONGEST_SOCKET:
        raise Failure(
            found=f"a socket at {socket.absolute()}, more than {LONGEST_SOCKET} bytes",
            expected="a shorter path, which a Unix socket can have",
            consequence="No site folder was made.",
            remedy="make the site folder nearer to the root of the disk",
            code=ExitCode.USAGE,
        )


def _settings_text(settings: SiteSettings) -> bytes:
    lines = [
        "# Who this clinic is and where its server is; read by `insula site` and by the relay.",
        yaml.safe_dump(settings.model_dump(), sort_keys=False),
    ]
    return "\n".join(lines).encode()


def _compose_values(settings: SiteSettings) -> bytes:
    """What compose.yaml asks for; the images are the coordinator's to name.

    Made by root it names no owner, and nothing starts until a person names one who is not root.
    """
    owner = (os.getuid(), os.getgid()) if os.getuid() else ("", "")
    lines = [
        "# Values of compose.yaml. Images by digest, as the coordinator named them:",
        "# NAME@sha256:...",
        "INSULA_AGENT_IMAGE=",
        "INSULA_RELAY_IMAGE=",
        f"INSULA_CLINIC={settings.clinic}",
        f"INSULA_SERVER={settings.server}",
        "# Owner of this folder, never root: both containers run as this user and group.",
        "# Root made the folder if none is named: chown -R it to a user with these numbers.",
        f"INSULA_UID={owner[0]}",
        f"INSULA_GID={owner[1]}",
    ]
    return ("\n".join(lines) + "\n").encode()


def _write_new(site: Path, files: dict[str, bytes]) -> None:
    there = [name for name in files if os.path.lexists(site / name)]
    if there:
        raise Failure(
            found=f"{', '.join(there)} in {site}",
            expected="a folder without them: keys and policy are never written over",
            consequence="Nothing was changed.",
            remedy="use the site folder that is there, or name a new one",
            code=ExitCode.REFUSED,
        )
    made: list[Path] = []
    with disk(site):
        try:
            for folder in FOLDERS:
                (site / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
                (site / folder).chmod(0o700)
            for name, content in files.items():
                _put_new(site / name, content)
                made.append(site / name)
        except OSError:
            for path in made:
                path.unlink(missing_ok=True)
            raise


def _put_new(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            path.unlink()
            raise
