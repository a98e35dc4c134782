"""Runs are kept as they are found, and one that is kept is not made again."""

from pathlib import Path

import pytest

from models.own_effect import Doubt
from simulations import learned_file
from simulations.learned_file import judged_once
from simulations.padova_parameters import public_patients
from study.failure import Failure
from tests.simulations.test_effect_trials import PEOPLE

pytestmark = pytest.mark.slow

ADULTS = [one for one in public_patients() if one.group == "adult"]


def test_a_run_is_made_once_and_is_the_same_when_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: judging now fails, so that only what is kept can answer."""
    file = tmp_path / "runs.jsonl"
    monkeypatch.setattr(learned_file, "judge", lambda seed, who: PEOPLE[0])
    first = judged_once(file, 1, (ADULTS[0], "A"))
    monkeypatch.setattr(learned_file, "judge", lambda seed, who: None)
    assert judged_once(file, 1, (ADULTS[1], "A")) is None
    monkeypatch.setattr(learned_file, "judge", _broken)
    assert judged_once(file, 1, (ADULTS[0], "A")) == first == PEOPLE[0]
    assert judged_once(file, 1, (ADULTS[1], "A")) is None
    for who, seed in (((ADULTS[0], "B"), 1), ((ADULTS[0], "A"), 2)):
        with pytest.raises(ZeroDivisionError):
            judged_once(file, seed, who)  # type: ignore[arg-type]
    monkeypatch.setattr(learned_file, "CHOSEN", Doubt(9.0, 0.5))
    with pytest.raises(ZeroDivisionError):
        judged_once(file, 1, (ADULTS[0], "A"))


def _broken(seed: int, who: object) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("text", ["no json\n", "{}\n", "[1]\n", "7\n"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "runs.jsonl"
    file.write_text(text)
    with pytest.raises(Failure, match="holds no kept runs"):
        judged_once(file, 1, (ADULTS[0], "A"))
    assert file.read_text() == text
