"""The tables of a study over several seeds, against figures worked by hand."""

from pathlib import Path

import pytest

from server.run_record import Model, RunRecord, Score, write_run_record
from simulations.study_tables import main, markdown, read_study, table, with_spread
from study.failure import Failure

ERRORS: dict[Model, float] = {"persistence": 25.0, "pretrained": 20.0, "federated": 18.0}


def record(seed: int, private: float, protocol: str = "a" * 64) -> RunRecord:
    """A run with one clinic and one horizon, whose private body errs by `private`."""
    scores = tuple(
        Score.model_validate(
            {
                "cohort": cohort,
                "clinic": clinic,
                "horizon_min": 30,
                "model": model,
                "rmse_mg_dl": error,
                "mard_pct": 10.0,
            }
        )
        for cohort in ("same_patients", "new_patients")
        for clinic in ("north", "all")
        for model, error in {**ERRORS, "federated_dp": private}.items()
    )
    return RunRecord.model_validate(
        {
            "study": "made-up",
            "seed": seed,
            "protocol_sha256": protocol,
            "body_sha256": "b" * 64,
            "noise": "exact",
            "clinics": ({"name": "north", "declared_patients": 5},),
            "rounds": ({"round": 1, "took_part": ("north",)},),
            "privacy": {
                "unit": "patient",
                "adjacency": "add_remove",
                "epsilon": 8.0,
                "delta": 1e-5,
                "mu": 1.67,
                "sigma": 0.6,
                "releases": 1,
            },
            "scores": scores,
            "adoption": {"north": "new" if private < 20.0 else "old"},
        }
    )


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    folders = [tmp_path / str(seed) for seed in (1, 2)]
    for seed, folder, private in zip((1, 2), folders, (19.0, 20.5), strict=True):
        write_run_record(folder, record(seed, private))
    return folders


def test_a_figure_is_the_mean_with_its_spread(runs: list[Path]) -> None:
    page = markdown(read_study(runs))
    assert "| federated_dp | 19.75 (1.06) |" in page
    assert "| persistence | 25.00 (0.00) |" in page
    assert "seeds 1, 2" in page and "Epsilon 8 at delta 1e-05" in page


def test_what_privacy_keeps_is_a_share_of_the_gain_without_it(runs: list[Path]) -> None:
    """Means: start 20, federated 18, private 19.75: an eighth of the gain."""
    assert "| same patients | 12 % |" in markdown(read_study(runs))


def test_a_loss_is_shown_as_one(tmp_path: Path) -> None:
    write_run_record(tmp_path, record(1, 21.0))
    page = markdown(read_study([tmp_path]))
    assert "| same patients | -50 % |" in page
    assert "| north | 0 |" in page


def test_each_clinic_has_its_own_line(runs: list[Path]) -> None:
    assert "| north, 30 min | 20.00 (0.00) | - | 18.00 (0.00) | 19.75 (1.06) | - |" in markdown(
        read_study(runs)
    )


def test_homes_that_adopted_are_counted(runs: list[Path]) -> None:
    assert "| clinic | kept the new body, of 2 runs |" in markdown(read_study(runs))
    assert "| north | 1 |" in markdown(read_study(runs))


def test_a_single_run_claims_no_spread(runs: list[Path]) -> None:
    assert "| federated_dp | 19.00 |" in markdown(read_study(runs[:1]))


def test_runs_of_two_protocols_are_refused(runs: list[Path], tmp_path: Path) -> None:
    write_run_record(tmp_path / "other", record(3, 19.0, "c" * 64))
    with pytest.raises(Failure, match="runs of 2 protocols"):
        read_study([*runs, tmp_path / "other"])


def test_cells_and_tables() -> None:
    assert with_spread([]) == "-" and with_spread([1.0]) == "1.00"
    assert with_spread([1.0, 3.0]) == "2.00 (1.41)"
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"


def test_the_command_writes_the_page(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "deep" / "page.md"
    monkeypatch.setattr("sys.argv", ["study_tables", *map(str, runs), "--out", str(out)])
    main()
    assert out.read_text() == markdown(read_study(runs))
