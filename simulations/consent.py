"""A rehearsal's signatures: real keys in the run's folder, through the code that sites use."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from client.consent import AGREEMENT, LEDGER, SITE_KEY
from client.policy import Policy
from privacy.ledger_folder import signing_key
from study.agreement import SiteCaps, as_text, countersign, sign
from study.protocol import Protocol
from study.signing_key import make_key, public_hex, read_key

COORDINATOR_KEY = "coordinator.key"


def agree(home: Path, clinic: str, protocol: Protocol, policy: Policy, study: Path) -> None:
    """Both signatures in this home; the coordinator's key lies in the folder of the study."""
    signed = sign(protocol, _key(study / COORDINATOR_KEY))
    (home / LEDGER).mkdir(mode=0o700, exist_ok=True)
    ledger = public_hex(signing_key(home / LEDGER))
    caps = SiteCaps(policy.epsilon_cap, policy.minimum_patients, ledger)
    agreement = countersign(signed, clinic, caps, _key(home / SITE_KEY))
    (home / AGREEMENT).write_text(as_text(agreement), encoding="utf-8")


def _key(path: Path) -> Ed25519PrivateKey:
    return read_key(path) if path.exists() else make_key(path)
