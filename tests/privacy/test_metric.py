"""Metrics as releases: bounded by patient, named, rounded, suppressed below 11, charged."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from privacy.canonical import RELEASE, canonical_sha256
from privacy.gate import Gate, GateCode, GateError, Manifest
from privacy.ledger import Ledger, LedgerError
from privacy.metric import FEWEST_PATIENTS, MetricRelease
from privacy.noise import ExactNoise
from privacy.release import release_sum
from privacy.sensitivity import max_leave_one_out
from privacy.verifier import verify
from tests.privacy.test_verifier import bad, rewritten

FloatArray = npt.NDArray[np.float64]
NAME = "metrics:rmse_gain_30,rmse_gain_60"
METRIC = MetricRelease(3, NAME, 2, 5.0, 2.0, 20)
FEW = MetricRelease(3, NAME, 2, 5.0, 2.0, FEWEST_PATIENTS - 1)
C = METRIC.clip_norm
D = 4
PEOPLE = [
    np.array(row)
    for row in ([0.5, 1.0], [1e30, -1e30], [np.nan, 1.0], [np.inf, 0.0], [-4.9, 5.1], [0.0, 0.0])
]
"""Gains of six people, most of them made up to be heard."""


def bounded(people: Sequence[FloatArray]) -> FloatArray:
    return METRIC.rows(np.array(people).reshape(-1, 2))


def test_each_value_is_cut_to_its_bound_and_what_is_no_number_counts_as_nothing() -> None:
    assert bounded(PEOPLE).tolist() == [[0.5, 1], [5, -5], [0, 0], [0, 0], [-4.9, 5], [0, 0]]
    assert pytest.approx(5 * math.sqrt(2)) == C
    with pytest.raises(ValueError, match=r"shape \(2, 3\); expected \(patients, 2\)"):
        METRIC.rows(np.zeros((2, 3)))


def test_one_patient_moves_the_sum_by_the_clip_norm_at_most() -> None:
    assert max_leave_one_out(bounded, PEOPLE, C) <= C * (1 + 1e-9)
    assert max_leave_one_out(bounded, PEOPLE, C) > 0.99 * C, "the loudest is at the bound"


def test_planted_gains_about_the_clinic_s_mean_are_seen() -> None:
    def about_the_mean(people: Sequence[FloatArray]) -> FloatArray:
        rows = bounded(people)
        return rows - 3.0 * rows.mean(axis=0) if len(rows) else rows

    assert max_leave_one_out(about_the_mean, PEOPLE, C) > 1.2 * C


def test_planted_an_unclipped_metric_is_seen() -> None:
    def as_they_come(people: Sequence[FloatArray]) -> FloatArray:
        return np.nan_to_num(np.array(people).reshape(-1, 2), nan=0.0, posinf=0.0)

    assert max_leave_one_out(as_they_come, PEOPLE, 1e31) > 1e20 * C


def told(ledger: Ledger, metric: MetricRelease = METRIC) -> FloatArray:
    """The way of the agent: debit, draw, store, receipt."""
    ledger.debit(metric.round_number, metric.sigma, 0.0, metric.name)
    release = release_sum(bounded(PEOPLE), C, metric.sigma, ExactNoise(), metric.name)
    ledger.store(metric.round_number, release.values)
    ledger.receipt(metric.round_number, release.sha256, 0.0)
    return release.values


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A clinic that released two rounds of training and its metrics."""
    with Ledger.open(tmp_path / "ledger", mu_cap=2.0, study="gate") as opened:
        for number in (1, 2):
            opened.debit(number, 2.0, 0.0)
            release = release_sum(np.ones((3, D)), 1.0, 2.0, ExactNoise())
            opened.store(number, release.values)
            opened.receipt(number, release.sha256, 0.0)
        told(opened)
        yield opened


def gate_of(ledger: Any, metric: MetricRelease | None = METRIC) -> Gate:
    return Gate(Manifest({RELEASE: ("<f8", (D,))}), ledger, metric)


def test_metrics_pass_in_their_round_again_and_again(ledger: Ledger) -> None:
    values = ledger.cached(3)
    assert values is not None
    for _ in range(3):
        assert gate_of(ledger).pass_out(3, {NAME: values})[NAME].tobytes() == values.tobytes()
    training = ledger.cached(1)
    assert training is not None
    assert list(gate_of(ledger).pass_out(1, {RELEASE: training})) == [RELEASE]


Payload = Callable[[FloatArray], tuple[int, dict[Any, Any]]]
LEAKS: dict[str, tuple[GateCode, Payload]] = {
    "another name": (GateCode.NAMES, lambda v: (3, {"metrics:loss": v})),
    "the names in another order": (
        GateCode.NAMES,
        lambda v: (3, {"metrics:rmse_gain_60,rmse_gain_30": v}),
    ),
    "the name of a release": (GateCode.NAMES, lambda v: (3, {RELEASE: v})),
    "metrics in a round of training": (GateCode.NAMES, lambda v: (1, {NAME: v})),
    "metrics beside a release": (GateCode.NAMES, lambda v: (1, {RELEASE: v, NAME: v})),
    "a count beside them": (GateCode.NAMES, lambda v: (3, {NAME: v, "patients": np.ones(1)})),
    "a metric more": (GateCode.SHAPE, lambda v: (3, {NAME: np.append(v, 6.0)})),
    "a patient's row": (GateCode.SHAPE, lambda v: (3, {NAME: bounded(PEOPLE)})),
    "single precision": (GateCode.DTYPE, lambda v: (3, {NAME: v.astype(np.float32)})),
    "a NaN": (GateCode.NOT_FINITE, lambda v: (3, {NAME: np.array([v[0], np.nan])})),
    "the sum in mmol/L": (GateCode.ROUNDING, lambda v: (3, {NAME: v / 18.016})),
    "a last bit": (GateCode.ROUNDING, lambda v: (3, {NAME: np.nextafter(v, np.inf)})),
    "the sum without noise": (
        GateCode.OTHER_VALUES,
        lambda v: (3, {NAME: np.round(bounded(PEOPLE).sum(axis=0) / C) * C}),
    ),
    "another draw": (
        GateCode.OTHER_VALUES,
        lambda v: (3, {NAME: release_sum(bounded(PEOPLE), C, 2.0, ExactNoise()).values}),
    ),
    "a round later": (GateCode.NAMES, lambda v: (4, {NAME: v})),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_metric_is_held_back_by_its_code(leak: str, ledger: Ledger) -> None:
    values = ledger.cached(3)
    assert values is not None
    code, payload = LEAKS[leak]
    with pytest.raises(GateError) as held:
        gate_of(ledger).pass_out(*payload(values))
    assert held.value.code is code


def test_below_eleven_declared_patients_nothing_leaves_whatever_was_receipted(
    ledger: Ledger,
) -> None:
    values = ledger.cached(3)
    with pytest.raises(GateError) as held:
        gate_of(ledger, FEW).pass_out(3, {NAME: values})  # type: ignore[dict-item]
    assert held.value.code is GateCode.SUPPRESSED


def test_planted_a_gate_that_forgets_who_is_too_few_lets_them_out(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MetricRelease, "suppressed", False)
    values = ledger.cached(3)
    assert gate_of(ledger, FEW).pass_out(3, {NAME: values})  # type: ignore[dict-item]


class Receipted:
    """A ledger whose receipts bind whatever is asked about."""

    def __init__(self, sha256: str) -> None:
        self._sha256 = sha256

    def receipt_sha256(self, round_number: int) -> str | None:
        return self._sha256


def test_unrounded_metrics_do_not_leave_even_with_a_receipt() -> None:
    exact = np.array([1.0 / 3.0, 2.0])
    receipts = Receipted(canonical_sha256({NAME: exact}))
    with pytest.raises(GateError) as held:
        gate_of(receipts).pass_out(3, {NAME: exact})
    assert held.value.code is GateCode.ROUNDING


def test_an_uncharged_metric_is_not_kept_and_not_receipted(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, mu_cap=2.0, study="gate") as ledger:
        with pytest.raises(LedgerError, match="no debit"):
            ledger.store(3, np.zeros(2))
        with pytest.raises(LedgerError, match="no stored vector"):
            ledger.receipt(3, canonical_sha256({NAME: np.zeros(2)}), 0.0)


def test_a_receipt_binds_the_name_that_was_debited(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, mu_cap=2.0, study="gate") as ledger:
        ledger.debit(3, 2.0, 0.0, NAME)
        ledger.store(3, np.zeros(2))
        for name in (RELEASE, "metrics:loss"):
            with pytest.raises(LedgerError, match="a vector of hash"):
                ledger.receipt(3, canonical_sha256({name: np.zeros(2)}), 0.0)
        assert ledger.sha256_of(3, np.zeros(2)) == canonical_sha256({NAME: np.zeros(2)})


@pytest.mark.parametrize("other", [RELEASE, "metrics:loss"])
def test_a_round_debited_for_metrics_is_debited_for_nothing_else(
    other: str, tmp_path: Path
) -> None:
    with Ledger.open(tmp_path, mu_cap=2.0, study="gate") as ledger:
        ledger.debit(3, 2.0, 0.0, NAME)
        with pytest.raises(LedgerError, match="the name debited before"):
            ledger.debit(3, 2.0, 0.0, other)
        ledger.debit(3, 2.0, 0.0, NAME)
    with Ledger.open(tmp_path, mu_cap=2.0, study="gate") as again:
        assert again.mu_spent() == pytest.approx(math.sqrt(2) / 2)


def test_the_verifier_counts_metrics_like_every_debit(ledger: Ledger) -> None:
    verdict = verify(ledger.folder)
    assert verdict.holds, verdict
    assert verdict.ledgers[0].mu == pytest.approx(math.sqrt(3) / 2)
    assert [one["name"] for one in debits(ledger.folder) if "name" in one] == [NAME]


def debits(folder: Path) -> list[dict[str, Any]]:
    records = [json.loads(each) for each in (folder / "ledger.jsonl").read_text().splitlines()]
    return [one for one in records if one["kind"] == "debit"]


FAULTS: dict[
    str, tuple[int | None, Callable[[list[dict[str, Any]]], list[dict[str, Any]]], str]
] = {
    "renamed": (
        None,
        lambda records: [_named(one, "metrics:loss") for one in records],
        "is not the vector of its receipt",
    ),
    "passed off as training": (
        None,
        lambda records: [{k: v for k, v in one.items() if k != "name"} for one in records],
        "is not the vector of its receipt",
    ),
    "debited for two things": (
        7,
        lambda records: [*records, {**records[5], "name": "metrics:loss"}],
        "debited for 'metrics:loss', and before for another",
    ),
    "never debited": (
        5,
        lambda records: [one for one in records if "name" not in one],
        "one without a debit",
    ),
    "a receipt with a name": (
        6,
        lambda records: [*records[:6], {**records[6], "name": NAME}],
        "with fields",
    ),
}


def _named(record: dict[str, Any], name: str) -> dict[str, Any]:
    return {**record, "name": name} if "name" in record else record


@pytest.mark.parametrize("fault", FAULTS)
def test_the_verifier_names_what_is_wrong_with_metrics(fault: str, ledger: Ledger) -> None:
    """Planted by somebody with the clinic's own key."""
    number, change, words = FAULTS[fault]
    rewritten(change)(ledger.folder)
    found, problem = bad(ledger.folder)
    assert words in problem
    assert found == number
