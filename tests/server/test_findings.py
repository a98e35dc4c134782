"""Who gained and who did not: the words follow the numbers, also where they are unwelcome."""

from typing import Any

import pytest

from server.findings import findings, headline, listed
from server.run_record import ClinicEntry, Model, RoundEntry, RunRecord, Score


def a_run(full: RunRecord, rmse: dict[str, dict[Model, float]], **parts: Any) -> RunRecord:
    """`full` with other scores: people who took part, 30 minutes, RMSE of each clinic and model."""
    clinics = [name for name in rmse if name != "all"]
    scores = tuple(
        Score(
            cohort="same_patients",
            clinic=clinic,
            horizon_min=30,
            model=model,
            rmse_mg_dl=value,
            mard_pct=9.0,
            patients=20,
        )
        for clinic, models in rmse.items()
        for model, value in models.items()
    )
    changes: dict[str, Any] = {
        "clinics": tuple(ClinicEntry(name=name, declared_patients=20) for name in clinics),
        "rounds": (RoundEntry(round=1, took_part=tuple(clinics)),),
        "scores": scores,
        "forecasts": (),
        "adoption": {},
    }
    return full.model_copy(update=changes | parts)


def test_the_headline_names_who_lost(full_record: RunRecord) -> None:
    assert headline(full_record) == (
        "2 of 3 clinics forecast better with the private federation than from the public start; "
        "madrid forecasts worse. At 30 minutes gradient boosting still beats the twin."
    )


@pytest.mark.parametrize(
    ("north", "south", "said"),
    [
        (19.0, 19.0, "All 2 clinics forecast better"),
        (19.0, 20.0, "1 of 2 clinics forecasts better"),
        (20.0, 20.0, "No clinic forecasts better with the private federation than from the public"),
        (21.0, 22.0, "No clinic forecasts better"),
    ],
)
def test_the_headline_counts(north: float, south: float, said: str, full_record: RunRecord) -> None:
    run = a_run(
        full_record,
        {
            "north": {"federated_dp": north, "pretrained": 20.0},
            "south": {"federated_dp": south, "pretrained": 20.0},
        },
    )
    assert headline(run).startswith(said)
    assert ("north and south forecast worse" in headline(run)) == (north > 20.0)


def test_a_study_of_one_clinic_is_named(full_record: RunRecord) -> None:
    run = a_run(full_record, {"north": {"federated_dp": 19.0, "pretrained": 20.0}})
    assert headline(run) == (
        "north forecasts better with the private federation than from the public start."
    )


def test_boosting_is_named_only_where_it_wins(full_record: RunRecord) -> None:
    """Planted: a report that kept silent on boosting would pass the first half alone."""
    twin: dict[str, dict[Model, float]] = {"north": {"federated_dp": 20.0, "pretrained": 21.0}}
    wins = a_run(full_record, twin | {"all": {"federated_dp": 20.0, "boosting": 20.9}})
    loses = a_run(full_record, twin | {"all": {"federated_dp": 20.0, "boosting": 19.1}})
    assert "boosting" not in headline(wins)
    assert "gradient boosting still beats the twin" in headline(loses)
    assert any(
        "the twin wins (20.0 against 20.9" in said for said in findings(wins, "same_patients")
    )
    assert any(
        "boosting wins (20.0 against 19.1" in said for said in findings(loses, "same_patients")
    )


def test_a_level_race_is_called_level(full_record: RunRecord) -> None:
    run = a_run(full_record, {"north": {}, "all": {"federated_dp": 20.0, "boosting": 20.02}})
    assert any("at 30 minutes they are level" in said for said in findings(run, "same_patients"))


def test_gains_losses_and_ties_are_all_told(full_record: RunRecord) -> None:
    run = a_run(
        full_record,
        {
            "north": {"federated_dp": 19.0, "pretrained": 20.0},
            "south": {"federated_dp": 21.0, "pretrained": 20.0},
            "west": {"federated_dp": 20.0, "pretrained": 20.0},
        },
    )
    (against_start,) = findings(run, "same_patients")
    assert "lower at north (1.0 mg/dL, 5 %); higher at south (1.0 mg/dL, 5 %)" in against_start
    assert against_start.endswith("the same at west.")


def test_the_federated_line_never_stands_alone(full_record: RunRecord) -> None:
    told = " ".join(findings(full_record, "same_patients"))
    for rival in ("public start", "own tuning", "Tuned further at home", "gradient boosting"):
        assert rival in told


def test_few_people_are_called_few(full_record: RunRecord) -> None:
    assert findings(full_record, "same_patients")[-1] == (
        "Fewer than 5 people stand behind the numbers of manchester-5min: "
        "differences there may be chance."
    )
    assert "chance" not in " ".join(findings(full_record, "new_clinic"))


def test_what_was_not_scored_is_not_told(full_record: RunRecord) -> None:
    told = " ".join(findings(full_record, "new_patients"))
    assert "public start" in told and "own tuning" not in told


def test_a_run_without_scores_says_so(full_record: RunRecord) -> None:
    empty = full_record.model_copy(update={"scores": ()})
    assert headline(empty).startswith("This run was not scored")
    assert findings(empty, "same_patients") == ()


def test_a_run_without_the_public_start_says_so(full_record: RunRecord) -> None:
    run = a_run(full_record, {"north": {"federated_dp": 19.0}})
    assert headline(run) == "This run does not hold the federated twin beside the public start."


def test_lists_in_english() -> None:
    assert [listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == [
        "a",
        "a and b",
        "a, b and c",
    ]
