"""Where heads stay: encrypted on the agent's disk, named by pseudonym, erasable one by one."""

import contextlib
import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from safetensors import SafetensorError
from safetensors.numpy import load, save

from models.heads import Head
from models.inputs import Background
from models.meal_delay import NO_DELAY
from models.trace import FloatArray
from study.failure import ExitCode, Failure

KEY_BYTES, NONCE_BYTES = 64, 12
SUFFIX = ".head"
DOUBT, SOURCE, DELAYS = "doubt", "source", "meal_delay_min"
Tensors = Mapping[str, npt.NDArray[Any]]


class HeadStore:
    """Heads of one clinic in `home`/heads; the key in `home`/heads.key is its owner's alone.

    Half of the key encrypts (ChaCha20-Poly1305, the pseudonym authenticated with the content), half
    makes pseudonyms (HMAC-SHA-256 of the patient's id), which mean nothing outside this clinic.
    """

    def __init__(self, home: Path) -> None:
        self.folder = home / "heads"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = _key(home / "heads.key")
        self._cipher, self._naming = ChaCha20Poly1305(key[:32]), key[32:]

    def pseudonym(self, patient: str) -> str:
        """What this clinic calls a patient wherever it writes; 32 hexadecimal digits."""
        return hmac.new(self._naming, patient.encode(), hashlib.sha256).hexdigest()[:32]

    def put(
        self, patient: str, head: Head, doubt: FloatArray | None = None, source: bytes = b""
    ) -> None:
        """Keep a head in place of the patient's earlier one; all of it or nothing is written.

        `doubt` (K, K) is its covariance, `source` the digest of what it was fitted to.
        """
        name = self.pseudonym(patient)
        nonce = secrets.token_bytes(NONCE_BYTES)
        content = _to_bytes(head, doubt, source)
        sealed = nonce + self._cipher.encrypt(nonce, content, name.encode())
        _replace(self.folder / f"{name}{SUFFIX}", sealed)

    def get(self, patient: str) -> Head | None:
        """The patient's head, or None if there is none."""
        tensors = self._open(patient)
        return None if tensors is None else _head(tensors)

    def fit(self, patient: str, source: bytes) -> tuple[Head, FloatArray | None] | None:
        """Head and covariance (K, K) if they were fitted to this source; else None."""
        tensors = self._open(patient)
        if tensors is None or SOURCE not in tensors or tensors[SOURCE].tobytes() != source:
            return None
        return _head(tensors), tensors.get(DOUBT)

    def erase(self, patient: str) -> bool:
        """Forget one patient's head; whether there was one."""
        path = self.folder / f"{self.pseudonym(patient)}{SUFFIX}"
        existed = path.is_file()
        path.unlink(missing_ok=True)
        _sync_folder(self.folder)
        return existed

    def pseudonyms(self) -> tuple[str, ...]:
        """Everybody whose head is kept, by pseudonym."""
        return tuple(sorted(path.stem for path in self.folder.glob(f"*{SUFFIX}")))

    def _open(self, patient: str) -> Tensors | None:
        name = self.pseudonym(patient)
        path = self.folder / f"{name}{SUFFIX}"
        if not path.is_file():
            return None
        sealed = path.read_bytes()
        nonce, text = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return load(self._cipher.decrypt(nonce, text, name.encode()))
        except (InvalidTag, ValueError, SafetensorError) as error:
            raise _damaged(path) from error


def _key(path: Path) -> bytes:
    with contextlib.suppress(FileExistsError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
    if path.stat().st_mode & 0o077 or path.stat().st_size != KEY_BYTES:
        raise Failure(
            found=f"a key file {path} that others may read, or that is no key",
            expected=f"{KEY_BYTES} bytes with mode 0600",
            consequence="No head was read or written.",
            remedy="restore the key from the clinic's backup and run chmod 600 on it",
            code=ExitCode.REFUSED,
        )
    return path.read_bytes()


def _replace(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _to_bytes(head: Head, doubt: FloatArray | None, source: bytes) -> bytes:
    rest = head.background
    numbers = [head.residual_phi, head.residual_sd_mg_dl, float(head.identified)]
    numbers += [] if rest is None else [rest.pump_u_per_h, rest.long_acting_u_per_h]
    tensors = {"theta": head.theta, "latent": head.latent, "numbers": np.array(numbers)}
    tensors[DELAYS] = head.meal_delay_min
    of_fit = {} if doubt is None else {DOUBT: doubt}
    return save({**tensors, **of_fit, SOURCE: np.frombuffer(source, dtype=np.uint8)})


def _head(tensors: Tensors) -> Head:
    phi, sd_mg_dl, identified, *rest = (float(value) for value in tensors["numbers"])
    background = Background(*rest) if rest else None
    return Head(
        tensors["theta"],
        tensors["latent"],
        phi,
        sd_mg_dl,
        background,
        identified == 1.0,
        tensors.get(DELAYS, NO_DELAY),  # heads kept before there were delays have none
    )


def _damaged(path: Path) -> Failure:
    return Failure(
        found=f"{path}, which does not open with this clinic's key",
        expected="a head written by this clinic for this patient",
        consequence="No head was read.",
        remedy="erase it and calibrate the patient again, or restore the file and the key",
        code=ExitCode.BAD_DATA,
    )
