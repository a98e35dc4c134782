"""Days on which two series are written as one are seen, and no others."""

import numpy as np

from client.ingest.interleaving import interleaved
from models.trace import FloatArray, IntArray

DAY_S = 86_400
START = 19_000 * DAY_S


def moments(n: int, step_s: int = 300) -> IntArray:
    return START + step_s * np.arange(n, dtype=np.int64)


def smooth(n: int, seed: int) -> FloatArray:
    """Glucose that drifts, mg/dL, with 2 mg/dL of noise."""
    rng = np.random.default_rng(seed)
    slope = np.convolve(rng.normal(0.0, 2.0, n + 11), np.ones(12) / 3, "valid")
    return 150.0 + 60.0 * np.sin(np.cumsum(slope) / 60.0) + rng.normal(0.0, 2.0, n)


def test_two_series_in_turn_are_seen() -> None:
    a, b = smooth(288, 1), smooth(288, 2) + 80.0
    values = np.where(np.arange(288) % 2, a, b)
    assert interleaved(moments(288), values).all()


def test_two_series_a_minute_apart_are_seen() -> None:
    times = np.sort(np.concatenate([moments(288), moments(288) + 60]))
    values = np.stack([smooth(288, 1), smooth(288, 2) + 80.0], axis=1).ravel()
    assert interleaved(times, values).all()


def test_one_series_is_left_alone() -> None:
    for seed in range(20):
        assert not interleaved(moments(288), smooth(288, seed)).any()


def test_the_noise_of_a_quiet_night_is_no_second_series() -> None:
    noise = np.random.default_rng(5).normal(0.0, 3.0, 288)
    assert not interleaved(moments(288), 110.0 + noise).any()


def test_two_copies_of_one_series_are_left_alone() -> None:
    times = np.sort(np.concatenate([moments(288), moments(288) + 120]))
    values = np.repeat(smooth(288, 1), 2)
    assert not interleaved(times, values).any()


def test_only_the_day_of_both_is_marked() -> None:
    values = smooth(3 * 288, 4)
    values[288 : 2 * 288 : 2] += 90.0
    marked = interleaved(moments(3 * 288), values)
    assert marked[288 : 2 * 288].all()
    assert not marked[:288].any() and not marked[2 * 288 :].any()


def test_the_order_of_the_file_and_its_duplicates_do_not_matter() -> None:
    values = smooth(288, 1) + 90.0 * (np.arange(288) % 2)
    shuffled = np.random.default_rng(0).permutation(288)
    twice = np.concatenate([shuffled, shuffled])
    assert interleaved(moments(288)[twice], values[twice]).all()


def test_a_few_wild_readings_are_no_second_series() -> None:
    values = smooth(288, 1)
    values[[20, 100, 200]] = [400.0, 40.0, 400.0]
    assert not interleaved(moments(288), values).any()


def test_readings_far_apart_say_nothing() -> None:
    values = smooth(48, 1) + 90.0 * (np.arange(48) % 2)
    assert not interleaved(moments(48, 1800), values).any()


def test_few_readings_say_nothing() -> None:
    for n in (0, 1, 2, 20):
        assert not interleaved(moments(n), 90.0 * (np.arange(float(n)) % 2)).any()
