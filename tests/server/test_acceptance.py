"""An honest release is accepted, whatever its noise; a repeated or impossible one is not."""

import numpy as np
import pytest

from privacy.noise import SimulatedNoise
from privacy.release import release_sum
from server.acceptance import accepted, digests, largest_norm
from study.protocol import Protocol
from study.wire import Code, Reply
from tests.study.small_study import protocol_with

CHECKED = protocol_with(("{quorum", "{norm_check: true, quorum"))


def release(length: float) -> Reply:
    return Reply("east", Code.RELEASED, np.array([length, 0.0, 0.0]))


def code(reply: Reply, protocol: Protocol = CHECKED, earlier: frozenset[str] = frozenset()) -> Code:
    return accepted(protocol, [reply], earlier)["east"].code


def test_the_bound_by_hand() -> None:
    """C (2 n + sigma (sqrt 3 + sqrt(2 ln 1e9))) with n = 5 declared and C = 0.5."""
    expected = 0.5 * (2 * 5 + CHECKED.sigma * (3**0.5 + 6.43790))
    assert largest_norm(CHECKED, "east") == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("seed", range(20))
def test_an_honest_clinic_with_twice_its_declared_patients_is_never_refused(seed: int) -> None:
    rows = np.tile([1e6, 0.0, 0.0], (10, 1))  # all clipped, all the same way
    values = release_sum(rows, 0.5, CHECKED.sigma, SimulatedNoise(seed, "east")).values
    assert code(Reply("east", Code.RELEASED, values)) is Code.RELEASED


def test_what_is_over_the_bound_is_refused_only_where_the_protocol_says_so() -> None:
    over = release(1.001 * largest_norm(CHECKED, "east"))
    assert code(over) is Code.TOO_LARGE
    assert code(over, protocol_with()) is Code.RELEASED
    assert code(release(0.999 * largest_norm(CHECKED, "east"))) is Code.RELEASED


def test_a_release_of_an_old_round_is_refused_whoever_sends_it() -> None:
    old = frozenset(digests({"north": Reply("north", Code.RELEASED, np.array([1.0, 0.0, 0.0]))}))
    assert code(release(1.0), earlier=old) is Code.OLD_RELEASE
    assert code(release(1.0 + 1e-12), earlier=old) is Code.RELEASED


@pytest.mark.parametrize(
    "values",
    [
        np.array([np.nan, 0.0, 0.0]),
        np.array([np.inf, 0.0, 0.0]),
        np.zeros(4),
        np.zeros((3, 1)),
        np.zeros(3, dtype=np.float32),
        np.zeros(0),
        None,
    ],
)
def test_what_is_no_vector_of_the_study_is_no_release(values: np.ndarray | None) -> None:
    assert code(Reply("east", Code.RELEASED, values)) is Code.BAD_RELEASE


def test_silence_and_two_voices() -> None:
    assert accepted(CHECKED, [], ())["east"] == Reply("east", Code.NO_REPLY)
    assert accepted(CHECKED, [release(1.0)] * 2, ())["east"].code is Code.BAD_RELEASE
    assert accepted(CHECKED, [Reply("east", Code.REFUSED)], ())["east"].code is Code.REFUSED
