"""The audit: it finds what is wrong, shows most of what is claimed, and cries no wolf."""

import numpy as np
import pytest
from scipy.stats import binomtest

from privacy import audit as module
from privacy.audit import CLAIMED_MU, Attack, Audit, at_most, attack, audit, lower_bound, neighbours
from privacy.gaussian_dp import epsilon_of_mu
from privacy.moments import MomentTest
from privacy.noise import ExactNoise
from privacy.planted import PLANTED, Mechanism, Site, honest
from privacy.release import release_sum

QUIET = MomentTest(1.0, 0.0, 0.0, 0.0, 0.0)


def scores(mu: float, trials: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """What an exactly mu-GDP release shows an auditor: N(mu, 1) and N(0, 1)."""
    random = np.random.default_rng(seed)
    return random.normal(mu, 1.0, trials), random.normal(0.0, 1.0, trials)


def verdict(correct: float = 4.1, planted: float = 9.0, noise: MomentTest = QUIET) -> Audit:
    """An audit with these bounds of epsilon."""
    faults = {name: Attack(planted, planted) for name in PLANTED}
    return Audit(4.377, Attack(correct / 4.5, correct), faults, noise, 1000, 1.0)


@pytest.mark.parametrize(("successes", "trials"), [(0, 50), (3, 200), (199, 200), (777, 9000)])
def test_the_limit_is_that_of_clopper_and_pearson(successes: int, trials: int) -> None:
    limits = binomtest(successes, trials).proportion_ci(module.CONFIDENCE, method="exact")
    assert at_most(successes, trials) == pytest.approx(limits.high, rel=1e-9)


def test_always_wrong_proves_nothing() -> None:
    assert at_most(20, 20) == 1.0
    assert lower_bound(np.zeros(100), np.zeros(100)) == 0.0


@pytest.mark.parametrize("seed", range(40))
def test_no_false_alarm_in_forty_audits_of_an_exact_mechanism(seed: int) -> None:
    assert lower_bound(*scores(1.0, 4000, seed)) < 1.0


def test_twenty_thousand_trials_show_nine_tenths_of_the_claim() -> None:
    shown = [lower_bound(*scores(1.0, 20_000, seed)) for seed in range(10)]
    assert min(shown) > 0.91 and max(shown) < 1.0


@pytest.mark.parametrize("seed", range(5))
def test_a_fifth_less_noise_is_flagged(seed: int) -> None:
    assert lower_bound(*scores(1.25, 20_000, seed)) > CLAIMED_MU


def test_the_direction_of_the_leak_does_not_matter() -> None:
    including, without = scores(2.0, 5000, 0)
    assert lower_bound(-including, -without) == pytest.approx(lower_bound(including, without))


@pytest.mark.slow
def test_a_bound_that_counts_its_pilot_would_say_more() -> None:
    """The planted bug: threshold chosen and counted on the same trials shows too much too often."""
    wrong = right = 0.0
    for seed in range(30):
        including, without = scores(1.0, 400, seed)
        thresholds = np.linspace(-1, 2, 200)
        wrong += max(module._shown(including, without, each) for each in thresholds)
        right += lower_bound(including, without)
    assert wrong > right + 1.0


def test_neighbours_differ_by_one_patient_out_of_bounds() -> None:
    others, patient = neighbours()
    assert len(others) == module.OTHERS
    assert np.linalg.norm(patient.mean(axis=0)) > 50 * max(
        np.linalg.norm(one.mean(axis=0)) for one in others
    )


def test_what_shows_clearly_more_than_the_middle_is_used() -> None:
    """A leak that only a few releases betray, all of them far out."""
    random = np.random.default_rng(3)
    without = random.normal(0.0, 1.0, 5000)
    including = np.where(random.random(5000) < 0.2, 30.0, random.normal(0.0, 1.0, 5000))
    assert lower_bound(including, without) > 1.5


@pytest.mark.parametrize("seed", range(20))
def test_thirty_thousand_trials_never_call_the_audit_blind(seed: int) -> None:
    shown = epsilon_of_mu(lower_bound(*scores(1.0, module.TRIALS, seed)), module.DELTA)
    assert module.SHARP_ENOUGH * 4.377 < shown < 4.377


@pytest.mark.usefixtures("repeatable_entropy")
@pytest.mark.slow
@pytest.mark.parametrize("fault", PLANTED.values(), ids=PLANTED.keys())
def test_every_planted_fault_is_flagged(fault: Mechanism) -> None:
    assert attack(fault, module.PLANTED_TRIALS).flagged


@pytest.mark.usefixtures("repeatable_entropy")
@pytest.mark.slow
def test_the_release_path_stands_and_the_audit_is_not_blind() -> None:
    found = attack(honest, 6000)
    assert not found.flagged
    assert found.lower_bound_epsilon > 0.75 * 4.377


@pytest.mark.usefixtures("repeatable_entropy")
@pytest.mark.slow
def test_noise_at_four_fifths_through_the_release_path_is_flagged() -> None:
    def weak(site: Site) -> np.ndarray:
        rows = np.stack([windows.mean(axis=0) for windows in site])
        return release_sum(rows, 1.0, 0.8, ExactNoise()).values

    assert attack(weak, 6000).flagged


def test_it_passes_only_if_everything_holds() -> None:
    assert verdict().passed
    assert not verdict(correct=4.6).passed, "the claim was disproved"
    assert not verdict(correct=3.0).passed, "the audit is blind"
    assert not verdict(planted=0.9).passed, "a planted fault was not seen"
    assert not verdict(noise=MomentTest(0.98, -9.0, 0.0, 0.0, 0.0)).passed


@pytest.mark.slow
def test_a_whole_audit_keeps_its_books(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PLANTED_TRIALS", 100)
    found = audit(1000)
    assert found.trials == 1000 and set(found.planted) == set(PLANTED)
    assert not found.noise.flagged and not found.correct.flagged
