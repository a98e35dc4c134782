"""What each clinic has spent, as far as the centre can know without any clinic's ledger.

A release that came was paid for. A clinic that was asked and sent none may have paid too: it debits
before it sends. So there are two figures, and the clinic's own ledger lies between them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from privacy.gaussian_dp import epsilon_of_mu, mu_of_releases
from server.code_words import words_of
from server.run_view import RELEASED, RoundView
from study.protocol import Protocol


@dataclass(frozen=True)
class Spending:
    """A clinic's releases and epsilon: surely spent, at most spent, and allowed by the protocol."""

    clinic: str
    releases: int
    most_releases: int
    epsilon: float
    most_epsilon: float
    cap_epsilon: float


def spending(protocol: Protocol, rounds: tuple[RoundView, ...]) -> tuple[Spending, ...]:
    """Every member's spending over these rounds, in the protocol's order."""
    return tuple(_of_clinic(protocol, one.name, rounds) for one in protocol.members)


def _of_clinic(protocol: Protocol, clinic: str, rounds: tuple[RoundView, ...]) -> Spending:
    came = sum(one.codes.get(clinic) == RELEASED for one in rounds)
    most = sum(_may_have_spent(one, clinic) for one in rounds)
    metrics = _metrics_may_be_told(protocol, clinic, rounds)
    return Spending(
        clinic,
        came,
        most + len(metrics),
        epsilon_of(protocol, came),
        epsilon_of(protocol, most, metrics),
        protocol.privacy.epsilon,
    )


def _metrics_may_be_told(
    protocol: Protocol, clinic: str, rounds: tuple[RoundView, ...]
) -> list[float]:
    """Noise multiplier of the metrics that the clinic may have told: after the last round."""
    metric = protocol.metric_release(clinic)
    over = sum(one.phase == "over" for one in rounds) >= protocol.release.rounds
    return [metric.sigma] if metric is not None and over and not metric.suppressed else []


def _may_have_spent(one: RoundView, clinic: str) -> bool:
    """Whether the clinic may have debited this round; one that is being asked may have."""
    code = one.codes.get(clinic)
    return code is None or not words_of(code).spends_nothing


def epsilon_of(protocol: Protocol, releases: int, others: Sequence[float] = ()) -> float:
    """Epsilon of so many releases at the protocol's delta and noise, and of others."""
    sigmas = [*[protocol.sigma] * releases, *others]
    return epsilon_of_mu(mu_of_releases(sigmas), protocol.privacy.delta)
