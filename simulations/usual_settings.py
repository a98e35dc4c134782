"""How a study of a given size and budget usually releases: settings chosen on other virtual people.

The louder a study's people are in its noise (study/expected_share.py), the more numbers it can
afford. Each clinic releases once: of a fixed budget one release has least noise, and how far a step
must go to make up for clipped rows is known beforehand. How these figures were found, and what else
was tried: docs/decisions/004.
"""

from dataclasses import dataclass

from models.correction import BODY_DIMENSION
from privacy.gaussian_dp import mu_of_epsilon
from study.protocol import Protocol, Release


@dataclass(frozen=True)
class Settings:
    """Of a release, and how far the server follows it."""

    dimension: int
    clip_norm: float
    rate: float
    local_steps: int = 1


NUMBERS_BY_LOUDNESS = 2.6
FEWEST_NUMBERS, MOST_NUMBERS = 16, 160
CLIP_NORM = 0.25
"""A quarter of a usual row: every row is cut to nearly the same length, so none weighs more."""

FARTHEST_RATE, PEOPLE_A_RATE = 6.0, 16.0
"""Few people say less surely where to go, whatever the noise: they go less far."""


def loudness_of(protocol: Protocol) -> float:
    """mu N / sqrt(S) of the members' declared sizes: that of S clinics of N/S patients each."""
    declared = [one.declared_patients for one in protocol.members]
    mu = mu_of_epsilon(protocol.privacy.epsilon, protocol.privacy.delta)
    return float(mu * sum(declared) / len(declared) ** 0.5)


def usual(protocol: Protocol, kind: str) -> Protocol:
    """The same study, budget and people, with a release of this kind as its size has it."""
    people = sum(one.declared_patients for one in protocol.members)
    settings = settings_for(kind, loudness_of(protocol), people)
    plain = protocol.model_dump()
    plain["release"] = Release(
        kind="body" if kind == "body" else "adapter",
        directions="first" if kind == "body" else "wide",
        rounds=1,
        clip_norm=settings.clip_norm,
        local_steps=settings.local_steps,
        dimension=settings.dimension,
    ).model_dump()
    plain["server"]["rate"] = settings.rate
    return Protocol.model_validate(plain)


def settings_for(kind: str, loud: float, people: int) -> Settings:
    """Those of a study of this loudness and so many people."""
    if kind == "body":
        return Settings(BODY_DIMENSION, 0.5, 3.0, local_steps=20)
    numbers = 16 * round(NUMBERS_BY_LOUDNESS * loud / 16)
    return Settings(
        dimension=min(max(numbers, FEWEST_NUMBERS), MOST_NUMBERS),
        clip_norm=CLIP_NORM,
        rate=min(1.0 + people / PEOPLE_A_RATE, FARTHEST_RATE),
    )
