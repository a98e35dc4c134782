"""`insula study rehearse` as a coordinator meets it: docs/coordinator.md, followed literally."""

import json
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import insula
from privacy.verifier import verify
from server.run_record import read_run_record
from study.failure import ExitCode
from study.protocol import read_protocol
from tests.documented import COORDINATOR, typed_by

OUT = Path("runs") / "islands-rehearsal"


@pytest.fixture(scope="module")
def followed(
    tmp_path_factory: pytest.TempPathFactory, repository: Path
) -> Iterator[tuple[Path, list[str]]]:
    """An empty folder in which every command of the page was typed, and their names."""
    folder, seen = tmp_path_factory.mktemp("coordinator"), []
    page = typed_by(COORDINATOR, "docs/coordinator.md", repository)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for words in [shlex.split(line)[1:] for block in page for line in block]:
            seen.append(" ".join(words[:2]))
            if seen[-1] == "study dashboard":
                assert watched(words) == insula.INTERRUPTED
            else:
                assert insula.main(words) == ExitCode.SUCCESS, words
        yield folder, seen


def watched(words: list[str]) -> int:
    """A dashboard, looked at once and interrupted."""
    command = [sys.executable, "-m", "insula", *words, "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        url = json.loads(running.stdout.readline())["url"]
        with urllib.request.urlopen(url) as answer:
            assert b"islands" in answer.read()
        running.send_signal(signal.SIGINT)
        return running.wait(60)


@pytest.fixture(scope="module")
def told(followed: tuple[Path, list[str]]) -> dict[str, Any]:
    """rehearsal.json."""
    found: dict[str, Any] = json.loads((followed[0] / OUT / "rehearsal.json").read_text())
    return found


@pytest.mark.slow
def test_the_page_leads_from_a_protocol_to_a_report(followed: tuple[Path, list[str]]) -> None:
    folder, seen = followed
    assert seen[0] == "study new" and seen[-1] == "privacy verify"
    assert {"study rehearse", "study sign", "study dashboard"} <= set(seen)
    assert (folder / OUT / "repeat-1" / "report.html").is_file()
    assert "islands" in (folder / OUT / "rehearsal.html").read_text()


@pytest.mark.slow
def test_it_answers_and_says_what_it_costs(
    told: dict[str, Any], followed: tuple[Path, list[str]]
) -> None:
    assert told["protocol_sha256"] == read_protocol(followed[0] / "islands.yaml").digest()
    assert told["worth_it"] in ("no", "open", "yes") and told["repeats"] == 2
    assert len(told["reasons"]) == len(told["gains"]) == 1  # nobody was held out
    assert told["time"]["work_s_per_round"] > 0.0 and set(told["megabytes"]) == {
        "harbour",
        "lagoon",
    }
    assert told["privacy"]["epsilon"] == pytest.approx(8.0)


@pytest.mark.slow
def test_every_repeat_is_a_whole_run_with_other_people(followed: tuple[Path, list[str]]) -> None:
    runs = [followed[0] / OUT / f"repeat-{number}" for number in (1, 2)]
    records = [read_run_record(run) for run in runs]
    assert {one.noise for one in records} == {"simulated"}
    assert len({one.body_sha256 for one in records}) == 2
    scored = {score.model for one in records for score in one.scores}
    assert {"local", "federated_dp_local"} <= scored and not scored & {"pooled", "federated"}
    assert all(verify(run).holds for run in runs)


@pytest.mark.slow
def test_figures_are_those_of_the_repeats(
    told: dict[str, Any], followed: tuple[Path, list[str]]
) -> None:
    scores = [
        one.rmse_mg_dl
        for number in (1, 2)
        for one in read_run_record(followed[0] / OUT / f"repeat-{number}").scores
        if (one.cohort, one.clinic, one.horizon_min) == ("same_patients", "all", 60)
        and one.model == "federated_dp_local"
    ]
    found = told["errors_mg_dl"]["same_patients"]["federated_dp_local"]["60"]
    assert found["of_repeats"] == pytest.approx(scores)


def test_a_protocol_that_is_not_there(tmp_path: Path) -> None:
    words = ["study", "rehearse", str(tmp_path / "no.yaml"), "--like", "child", "--days", "7"]
    assert insula.main(words) == ExitCode.MISSING_INPUT


def test_people_like_nobody_are_refused(tmp_path: Path) -> None:
    words = ["study", "rehearse", str(tmp_path / "no.yaml"), "--like", "horses"]
    assert insula.main(words) == ExitCode.USAGE
