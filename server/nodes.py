"""Which relay is which clinic: the public node keys that clinics handed in, one for each member."""

from collections.abc import Mapping
from pathlib import Path

import yaml
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from study.failure import ExitCode, Failure
from study.protocol import Protocol


def read_nodes(path: Path, protocol: Protocol) -> dict[str, str]:
    """Public key of each member clinic, an OpenSSH line, from a YAML file `clinic: key`.

    A Failure where a member is missing, a name is no member's, a key is no P-384 key or two clinics
    have the same one: a clinic is known by its key alone.
    """
    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _bad(f"no list of node keys in {path}: {error}", ExitCode.MISSING_INPUT) from error
    if not isinstance(plain, Mapping):
        raise _bad(f"{path} without `clinic: key` lines")
    keys = {str(name): " ".join(str(key).split()[:2]) for name, key in plain.items()}
    members = {one.name for one in protocol.members}
    if missing := sorted(members - keys.keys()):
        raise _bad(f"{path} without keys of {missing}")
    if strangers := sorted(keys.keys() - members):
        raise _bad(f"{path} with {strangers}, who are no members of {protocol.study}")
    if wrong := sorted(name for name, key in keys.items() if not _is_p384(key)):
        raise _bad(f"{path} with no OpenSSH P-384 public key for {wrong}")
    if len(set(keys.values())) < len(keys):
        raise _bad(f"{path} with one key for two clinics")
    return keys


def _is_p384(line: str) -> bool:
    try:
        key = load_ssh_public_key(line.encode("ascii"))
    except (ValueError, UnicodeEncodeError, UnsupportedAlgorithm):
        return False
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP384R1)


def _bad(found: str, code: ExitCode = ExitCode.BAD_DATA) -> Failure:
    return Failure(
        found=found,
        expected="a line `clinic: ecdsa-sha2-nistp384 ...` for each member, as its site sent it",
        consequence="The study was not started.",
        remedy="ask the clinic for the line that `insula site init` printed",
        code=code,
    )
