"""How a site stands: budget, rounds, refusals, agreement. For the clinic's own eyes.

Read without the ledger's lock, so that it can be asked while the agent runs.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from client.consent import require_agreement
from client.departure import forgotten, has_left
from client.policy import read_policy
from client.site_folder import LEDGER, LOG, PROTOCOL, SITE_TABLE, read_settings
from client.site_table import read_site
from privacy.ledger_folder import RECORDS
from privacy.verifier import verify
from study.agreement import NotAgreed
from study.failure import Failure
from study.protocol import Protocol, read_protocol

ENTRY = re.compile(r"(\d+) round (\S+) ([A-Z_]+): ")
RELEASED = re.compile(r"(.+)\.(\d+)\.npy")


@dataclass(frozen=True)
class Spent:
    """What the ledger adds up to. `mu` of `mu_cap`; epsilon at `delta`, None where unknown.

    `rounds` are those of this study that were released, of `rounds_agreed`; `problem` is the first
    thing that does not hold, or nothing.
    """

    epsilon: float | None
    epsilon_cap: float
    delta: float
    mu: float
    mu_cap: float
    rounds: tuple[int, ...]
    rounds_agreed: int
    problem: str = ""


@dataclass(frozen=True)
class Refusal:
    """The last time that the agent said no: when (seconds since 1970), the round, the code."""

    at_s: int
    round: str
    code: str


@dataclass(frozen=True)
class Status:
    """A site as its folder tells it; None is unknown or not there yet.

    `agreement` is "signed", or the reason why not; `policy` is "allows", or why not.
    """

    clinic: str
    server: str
    study: str | None
    protocol_sha256: str | None
    policy: str
    agreement: str
    left: bool
    forgotten: int
    patients: int | None
    heads: int
    spent: Spent | None
    last_refusal: Refusal | None


def status_of(site: Path) -> Status:
    """How this site stands; a Failure if it is no site folder."""
    settings = read_settings(site)
    protocol = _protocol(site)
    return Status(
        clinic=settings.clinic,
        server=settings.server,
        study=protocol.study if protocol else None,
        protocol_sha256=protocol.digest() if protocol else None,
        policy=_policy(site, protocol),
        agreement=_agreement(site, settings.clinic, protocol),
        left=has_left(site),
        forgotten=len(forgotten(site)),
        patients=_patients(site),
        heads=len(list((site / "heads").glob("*.head"))),
        spent=_spent(site, protocol) if protocol else None,
        last_refusal=last_refusal(site / LOG),
    )


def last_refusal(log: Path) -> Refusal | None:
    """The newest line of the log in which a round got a code other than a release."""
    if not log.is_file():
        return None
    found = None
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if entry := ENTRY.match(line):
                found = Refusal(int(entry[1]), entry[2], entry[3])
    return found


def _protocol(site: Path) -> Protocol | None:
    return read_protocol(site / PROTOCOL) if (site / PROTOCOL).exists() else None


def _policy(site: Path, protocol: Protocol | None) -> str:
    if protocol is None:
        return f"no {PROTOCOL} yet"
    try:
        read_policy(site).require_protocol(protocol)
    except Failure as failure:
        return f"refuses: found {failure.found}; expected {failure.expected}"
    return "allows"


def _agreement(site: Path, clinic: str, protocol: Protocol | None) -> str:
    if protocol is None:
        return f"no {PROTOCOL} yet"
    try:
        require_agreement(site, clinic, protocol, read_policy(site))
    except NotAgreed as refusal:
        return refusal.reason
    except Failure as failure:
        return failure.found
    return "signed"


def _patients(site: Path) -> int | None:
    return len(read_site(site / SITE_TABLE)) if (site / SITE_TABLE).exists() else None


def _spent(site: Path, protocol: Protocol) -> Spent:
    agreed = protocol.privacy
    rounds = protocol.release.rounds + (protocol.metrics is not None)
    folder = site / LEDGER
    records = folder / RECORDS
    if not records.exists() or not records.stat().st_size:
        return Spent(0.0, agreed.epsilon, agreed.delta, 0.0, protocol.mu, (), rounds)
    (verdict,) = verify(folder, delta=agreed.delta).ledgers
    return Spent(
        epsilon=verdict.epsilon,
        epsilon_cap=agreed.epsilon,
        delta=agreed.delta,
        mu=verdict.mu,
        mu_cap=min(verdict.mu_cap or protocol.mu, protocol.mu),
        rounds=_rounds(folder, protocol.study),
        rounds_agreed=rounds,
        problem=verdict.problem or "",
    )


def _rounds(folder: Path, study: str) -> tuple[int, ...]:
    names = (RELEASED.fullmatch(path.name) for path in (folder / "releases").glob("*.npy"))
    return tuple(sorted(int(name[2]) for name in names if name and name[1] == study))
