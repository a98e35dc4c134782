"""What a clinic allows, in its own words on its own disk. Without it nothing leaves.

A coordinator sends a protocol; a person at the clinic reads it and writes its digest here. That is
the clinic's signature. The caps are the clinic's too: the stricter of policy and protocol holds.
"""

from functools import lru_cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

from study.failure import ExitCode, Failure
from study.protocol import Protocol

POLICY = "policy.yaml"
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class LifetimeBudget(BaseModel):
    """The most that the patients of a cohort may spend over all studies of this site.

    `folder`, relative to the clinic's home, is where the ledgers of its cohorts lie, by name. It is
    the same for every study of the site.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    cohort: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]*$", max_length=60)]
    epsilon: Annotated[float, Field(gt=0.0, le=50.0)]
    delta: Annotated[float, Field(gt=0.0, lt=0.01)] = 1e-5
    folder: Annotated[str, Field(min_length=1)] = "../cohorts"


class Policy(BaseModel):
    """Protocols this clinic approved, the most epsilon a patient may spend, the fewest patients.

    `lifetime` names the cohort that its patients are of, whose budget all studies share.
    `rehearsal` says that the patients are virtual or openly published people: only then is noise
    taken that protects nobody.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    approved_protocols: tuple[Sha256, ...] = ()
    epsilon_cap: Annotated[float, Field(gt=0.0)]
    minimum_patients: Annotated[int, Field(ge=1)]
    rehearsal: StrictBool = False
    lifetime: LifetimeBudget | None = None

    def require(self, protocol: Protocol, patients: int) -> None:
        """Nothing if this clinic may take part with so many patients; a Failure otherwise."""
        self.require_protocol(protocol)
        least = max(self.minimum_patients, protocol.cohorts.minimum_patients)
        if patients < least:
            raise refused(f"{patients} enrolled patients", f"{least} or more")

    def require_protocol(self, protocol: Protocol) -> None:
        """Nothing if this clinic allows the protocol, whoever enrols; a Failure otherwise."""
        if protocol.digest() not in self.approved_protocols:
            raise refused("a protocol nobody approved here", "its digest in approved_protocols")
        if protocol.privacy.noise != "exact" and not self.rehearsal:
            raise refused(
                f"{protocol.privacy.noise} noise, which protects nobody",
                "noise: exact, or `rehearsal: true` here, which is for people who are not patients",
            )
        if protocol.privacy.epsilon > self.epsilon_cap:
            raise refused(
                f"epsilon {protocol.privacy.epsilon:g}", f"at most {self.epsilon_cap:g}, this cap"
            )


def read_policy(home: Path) -> Policy:
    """The policy in a clinic's home folder; a Failure, and so no release, if it has none."""
    try:
        return _policy((home / POLICY).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise refused(f"no usable policy in {home / POLICY}: {error}", "a policy file") from error


@lru_cache(maxsize=1)
def _policy(text: str) -> Policy:
    """The policy in a text; one that was read before is not read again."""
    return Policy.model_validate(yaml.safe_load(text))


def write_policy(home: Path, policy: Policy) -> None:
    """Put a policy into a clinic's home folder."""
    text = yaml.safe_dump(policy.model_dump(mode="json", exclude_none=True), sort_keys=True)
    (home / POLICY).write_text(text, encoding="utf-8")


def refused(found: str, expected: str) -> Failure:
    """A refusal of this clinic, in words for its own log."""
    return Failure(
        found=found,
        expected=expected,
        consequence="Nothing left the clinic.",
        remedy=f"a person at the clinic decides; {POLICY} says what is allowed",
        code=ExitCode.REFUSED,
    )
