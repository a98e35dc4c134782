"""A protocol to begin with: every line says what it decides, and the whole passes `study check`."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import indent
from typing import Literal

import yaml

from privacy.gaussian_dp import AccountingError
from study.failure import ExitCode, Failure
from study.usual_settings import BODY_RATE, AdapterSettings, adapter_settings

Kind = Literal["adapter", "prior", "body"]

FEWEST_NAMED = 5


@dataclass(frozen=True)
class Terms:
    """What a coordinator decides first; `clinics` are (name, declared patients)."""

    study: str
    clinics: tuple[tuple[str, int], ...]
    kind: Kind = "adapter"
    epsilon: float = 8.0
    delta: float = 1e-5
    quorum: int | None = None
    deadline_s: float = 3600.0

    @property
    def patients(self) -> int:
        """Declared patients of all clinics."""
        return sum(count for _, count in self.clinics)

    @property
    def least_clinics(self) -> int:
        """The quorum: the one asked for, or all clinics but three in ten."""
        return self.quorum or len(self.clinics) - 3 * len(self.clinics) // 10


def skeleton(terms: Terms) -> str:
    """The text of a protocol for these terms, with a comment for every line."""
    if not terms.clinics:
        raise Failure(
            found="no clinic",
            expected="one at least",
            consequence="No protocol was written.",
            remedy="say --clinic NAME=PATIENTS once for each clinic",
            code=ExitCode.USAGE,
        )
    clinics = "".join(
        _clinic(place, name, count) for place, (name, count) in enumerate(terms.clinics)
    )
    return TEXT.format(
        study=terms.study,
        clinics=clinics,
        least=min(FEWEST_NAMED, *(count for _, count in terms.clinics), terms.patients),
        release=indent(_release(terms), "  "),
        rate=_number(_rate(terms)),
        epsilon=_number(terms.epsilon),
        delta=_number(terms.delta),
        quorum=terms.least_clinics,
        members=len(terms.clinics),
        deadline_s=_number(terms.deadline_s),
    )


def clinics_of(words: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Clinics written as NAME=PATIENTS; a Failure names the first that is not."""
    found = []
    for word in words:
        name, _, count = word.rpartition("=")
        if not name or not count.isdecimal():
            raise Failure(
                found=f"--clinic {word!r}",
                expected="NAME=PATIENTS, such as harbour=18",
                consequence="No protocol was written.",
                remedy="write the clinic's name, an equals sign and how many patients it declares",
                code=ExitCode.USAGE,
            )
        found.append((name, int(count)))
    return tuple(found)


def _number(value: float) -> str:
    """The number in full, in the only form of a small one that YAML does not read as text."""
    return yaml.safe_dump(float(value)).split()[0]


def _release(terms: Terms) -> str:
    """The lines of `release`; those of an adapter are usual for its size and budget."""
    if terms.kind == "prior":
        return PRIOR
    if terms.kind == "body":
        return BODY
    settings = _adapter(terms)
    return ADAPTER.format(clip_norm=settings.clip_norm, dimension=settings.dimension)


def _rate(terms: Terms) -> float:
    if terms.kind == "adapter":
        return _adapter(terms).rate
    return BODY_RATE if terms.kind == "body" else 1.0


def _adapter(terms: Terms) -> AdapterSettings:
    declared = [count for _, count in terms.clinics]
    try:
        return adapter_settings(declared, terms.epsilon, terms.delta)
    except AccountingError as error:
        raise Failure(
            found=f"epsilon {terms.epsilon:g} and delta {terms.delta:g}: {error}",
            expected="epsilon above 0, delta between 0 and 1",
            consequence="No protocol was written.",
            remedy="correct --epsilon or --delta",
            code=ExitCode.BAD_PROTOCOL,
        ) from error


def _clinic(place: int, name: str, patients: int) -> str:
    held_out = 2 if patients >= 10 else int(patients >= FEWEST_NAMED)
    return CLINIC.format(
        name=name,
        patients=patients,
        held_out=held_out,
        virtual=patients + held_out,
        seed=101 + place,
    )


TEXT = """\
# A protocol: all that the sites agree on. They sign its digest, so one changed letter is another
# study. Test it with `insula study check`, and rehearse it before you ask a hospital.

# Name of the study: small letters, digits and hyphens. Ledgers keep it for ever.
study: {study}
# How far ahead the twins forecast, minutes: of 30, 60 and 120.
horizons_min: [30, 60, 120]

# One entry for each clinic.
clinics:
{clinics}
# Who is enrolled.
cohorts:
  # Share of each patient's days, the last ones, that is kept to judge and never learned from.
  hold_out_time_fraction: 0.2
  # Days of readings that a patient needs.
  minimum_days: 3
  # A clinic with fewer enrolled patients than this releases nothing.
  minimum_patients: {least}

# What a clinic sends in a round: one noisy sum of one clipped row of numbers a patient.
release:
{release}
# The promise to each patient, over all rounds, at each clinic where the patient is enrolled.
privacy:
  # Budget: less is safer and teaches less. 8 is weak, 2 strong; `insula privacy plan` explains.
  epsilon: {epsilon}
  # Chance that the promise says nothing: far below one over the number of patients.
  delta: {delta}
  # exact, from the operating system; simulated is repeatable, protects nobody, and rehearses.
  noise: exact

# How the centre adds up.
server:
  # The mean of the clinics. trimmed_mean, with a trim, guards against clinics that lie, and costs.
  strategy: fedavg
  # How far the shared numbers move along the clinics' mean, 1 being all the way.
  rate: {rate}
  # Take back what the known noise explains. Costs no privacy; a small study needs it.
  shrinkage: true
  # A round counts with so many of the {members} clinics; with fewer the study stops, unfinished.
  quorum: {quorum}
  # Seconds that a round waits for clinics that are late.
  deadline_s: {deadline_s}
"""

CLINIC = """\
  # The clinic's name: public, and written into its ledger.
  - name: {name}
    # How many patients it declares: public, and the only size that the centre reckons with.
    declared_patients: {patients}
    # Whole patients kept out of training to judge on, beside those declared. Rehearsals only.
    hold_out_patients: {held_out}
    # Whom a rehearsal draws in this clinic's place. A clinic's own agent does not read it.
    source:
      # People of the simulator.
      layout: virtual
      # Whom they are like. Take the group of your patients: what a study is worth hangs on it.
      groups: [child, adolescent, adult]
      # Those declared and those held out.
      patients: {virtual}
      # Days of readings of each.
      days: 14
      # Of what is drawn; two clinics must not have the same.
      seed: {seed}
"""

ADAPTER = """\
# adapter: where the body's last layer moves, along public directions. For tens of patients.
kind: adapter
# Directions that were learned from populations far apart; `first` are those of older studies.
directions: wide
# Rounds, and so releases of each clinic; all of them share the budget, and one has least noise.
rounds: 1
# Longest row: longer ones are cut to it. The noise is as many times this as the budget asks.
clip_norm: {clip_norm}
# Numbers in a row: more can say more, and drown sooner.
dimension: {dimension}
"""

PRIOR = """\
# prior: where the population of patients' own parameters lies. For twins of new patients.
kind: prior
# What the numbers are differences from: virtual people, or the book's published groups.
public_prior: virtual
# Rounds, and so releases of each clinic. A prior is learned in one.
rounds: 1
# Longest row: longer ones are cut to it. The noise is as many times this as the budget asks.
clip_norm: 1.5
# Numbers in a row: 18 means; 36 adds variances, for hundreds of patients.
dimension: 18
"""

BODY = """\
# body: all weights of the network. For clinics of fifty patients or more each.
kind: body
# Rounds, and so releases of each clinic; all of them share the budget, and one has least noise.
rounds: 1
# Longest row: a public patient's has about length 1, and longer ones are cut to this.
clip_norm: 0.5
# Steps of learning on each patient's own windows behind one row: 1, 5, 10 or 20.
local_steps: 20
# Numbers in a row: all of them.
dimension: 4588
"""
