"""A run's claim, recomputed from its ledgers, beside what the run says of itself.

run.json is never a source of a figure here: each of its figures is compared, and a difference is
named. Delta, the noise and the clinics come from protocol.yaml, whose digest run.json must bear.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from privacy.canonical import RELEASE
from privacy.claim import Claim, Spent, claim_of
from privacy.gaussian_dp import AccountingError
from privacy.verifier import RECORDS, VerifierError
from server.claim_agreements import SOUND, standing_of
from server.run_record import RunRecord, read_run_record
from study.failure import ExitCode, Failure
from study.protocol import Protocol, read_protocol

TOLERANCE = 1e-6  # relative: a run's figures are written in full, and PLD rounds upwards by less
PLD_TOLERANCE = 1e-3

Standing = Literal["claim", "simulated", "refuted"]
AUDIT_KEYS = ("passed", "claimed_epsilon", "lower_bound_epsilon", "planted")


@dataclass(frozen=True)
class Sheet:
    """A claim with all an auditor needs beside it; `disagreements` name what does not fit.

    `standing` is "claim" only if all ledgers hold, nothing disagrees and the noise was exact.
    `agreed` says of each member how its signature stands, by the agreements in the run folder.
    `audit` is the output of `insula privacy audit --json`, or None: not run.
    """

    protocol: Protocol
    run: RunRecord
    claim: Claim
    disagreements: tuple[str, ...]
    agreed: Mapping[str, str]
    audit: dict[str, Any] | None

    @property
    def standing(self) -> Standing:
        """What this sheet may be called."""
        if self.disagreements or not self.claim.holds or self.audit_failed:
            return "refuted"
        return "simulated" if self.protocol.privacy.noise == "simulated" else "claim"

    @property
    def audit_failed(self) -> bool:
        """Whether an audit was given and did not pass."""
        return self.audit is not None and self.audit["passed"] is not True

    @property
    def exit_code(self) -> ExitCode:
        """The code a command returns with this sheet."""
        return {
            "claim": ExitCode.SUCCESS,
            "simulated": ExitCode.NO_CLAIM,
            "refuted": ExitCode.NOT_VERIFIED,
        }[self.standing]


def sheet_of(run_dir: Path, audit: Path | None = None) -> Sheet:
    """The sheet of a run folder; a Failure where it is none, or lacks a ledger."""
    run = read_run_record(run_dir)
    protocol = read_protocol(run_dir / "protocol.yaml")
    ledgers = _ledgers(run_dir, run, protocol)
    try:
        claim = claim_of(ledgers, protocol.privacy.delta)
    except (VerifierError, AccountingError) as error:
        raise _missing(str(error)) from error
    agreed = standing_of(run_dir, protocol, claim)
    found = (
        *_names_disagree(protocol, run),
        *_figures_disagree(protocol, run, claim),
        *(f"agreement of {name}: {one}" for name, one in agreed.items() if one not in SOUND),
    )
    return Sheet(protocol, run, claim, found, agreed, read_audit(audit) if audit else None)


def read_audit(path: Path) -> dict[str, Any]:
    """What `insula privacy audit --json` printed into this file; a Failure if it is not that."""
    try:
        found = json.loads(path.read_bytes())
        if set(AUDIT_KEYS) - set(found):
            raise ValueError(f"no {sorted(set(AUDIT_KEYS) - set(found))}")
        for figure in ("claimed_epsilon", "lower_bound_epsilon"):
            if not math.isfinite(found[figure]):
                raise ValueError(f"{figure} is {found[figure]}")
        if not all(isinstance(one["flagged"], bool) for one in found["planted"].values()):
            raise ValueError("a planted fault without `flagged`")
    except FileNotFoundError:
        raise _missing(f"no {path}") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Failure(
            found=f"{path}, which is no audit: {error}",
            expected="the output of `insula privacy audit --json`",
            consequence="No claim sheet was written.",
            remedy="run the audit again, or leave --audit out: the sheet then says it was not run",
            code=ExitCode.BAD_DATA,
        ) from error
    return dict(found)


def _ledgers(run_dir: Path, run: RunRecord, protocol: Protocol) -> dict[str, Path]:
    """The ledger folder of every member, and of whatever else lies in `clinics/`."""
    homes = run_dir / "clinics"
    present = {path.parents[1].name for path in homes.glob(f"*/ledger/{RECORDS}")}
    needed = {one.name for one in run.members} | {one.name for one in protocol.members}
    if lacking := sorted(needed - present):
        raise _missing(f"no {RECORDS} in {homes}/NAME/ledger for {', '.join(lacking)}")
    return {name: homes / name / "ledger" for name in sorted(present)}


def _names_disagree(protocol: Protocol, run: RunRecord) -> Iterator[str]:
    """What run.json and protocol.yaml say differently."""
    promised, said = protocol.privacy, run.privacy
    pairs = {
        "study": (run.study, protocol.study),
        "protocol_sha256": (run.protocol_sha256, protocol.digest()),
        "noise": (run.noise, promised.noise),
        "privacy.unit": (said.unit, promised.unit),
        "privacy.adjacency": (said.adjacency, promised.adjacency),
        "privacy.delta": (said.delta, promised.delta),
        "clinics": (
            [(one.name, one.declared_patients) for one in run.clinics],
            [(one.name, one.declared_patients) for one in protocol.clinics],
        ),
    }
    for name, (written, agreed) in pairs.items():
        if written != agreed:
            yield f"{name}: run.json says {written}, protocol.yaml says {agreed}"


def _figures_disagree(protocol: Protocol, run: RunRecord, claim: Claim) -> Iterator[str]:
    """What run.json or protocol.yaml say and the ledgers do not bear out."""
    for one in claim.clinics:
        if not one.ledger.holds:
            yield f"ledger of {one.clinic}: {one.ledger.problem}"
        elif not _same(one.ledger.mu_cap, protocol.mu):
            yield f"ledger of {one.clinic}: cap of mu {one.ledger.mu_cap:g}, not {protocol.mu:g}"
        elif set(one.ledger.studies) != {protocol.study}:
            yield f"ledger of {one.clinic}: of {', '.join(one.ledger.studies)}"
        else:
            yield from _rounds_disagree(run, one.clinic, {step.round for step in one.curve})
    if claim.meaning is None:
        return
    said, sigma = run.privacy, protocol.sigma
    pairs = {
        "epsilon": (said.epsilon, claim.epsilon),
        "mu": (said.mu, claim.mu),
        "releases": (said.releases, claim.releases),
        "replace_one_epsilon": (said.replace_one_epsilon, claim.meaning.epsilon_replace_one),
        "two_site_epsilon": (said.two_site_epsilon, claim.meaning.epsilon_two_sites),
    }
    for name, (written, spent) in pairs.items():
        if written is not None and not _same(written, spent):
            yield f"privacy.{name}: run.json says {written:g}, the ledgers say {spent:g}"
    pld = claim.epsilon_pld
    if (
        said.pld_epsilon is not None
        and pld is not None
        and abs(said.pld_epsilon - pld) > PLD_TOLERANCE
    ):
        yield f"privacy.pld_epsilon: run.json says {said.pld_epsilon:g}, the ledgers say {pld:g}"
    sigmas = sorted({step.sigma for _, step in _steps(claim) if step.name == RELEASE})
    if any(not _same(one, said.sigma) for one in sigmas):
        yield f"privacy.sigma: run.json says {said.sigma:g}, the ledgers say {sigmas}"
    if any(not _same(one, sigma) for one in sigmas):
        yield f"sigma: protocol.yaml gives {sigma:g}, the ledgers say {sigmas}"
    yield from _metrics_disagree(protocol, run, claim)


def _metrics_disagree(protocol: Protocol, run: RunRecord, claim: Claim) -> Iterator[str]:
    """Metrics that were not agreed, not as agreed, or published without having been paid for."""
    metrics = [(clinic, step) for clinic, step in _steps(claim) if step.name != RELEASE]
    for clinic, step in metrics:
        agreed = protocol.metric_release(clinic)
        if agreed is None or agreed.suppressed:
            yield f"ledger of {clinic}: {step.name}, which the protocol does not ask of it"
        elif (step.round, step.name) != (agreed.round_number, agreed.name):
            yield f"ledger of {clinic}: {step.name} in round {step.round}, not as agreed"
        elif not _same(step.sigma, agreed.sigma):
            yield f"ledger of {clinic}: {step.name} with noise {step.sigma:g}, not {agreed.sigma:g}"
    told = () if run.metrics is None else run.metrics.clinics
    if unpaid := sorted(set(told) - {clinic for clinic, step in metrics if step.released}):
        yield f"metrics: run.json has those of {unpaid}, whose ledgers have no such release"


def _steps(claim: Claim) -> Iterator[tuple[str, Spent]]:
    """Every debit of every clinic's ledger."""
    return ((one.clinic, step) for one in claim.clinics for step in one.curve)


def _rounds_disagree(run: RunRecord, clinic: str, debited: set[int]) -> Iterator[str]:
    took_part = {entry.round for entry in run.rounds if clinic in entry.took_part}
    if unpaid := sorted(took_part - debited):
        yield f"rounds: run.json says {clinic} took part in {unpaid}, its ledger has no such debit"


def _same(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and math.isclose(one, other, rel_tol=TOLERANCE)


def _missing(found: str) -> Failure:
    return Failure(
        found=found,
        expected="a run folder with run.json, protocol.yaml and a ledger of every member clinic",
        consequence="No claim sheet was written.",
        remedy="name the run folder, with the ledgers the clinics keep laid in clinics/NAME/ledger",
        code=ExitCode.MISSING_INPUT,
    )
