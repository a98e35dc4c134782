"""The better body on a clinic's own people is kept; where in doubt, the old one."""

import json
from pathlib import Path

import pytest

from client.adoption import ADOPTION, choose, note
from study.failure import ExitCode, Failure


def test_a_better_body_is_kept() -> None:
    chosen = choose([20.0, 22.0], [21.0, 22.5])
    assert (chosen.kept, chosen.new_rmse_mg_dl, chosen.old_rmse_mg_dl) == ("new", 21.0, 21.75)


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ([22.0, 25.3], [21.0, 21.0]),  # a majority's body harms this clinic
        ([21.0], [21.0]),  # no better is not better
        ([float("nan"), 10.0], [21.0, 21.0]),
        ([float("inf"), 10.0], [21.0, 21.0]),
    ],
)
def test_the_old_body_is_kept_otherwise(new: list[float], old: list[float]) -> None:
    assert choose(new, old).kept == "old"


def test_it_is_the_mean_over_people_that_decides() -> None:
    assert choose([10.0, 30.0, 20.0], [20.0, 20.0, 21.0]).kept == "new"


@pytest.mark.parametrize(("new", "old"), [([], []), ([1.0], [1.0, 2.0]), ([1.0], [float("nan")])])
def test_errors_of_different_people_are_not_compared(new: list[float], old: list[float]) -> None:
    with pytest.raises(Failure, match="keeps the body it has") as refusal:
        choose(new, old)
    assert refusal.value.code is ExitCode.BAD_DATA


def test_the_decision_stays_in_the_home_folder(tmp_path: Path) -> None:
    note(tmp_path, choose([20.0], [21.0]))
    assert [path.name for path in tmp_path.iterdir()] == [ADOPTION]
    assert json.loads((tmp_path / ADOPTION).read_text())["kept"] == "new"
