"""A clinic's consent as its agent checks it before each release: policy, signatures, own key."""

from pathlib import Path

from client.policy import Policy
from privacy.ledger_folder import public_key as ledger_key
from study.agreement import SiteCaps, read_agreement, require
from study.protocol import Protocol
from study.signing_key import public_hex, read_key

AGREEMENT = "agreement.json"
SITE_KEY = "site.key"
LEDGER = "ledger"


def require_agreement(home: Path, clinic: str, protocol: Protocol, policy: Policy) -> None:
    """Nothing if coordinator and this clinic signed exactly this; a Failure otherwise."""
    caps = SiteCaps(policy.epsilon_cap, policy.minimum_patients, ledger_key(home / LEDGER))
    own_key = public_hex(read_key(home / SITE_KEY))
    require(read_agreement(home / AGREEMENT), protocol, clinic, caps, own_key)
