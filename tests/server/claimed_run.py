"""A run folder made by real ledgers, for tests of the claim sheet."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from privacy.accountants import PLD
from privacy.canonical import RELEASE, canonical_sha256
from privacy.gaussian_dp import epsilon_of_mu, mu_of_releases, replace_one, two_sites
from privacy.ledger import Ledger
from study.protocol import Protocol
from tests.study.small_study import protocol_with

EXACT = protocol_with(("noise: simulated", "noise: exact"))


def ledger_at(folder: Path, protocol: Protocol, rounds: tuple[int, ...] = (1, 2)) -> None:
    with Ledger.open(folder, mu_cap=protocol.mu, study=protocol.study) as ledger:
        for number in rounds:
            values = np.full(protocol.release.dimension, float(number))
            ledger.debit(number, protocol.sigma, 1000.0 + number)
            ledger.store(number, values)
            ledger.receipt(number, canonical_sha256({RELEASE: values}), 1000.5 + number)


def run_at(folder: Path, protocol: Protocol = EXACT) -> Path:
    """A run of two rounds in which every member took part, as it would have been written."""
    for one in protocol.members:
        (folder / "clinics" / one.name).mkdir(parents=True)
        ledger_at(folder / "clinics" / one.name / "ledger", protocol)
    (folder / "protocol.yaml").write_text(protocol.canonical())
    (folder / "run.json").write_text(json.dumps(record_of(protocol)))
    return folder


def record_of(protocol: Protocol) -> dict[str, Any]:
    mu, delta = mu_of_releases([protocol.sigma] * 2), protocol.privacy.delta
    members = [one.name for one in protocol.members]
    return {
        "study": protocol.study,
        "seed": 1,
        "protocol_sha256": protocol.digest(),
        "body_sha256": "0" * 64,
        "noise": protocol.privacy.noise,
        "clinics": [
            {"name": one.name, "declared_patients": one.declared_patients}
            for one in protocol.clinics
        ],
        "rounds": [{"round": number, "took_part": members} for number in (1, 2)],
        "privacy": {
            "unit": "patient",
            "adjacency": "add_remove",
            "epsilon": epsilon_of_mu(mu, delta),
            "delta": delta,
            "mu": mu,
            "sigma": protocol.sigma,
            "releases": 2,
            "pld_epsilon": PLD().epsilon([protocol.sigma] * 2, delta),
            "replace_one_epsilon": epsilon_of_mu(replace_one(mu), delta),
            "two_site_epsilon": epsilon_of_mu(two_sites(mu), delta),
        },
        "scores": [],
    }


def edit(run: Path, place: tuple[str | int, ...], value: Any) -> None:
    """Change one place of run.json."""
    whole = json.loads((run / "run.json").read_text())
    node = whole
    for part in place[:-1]:
        node = node[part]
    node[place[-1]] = value
    (run / "run.json").write_text(json.dumps(whole))
