"""A patient followed at home: causal to the byte, honest when it cannot, plain in its words."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from client.ingest.importer import import_folder
from client.site_folder import SITE_TABLE
from client.site_table import write_site
from client.twin_cli import app
from client.twin_follow_page import followed_as_dict, followed_in_words
from client.twin_following import FollowedDay, FollowedPatient, follow_patient
from models.calibration import calibrate
from models.drift import Alarm
from models.trace import STEPS_PER_DAY, Trace
from study.failure import ExitCode, Failure
from study.public_start import read_public_start
from tests.models.people import made_up_trace

FIRST, DAYS = 6, 3
BODY = read_public_start().weights


@pytest.fixture(scope="module")
def trace() -> Trace:
    return made_up_trace(1, days=FIRST + DAYS + 1, doses=True)


@pytest.fixture(scope="module")
def found(trace: Trace) -> FollowedPatient:
    return follow_patient(trace, BODY, FIRST, DAYS)


@pytest.mark.slow
def test_each_day_is_judged_and_each_midnight_fits_again(found: FollowedPatient) -> None:
    assert len(found.days) == DAYS and found.refits == DAYS - 1
    assert found.whole.forecasts == sum(one.forecasts for one in found.days)
    assert 20 <= found.days[0].forecasts <= 24
    assert np.isfinite(found.whole.rmse_mg_dl).all()


@pytest.mark.slow
def test_the_last_day_changes_nothing_before_it(trace: Trace, found: FollowedPatient) -> None:
    glucose = trace["glucose_mg_dl"].copy()
    midnights = np.flatnonzero(np.diff(trace.local_day)) + 1
    glucose[midnights[-1] :] += 60.0
    later = replace(trace, columns=dict(trace.columns) | {"glucose_mg_dl": glucose})
    other = follow_patient(later, BODY, FIRST, DAYS)
    assert len(other.days) == len(found.days)
    same, changed = found.days[-2], other.days[-2]
    early = slice(0, 1)  # at longer horizons the last forecasts of the day look into the next one
    assert found.days[0].rmse_mg_dl.tolist() == other.days[0].rmse_mg_dl.tolist()
    assert same.ln_sensitivity == changed.ln_sensitivity
    assert found.days[-1].rmse_mg_dl[early].tolist() != other.days[-1].rmse_mg_dl[early].tolist()


def test_a_record_too_short_is_refused_in_words() -> None:
    with pytest.raises(Failure) as caught:
        follow_patient(made_up_trace(1, days=4, doses=True), BODY, 14, 14)
    assert caught.value.code is ExitCode.REFUSED
    assert "a record of 4.0 days" in str(caught.value)


def day(ours: list[float], held: list[float]) -> FollowedDay:
    covered = np.array([80.0, 81.0, np.nan])
    return FollowedDay(0, 20, np.array(ours), np.array(held), covered, 0.0)


def patient_of(whole: FollowedDay, alarm: Alarm | None = None) -> FollowedPatient:
    twin = calibrate([made_up_trace(1, days=2, doses=True)])[0]
    return FollowedPatient("x", (whole,), whole, whole, twin, 1, 2, alarm)


def test_words_say_where_it_helped_and_where_not() -> None:
    mixed = patient_of(day([10.0, 20.0, 40.0], [12.0, 25.0, 30.0]))
    assert "Better than the last reading at 30 and 60 minutes." in followed_in_words(mixed)
    worse = patient_of(day([13.0, 26.0, 40.0], [12.0, 25.0, 30.0]))
    assert "do not use these forecasts" in followed_in_words(worse)
    assert "not for treatment" in followed_in_words(worse)


def test_an_alarm_is_said_and_written() -> None:
    rung = patient_of(day([1.0, 1.0, 1.0], [2.0, 2.0, 2.0]), Alarm(16, higher=True))
    assert "Alarm on day 17" in followed_in_words(rung)
    plain = json.loads(json.dumps(followed_as_dict(rung)))
    assert plain["alarm"]["day"] == 16 and plain["alarm"]["higher"] is True
    assert plain["whole"]["covered_80_pct"] == [80.0, 81.0, None], "what is unknown is null"


@pytest.mark.slow
def test_the_command_prints_json_a_table_and_words(trace: Trace, tmp_path: Path) -> None:
    write_site(tmp_path / SITE_TABLE, [trace])
    asked = ["follow", trace.patient, "--site", str(tmp_path), "--first-days", "6", "--days", "2"]
    said = CliRunner().invoke(app, [*asked, "--json"])
    assert said.exit_code == 0, said.output
    plain = json.loads(said.stdout)
    assert plain["patient"] == trace.patient and len(plain["days"]) == 2
    spoken = CliRunner().invoke(app, asked)
    assert spoken.exit_code == 0 and "Research software" in spoken.output


def test_real_people_are_followed(shared_data: Path) -> None:
    """One real person, a few days: no error, and better than nothing at an hour."""
    (one,) = [
        trace
        for trace in import_folder(shared_data / "uom", "uom", "Europe/London").traces
        if trace.patient.endswith("2307")
    ]
    found = follow_patient(one.rows(0, 30 * STEPS_PER_DAY), BODY, 7, 4)
    assert found.whole.forecasts > 40
    assert np.isfinite(found.whole.rmse_mg_dl).all()
