"""`insula privacy plan`: its figures, the share to expect, and the advice against a bad budget."""

import json
from dataclasses import replace

import pytest

from insula import main
from study import plan_cli
from study.failure import ExitCode
from tests.study.test_expected_share import LADDER

pytestmark = pytest.mark.slow

KEYS = {"sigma", "mu", "epsilon", "delta", "releases", "noise_on_average", "tighter"}


@pytest.fixture
def ladder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five hand-made studies in the place of the shipped ones."""
    monkeypatch.setattr(plan_cli, "read_studies", lambda: LADDER)


def test_plan_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["privacy", "plan", "--epsilon", "4", "--releases", "50", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert set(figures) >= KEYS and "expected" not in figures
    assert figures["sigma"] == pytest.approx(7.645, abs=1e-3)
    assert figures["mu"] == pytest.approx(0.925, abs=1e-3)
    assert figures["epsilon_replace_one"] == pytest.approx(9.1, abs=0.05)


def test_plan_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["privacy", "plan"]) == 0
    heard = capsys.readouterr()
    assert heard.out == ""
    for figure in ("4.244", "19.1", "12.3", "25.5 %"):
        assert figure in " ".join(heard.err.split())


@pytest.mark.parametrize("wrong", [["--delta", "2"], ["--sites", "0", "--release", "body"]])
def test_an_impossible_plan_is_misuse(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["privacy", "plan", *wrong, "--json"]) == ExitCode.USAGE
    assert "expected" in json.loads(capsys.readouterr().out)["error"]["found"]


@pytest.mark.usefixtures("ladder")
def test_a_share_is_promised_with_its_doubt_and_settings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["privacy", "plan", "--release", "adapter", "--sites", "4", "--patients", "20"]
    assert main([*words, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert set(figures) >= KEYS
    assert figures["releases"] == 4, "as many as studies of that size make"
    hoped = figures["expected"]
    assert hoped["kept_pct"] == pytest.approx([40.0, 50.0])
    assert hoped["doubt_pct"] == pytest.approx([5.0, 5.0])
    assert hoped["worth_it"] and hoped["settings"]["dimension"] == 160
    assert main(words) == 0
    heard = " ".join(capsys.readouterr().err.split())
    assert "30 min 40 % (give or take 5)" in heard and "worth having" in heard


@pytest.mark.usefixtures("ladder")
def test_releases_that_are_asked_for_are_planned(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["privacy", "plan", "--release", "adapter", "--rounds", "9", "--sites", "4", "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["releases"] == 9


@pytest.mark.usefixtures("ladder")
def test_it_advises_against_a_budget_worth_less_than_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["privacy", "plan", "--release", "adapter", "--sites", "4", "--patients", "12"]
    assert main([*words, "--epsilon", "2", "--json"]) == 0
    hoped = json.loads(capsys.readouterr().out)["expected"]
    assert not hoped["worth_it"] and hoped["smallest_epsilon_worth_it"] == 4.0
    assert main([*words, "--epsilon", "2"]) == 0
    heard = " ".join(capsys.readouterr().err.split())
    assert "AGAINST this budget" in heard and "epsilon 4 would be worth having" in heard


@pytest.mark.usefixtures("ladder")
def test_a_study_that_no_budget_helps_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["privacy", "plan", "--release", "adapter", "--sites", "1", "--patients", "2"]
    assert main(words) == 0
    heard = " ".join(capsys.readouterr().err.split())
    assert "no budget up to 16 is worth having" in heard
    assert "No virtual study was of this size" in heard


@pytest.mark.parametrize("kind", ["adapter", "prior", "body"])
def test_every_kind_can_be_planned(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["privacy", "plan", "--release", kind, "--sites", "4", "--json"]) == 0
    hoped = json.loads(capsys.readouterr().out)["expected"]
    assert len(hoped["kept_pct"]) == len(hoped["judged"]) == len(hoped["doubt_pct"])


def test_clinics_that_may_lose_are_warned(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hurt = [replace(one, worse_off_pct=(0.0, 30.0)) for one in LADDER]
    monkeypatch.setattr(plan_cli, "read_studies", lambda: hurt)
    assert main(["privacy", "plan", "--release", "adapter", "--sites", "4"]) == 0
    assert "each must compare at home" in " ".join(capsys.readouterr().err.split())


def test_metrics_at_the_end_are_planned_with_what_they_cost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["privacy", "plan", "--rounds", "1", "--sites", "4", "--patients", "18", "--json"]
    assert main(words) == 0
    plain = json.loads(capsys.readouterr().out)
    assert "metrics" not in plain
    assert main([*words, "--metrics", "3", "0.1", "5"]) == 0
    told = json.loads(capsys.readouterr().out)["metrics"]
    assert told["sigma"] == pytest.approx(plain["sigma"] / 0.1**0.5)
    assert told["training_sigma"] == pytest.approx(plain["sigma"] / 0.9**0.5)
    error = told["sigma"] * 5.0 * 3**0.5 * 4**0.5 / 72
    assert told["standard_error"] == pytest.approx(error)
    assert told["training_sigma"] ** -2 + told["sigma"] ** -2 == pytest.approx(plain["mu"] ** 2)
    assert main(["privacy", "plan", "--metrics", "3", "0.1", "5"]) == 0
    assert "10 % of mu squared goes to 3 metric(s)" in " ".join(capsys.readouterr().err.split())
    assert main(["privacy", "plan", "--metrics", "1", "0.9", "5"]) == ExitCode.USAGE


def test_clinics_that_would_tell_no_metric_are_not_planned_as_if_they_did(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["privacy", "plan", "--metrics", "3", "0.1", "5", "--patients"]
    assert main([*words, "11"]) == 0
    capsys.readouterr()
    assert main([*words, "10"]) != 0
    assert "smaller ones tell no metric" in capsys.readouterr().err.replace("\n", " ")
