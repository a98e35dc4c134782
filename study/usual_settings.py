"""How a study of a given size and budget usually releases: settings chosen on other virtual people.

The louder a study's people are in its noise (study/expected_share.py), the more numbers it can
afford. Each clinic releases once: of a fixed budget one release has least noise, and how far a step
must go to make up for clipped rows is known beforehand. How these figures were found, and what else
was tried: docs/decisions/004.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from privacy.gaussian_dp import mu_of_epsilon
from study.protocol import Protocol

NUMBERS_BY_LOUDNESS = 2.6
FEWEST_NUMBERS, MOST_NUMBERS = 16, 160
CLIP_NORM = 0.25
"""A quarter of a usual row: every row is cut to nearly the same length, so none weighs more."""

SHORTEST_RATE, FARTHEST_RATE = 1.0, 6.0
PEOPLE_A_RATE, PEOPLE_FOR_NOTHING = 11.3, 10.0
"""Few people say less surely where to go, whatever the noise: they go less far."""

BODY_CLIP_NORM, BODY_LOCAL_STEPS, BODY_RATE = 0.5, 20, 3.0


@dataclass(frozen=True)
class AdapterSettings:
    """Of one release in wide directions, and how far the server follows it."""

    dimension: int
    clip_norm: float
    rate: float


def adapter_settings(
    declared: Sequence[int], epsilon: float, delta: float = 1e-5
) -> AdapterSettings:
    """Those of a study of clinics of so many declared patients, at this budget."""
    loud = loudness_of(declared, epsilon, delta)
    far = round((sum(declared) - PEOPLE_FOR_NOTHING) / PEOPLE_A_RATE, 2)
    numbers = 16 * round(NUMBERS_BY_LOUDNESS * loud / 16)
    return AdapterSettings(
        dimension=min(max(numbers, FEWEST_NUMBERS), MOST_NUMBERS),
        clip_norm=CLIP_NORM,
        rate=min(max(far, SHORTEST_RATE), FARTHEST_RATE),
    )


def loudness_of(declared: Sequence[int], epsilon: float, delta: float) -> float:
    """mu N / sqrt(S): that of S clinics of N/S patients each."""
    return float(mu_of_epsilon(epsilon, delta) * sum(declared) / len(declared) ** 0.5)


def usual(protocol: Protocol, kind: Literal["adapter", "body"]) -> Protocol:
    """The same study, budget and people, with a release of this kind as its size has it."""
    plain = protocol.model_dump()
    if kind == "body":
        plain["release"], plain["server"]["rate"] = _body(), BODY_RATE
    else:
        declared = [one.declared_patients for one in protocol.members]
        privacy = protocol.privacy
        settings = adapter_settings(declared, privacy.epsilon, privacy.delta)
        plain["release"], plain["server"]["rate"] = _adapter(settings), settings.rate
    return Protocol.model_validate(plain)


def _adapter(settings: AdapterSettings) -> dict[str, Any]:
    return {
        "kind": "adapter",
        "directions": "wide",
        "rounds": 1,
        "clip_norm": settings.clip_norm,
        "dimension": settings.dimension,
    }


def _body() -> dict[str, Any]:
    from models.correction import BODY_DIMENSION  # brings torch, which writing a protocol does not

    return {
        "kind": "body",
        "rounds": 1,
        "clip_norm": BODY_CLIP_NORM,
        "local_steps": BODY_LOCAL_STEPS,
        "dimension": BODY_DIMENSION,
    }
