"""Each planted fault does what its name says, and nothing else."""

import numpy as np
import pytest

from privacy.planted import (
    PLANTED,
    Mechanism,
    Site,
    clip_off,
    fixed_seed,
    fresh_accountant,
    half_noise,
    honest,
    no_noise,
    site_head,
    site_scaling,
    window_as_unit,
)

REPEATS = 300


def site(far: float) -> Site:
    """Two patients of six windows, the second `far` out along the first axis."""
    usual = np.full((6, 2), 0.1)
    return [usual, np.tile([far, 0.0], (6, 1))]


def mean_of(mechanism: Mechanism, of: Site) -> float:
    """Mean release along the first axis: the noise averages out to 0.06."""
    return float(np.mean([mechanism(of)[0] for _ in range(REPEATS)]))


def test_every_fault_is_on_the_list() -> None:
    assert set(PLANTED) == {
        "window_as_unit",
        "site_scaling",
        "site_head",
        "clip_off",
        "half_noise",
        "no_noise",
        "fixed_seed",
        "fresh_accountant",
    }


def test_the_correct_release_holds_a_patient_to_one_clip_norm() -> None:
    assert mean_of(honest, site(100.0)) == pytest.approx(1.1, abs=0.3)


def test_windows_as_rows_weigh_six_clip_norms() -> None:
    assert mean_of(window_as_unit, site(100.0)) == pytest.approx(6.6, abs=0.3)


def test_without_clipping_a_patient_weighs_what_he_likes() -> None:
    assert mean_of(clip_off, site(100.0)) == pytest.approx(100.1, abs=0.3)


def test_a_shared_head_moves_the_other_patients_row() -> None:
    """Patients at 0.1 and 100 around their mean: -1 and 1 after clipping, the sum 0."""
    assert mean_of(site_head, site(100.0)) == pytest.approx(0.0, abs=0.3)


def test_a_shared_scale_moves_the_other_patients_row() -> None:
    """Alone, the other fills a clip norm; beside one at 100 he nearly vanishes."""
    alone = [np.array([[0.1, 0.09]] * 6)]
    assert mean_of(site_scaling, alone) == pytest.approx(0.74, abs=0.3)
    others_share = mean_of(site_scaling, site(100.0)) - 1.0
    assert others_share == pytest.approx(0.0, abs=0.3)


@pytest.mark.parametrize(("fault", "sd"), [(half_noise, 0.5), (fresh_accountant, 0.5)])
def test_less_noise_than_the_ledger_says(fault: Mechanism, sd: float) -> None:
    released = [fault(site(0.0))[0] for _ in range(REPEATS)]
    assert np.std(released) == pytest.approx(sd, rel=0.2)


@pytest.mark.parametrize("fault", [no_noise, fixed_seed])
def test_the_same_release_every_time(fault: Mechanism) -> None:
    assert len({fault(site(0.3))[0].round(3) for _ in range(5)}) == 1
    assert len({honest(site(0.3))[0].round(3) for _ in range(5)}) == 5
