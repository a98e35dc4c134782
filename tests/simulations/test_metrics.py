"""A study that asks for metrics: told once over the in-process grid, summed, charged, verified."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from privacy.ledger import Ledger
from privacy.metric import MetricRelease
from privacy.noise import SimulatedNoise
from privacy.release import release_sum
from privacy.verifier import verify
from server.claim_page import as_plain
from server.claim_sheet import sheet_of
from server.claim_words import covered
from server.findings import told_in_words
from server.run_record import read_run_record
from simulations.cli import app
from simulations.federation import FederationResult, agents_of, noise_of, run_federation
from study.failure import ExitCode, Failure
from study.protocol import Protocol
from tests.server.claimed_run import edit, record_of
from tests.study.small_study import (
    TELLING,
    RidgeVector,
    made_up_gains,
    metric_of,
    protocol_with,
    small_people,
)

pytestmark = pytest.mark.slow

EXACT = ("noise: simulated", "noise: exact")
PROTOCOL = protocol_with(EXACT, *TELLING)
NUMBER = PROTOCOL.release.rounds + 1


def run(folder: Path, protocol: Protocol = PROTOCOL, seed: int = 7) -> FederationResult:
    noise = noise_of(protocol, seed)
    with agents_of(
        protocol, small_people(), RidgeVector(), folder / "clinics", noise, lambda: 1.0
    ) as agents:
        for one in agents:
            one.gains = made_up_gains
        return run_federation(protocol, agents, folder, RidgeVector())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FederationResult]:
    """A study that is over, with a run.json as a simulation writes it."""
    folder = tmp_path_factory.mktemp("telling")
    result = run(folder)
    record = record_of(PROTOCOL)
    assert result.metrics is not None
    record["metrics"] = result.metrics.model_dump(mode="json")
    record["privacy"] = result.privacy.model_dump(mode="json")
    (folder / "run.json").write_text(json.dumps(record))
    return folder, result


@pytest.fixture
def copy(finished: tuple[Path, FederationResult], tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished[0], tmp_path / "copy"))


def debits(folder: Path, clinic: str) -> list[dict[str, Any]]:
    text = (folder / "clinics" / clinic / "ledger/ledger.jsonl").read_text()
    return [one for one in map(json.loads, text.splitlines()) if one["kind"] == "debit"]


def test_the_sum_is_published_with_its_error_and_no_clinic_s_own(
    finished: tuple[Path, FederationResult],
) -> None:
    folder, result = finished
    told = result.metrics
    assert told is not None
    assert (told.clinics, told.suppressed, told.refused) == (("east", "north"), ("west",), {})
    assert told.declared_patients == 15 + 12
    sent = [
        np.load(folder / f"clinics/{name}/ledger/releases/small-study.{NUMBER}.npy")
        for name in told.clinics
    ]
    np.testing.assert_allclose(told.mean_mg_dl, np.sum(sent, axis=0) / 27)
    metric = metric_of(PROTOCOL, "east")
    error = metric.sigma * metric.clip_norm * math.sqrt(2) / 27
    assert told.standard_error_mg_dl == pytest.approx(error)
    people = small_people()
    rows = metric.rows(made_up_gains(None, None, people["east"] + people["north"], (30, 120)))
    assert np.abs(np.array(told.mean_mg_dl) - rows.sum(axis=0) / 27).max() < 6 * error
    assert set(told.model_dump()) & {"east", "north"} == set(), "no clinic's own figures"


def test_what_was_told_in_words(finished: tuple[Path, FederationResult]) -> None:
    told = finished[1].metrics
    assert told is not None
    clear = told.model_copy(update={"mean_mg_dl": (3.0, -0.1), "standard_error_mg_dl": 0.5})
    assert told_in_words(clear) == (
        "2 clinics told once, under noise: over their 27 declared patients the new body's error "
        "is smaller by +3.00 mg/dL at 30 minutes and -0.10 mg/dL at 120 minutes, each with a "
        "standard error of 0.50, 1 of 2 beyond noise."
    )
    nobody = {"clinics": (), "mean_mg_dl": (), "standard_error_mg_dl": None}
    assert "no clinic told any" in told_in_words(told.model_copy(update=nobody))


def test_noise_as_known_is_the_noise_there_is(finished: tuple[Path, FederationResult]) -> None:
    """The published figures of many draws spread by the standard error beside them."""
    metric, told = metric_of(PROTOCOL, "east"), finished[1].metrics
    assert told is not None and told.standard_error_mg_dl is not None
    drawn = [
        [
            release_sum(np.zeros((1, 2)), metric.clip_norm, metric.sigma, noise).values
            for noise in (SimulatedNoise(seed, name, NUMBER) for name in told.clinics)
        ]
        for seed in range(300)
    ]
    spread = np.sum(drawn, axis=1).std() / told.declared_patients
    assert spread == pytest.approx(told.standard_error_mg_dl, rel=0.12)


def test_the_whole_budget_is_spent_where_metrics_are_told_and_less_elsewhere(
    finished: tuple[Path, FederationResult],
) -> None:
    folder, result = finished
    assert result.privacy.epsilon == pytest.approx(PROTOCOL.privacy.epsilon, abs=1e-6)
    assert result.privacy.releases == 3
    verdict = verify(folder)
    assert verdict.holds, verdict
    spent = {Path(one.folder).parent.name: one.epsilon for one in verdict.ledgers}
    assert spent["east"] == pytest.approx(8.0, abs=1e-6)
    assert spent["west"] is not None and spent["west"] < 7.5
    assert [len(debits(folder, name)) for name in ("east", "north", "west")] == [3, 3, 2]


def test_run_again_nothing_is_asked_or_paid_again(copy: Path) -> None:
    before = [debits(copy, name) for name in ("east", "north", "west")]
    again = run(copy)
    assert again.metrics == read_run_record(copy).metrics
    assert [debits(copy, name) for name in ("east", "north", "west")] == before


def test_a_centre_killed_before_it_wrote_them_down_gets_the_same_metrics(copy: Path) -> None:
    (copy / f"server/{NUMBER:04d}-metrics.safetensors").unlink()
    before = [debits(copy, name) for name in ("east", "north", "west")]
    assert run(copy).metrics == read_run_record(copy).metrics
    assert [debits(copy, name) for name in ("east", "north", "west")] == before


def test_without_metrics_a_study_leaves_what_it_left_before(tmp_path: Path) -> None:
    plain = run(tmp_path / "plain", protocol_with())
    assert plain.metrics is None
    assert not list((tmp_path / "plain/server").glob("*metrics*"))
    assert "metrics" not in (tmp_path / "plain/protocol.yaml").read_text()
    signed_before = "e15dbba9aefd8be16a2fa273e652172c744069490ed8ef6794b5498b41231642"
    assert protocol_with().digest() == signed_before


def test_the_claim_sheet_bears_metrics_out(copy: Path) -> None:
    sheet = sheet_of(copy)
    assert sheet.standing == "claim", sheet.disagreements
    assert "rmse_gain_30, rmse_gain_120" in dict(covered(sheet))["the metrics that left"]
    plain = as_plain(sheet)
    names = [[step.get("name") for step in one["curve"]] for one in plain["clinics"]]
    told = "metrics:rmse_gain_30,rmse_gain_120"
    assert names == [[None, None, told], [None, None, told], [None, None]]


def test_the_sheet_names_metrics_that_nobody_paid_for(copy: Path) -> None:
    edit(copy, ("metrics", "clinics"), ["east", "north", "west"])
    (found,) = [one for one in sheet_of(copy).disagreements if one.startswith("metrics")]
    assert "['west'], whose ledgers have no such release" in found


@pytest.mark.parametrize(
    ("clinic", "name", "number", "sigma", "words"),
    [
        ("west", "metrics:rmse_gain_30,rmse_gain_120", NUMBER, 9.0, "does not ask of it"),
        ("east", "metrics:loss", NUMBER + 1, 99.0, "not as agreed"),
        ("east", "metrics:rmse_gain_30,rmse_gain_120", NUMBER, 77.0, "with noise 77"),
    ],
)
def test_the_sheet_names_metrics_that_nobody_agreed(
    clinic: str, name: str, number: int, sigma: float, words: str, copy: Path
) -> None:
    """Planted: a clinic whose program told more, and charged itself for it."""
    shutil.rmtree(copy / "clinics" / clinic / "ledger")
    folder = copy / "clinics" / clinic / "ledger"
    with Ledger.open(folder, mu_cap=PROTOCOL.mu, study=PROTOCOL.study) as ledger:
        ledger.debit(number, sigma, 1.0, name)
    assert any(words in one for one in sheet_of(copy).disagreements)


def test_planted_a_small_clinic_that_tells_is_seen_by_centre_and_sheet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(MetricRelease, "suppressed", False)
        told = run(tmp_path).metrics
        assert told is not None and "west" in told.clinics
    record = record_of(PROTOCOL)
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert any("does not ask of it" in one for one in sheet_of(tmp_path).disagreements)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("rmse_gain_30, rmse_gain_120", "rmse_gain_120, rmse_gain_30"), "increasing"),
        (("rmse_gain_30, rmse_gain_120", "rmse_gain_30, rmse_gain_30"), "increasing"),
        (("rmse_gain_30, rmse_gain_120", "loss"), "Input should be"),
        (("[rmse_gain_30, rmse_gain_120]", "[]"), "at least 1"),
        (("share: 0.2", "share: 0.9"), "less than or equal to 0.5"),
        (("share: 0.2", "bound_mg_dl: .inf"), "finite"),
        (("declared_patients: 12", "declared_patients: 10"), "two or more are needed"),
        (("kind: adapter", "kind: prior"), "leaves it alone"),
    ],
)
def test_metrics_that_cannot_be_told_are_refused(change: tuple[str, str], words: str) -> None:
    with pytest.raises(Failure) as refused:
        protocol_with(EXACT, *TELLING, change)
    assert refused.value.code is ExitCode.BAD_PROTOCOL
    assert words in refused.value.found


TINY = """
study: tiny-telling
clinics:
  - name: harbour
    declared_patients: 11
    source: {layout: virtual, groups: [child], patients: 2, days: 5, seed: 31}
  - name: lagoon
    declared_patients: 11
    source: {layout: virtual, groups: [child], patients: 2, days: 5, seed: 32}
release: {kind: adapter, directions: wide, rounds: 1, clip_norm: 0.25, dimension: 16}
privacy: {epsilon: 8.0, delta: 1.0e-5, noise: exact}
server: {quorum: 2}
metrics: {names: [rmse_gain_30, rmse_gain_60, rmse_gain_120]}
"""


def test_the_command_runs_such_a_study_to_its_end(tmp_path: Path) -> None:
    path, out = tmp_path / "tiny.yaml", tmp_path / "tiny"
    path.write_text(TINY)
    said = CliRunner().invoke(app, ["run", str(path), "--out", str(out)])
    assert said.exit_code == 0, said.output
    told = read_run_record(out).metrics
    assert told is not None and told.clinics == ("harbour", "lagoon")
    assert len(told.mean_mg_dl) == 3 and told.standard_error_mg_dl is not None
    assert verify(out).holds and sheet_of(out).standing == "claim"
    assert "2 clinics told once, under noise" in (out / "report.html").read_text()
