"""Studies as other commands printed them: read into the table that plans expect from."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from insula import main
from models.trace import FloatArray
from simulations.prior_page import as_dict as priors_as_dict
from simulations.prior_study import Judgement, PriorPlan, PriorStudy
from simulations.share_of_gain import Draw, Shares
from simulations.share_page import as_dict
from simulations.virtual_sizes import studies_in
from study.expected_share import read_studies
from study.failure import ExitCode, Failure
from study.protocol import parse_protocol

PROTOCOL = """
study: tiny
clinics:
  - name: harbour
    declared_patients: 4
    source: {layout: uom, folder: harbour}
  - name: lagoon
    declared_patients: 6
    source: {layout: uom, folder: lagoon}
release: {kind: adapter, rounds: 2, clip_norm: 0.5, dimension: 8}
privacy: {epsilon: 8.0, delta: 1.0e-5, noise: simulated}
"""


@pytest.fixture
def shares_file(tmp_path: Path) -> Path:
    """One kind, two budgets: 60 and 20 % kept, one clinic in two worse off at epsilon 2."""

    def draw(epsilon: float, seed: int, gain: float, clinics: FloatArray) -> Draw:
        return Draw(0, epsilon, seed, np.full((2, 3), gain), clinics, np.array([True, True]))

    well, badly = np.ones((2, 3)), np.array([[1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]])
    draws = (
        *(draw(8.0, 0, 0.5, well), draw(8.0, 1, 0.7, well)),
        *(draw(2.0, 2, 0.2, badly), draw(2.0, 3, 0.2, badly)),
    )
    found = Shares(parse_protocol(PROTOCOL), np.ones((1, 2, 3)), draws)
    path = tmp_path / "shares.json"
    path.write_text(json.dumps({"adapter": as_dict(found)}))
    return path


@pytest.fixture
def prior_file(tmp_path: Path) -> Path:
    """Two people, two draws at epsilon 8: errors fall from 8 to 4 without privacy, to 5 with it."""
    plan = PriorPlan(days=(3,), epsilons=(8.0,), new_patients=2)
    errors = [("book", 8.0), ("own clinic", 6.0), ("federated", 4.0)]
    errors += [("epsilon 8", 4.0), ("epsilon 8", 6.0)]
    judgements = tuple(
        Judgement(patient, prior, 3, error, 10.0) for patient in "ab" for prior, error in errors
    )
    path = tmp_path / "prior.json"
    path.write_text(json.dumps(priors_as_dict(PriorStudy(plan, judgements))))
    return path


def test_every_budget_of_a_study_is_a_row(shares_file: Path) -> None:
    large, small = studies_in(shares_file)
    assert (large.epsilon, small.epsilon) == (8.0, 2.0)
    assert (large.release, large.sites, large.patients) == ("adapter", 2, 5)
    assert large.kept_pct == pytest.approx((60.0,) * 3)
    assert large.kept_sd_pct == pytest.approx((10.0,) * 3)
    assert small.worse_off_pct == (50.0, 0.0, 0.0)
    assert (large.releases, large.dimension, large.clip_norm, large.draws) == (2, 8, 0.5, 2)


def test_a_study_of_priors_is_a_row_for_each_budget(prior_file: Path) -> None:
    (one,) = studies_in(prior_file)
    assert (one.release, one.sites, one.patients, one.epsilon) == ("prior", 4, 18, 8.0)
    assert one.kept_pct == pytest.approx((75.0,))
    assert one.worse_off_pct == (0.0,)
    assert one.dimension == 18 and one.judged == ("errors of treatment effects, 3 days of data",)


def test_a_draw_that_ends_worse_than_the_book_is_counted(prior_file: Path) -> None:
    plain = json.loads(prior_file.read_text())
    for one in plain["patients"]:
        if one["prior"] == "epsilon 8" and one["effect_error_mg_dl"] == 6.0:
            one["effect_error_mg_dl"] = 9.0
    prior_file.write_text(json.dumps(plain))
    assert studies_in(prior_file)[0].worse_off_pct == (50.0,)


def test_the_command_writes_a_table_that_plans_can_read(
    shares_file: Path, prior_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "table.json"
    words = ["simulate", "sizes", str(shares_file), str(prior_file), "--out", str(out), "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["studies"] == 3
    assert list(read_studies(out)) == studies_in(shares_file) + studies_in(prior_file)
    assert asdict(read_studies(out)[0])["people"] == "tiny"


@pytest.mark.parametrize("text", ["{", "[]", '{"plan": {}}', '{"adapter": {}}'])
def test_what_is_no_study_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(Failure, match="is no study") as caught:
        studies_in(path)
    assert caught.value.code is ExitCode.BAD_DATA
