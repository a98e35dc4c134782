import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from insula import main
from simulations import titration_keep
from simulations.titration import MEASURES, Job, Titrated, Titration
from simulations.titration_keep import kept, opened
from study.failure import ExitCode, Failure

PLAN = Titration(2, (1,), ("leave alone", "run to run"), weeks=3)
JOB: Job = ("A", 1, 0, "run to run")


@pytest.fixture
def lived(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Jobs in the order in which they were really lived."""
    done: list[Job] = []

    def life(plan: Titration, job: Job) -> Titrated:
        done.append(job)
        measures = dict.fromkeys(MEASURES, 1.0 / 3.0 + len(done))
        return Titrated(*job, measures, measures, 50.0, len(done))

    monkeypatch.setattr(titration_keep, "titrated", life)
    return done


def test_a_life_is_lived_once_and_read_as_it_was(tmp_path: Path, lived: list[Job]) -> None:
    folder = opened(tmp_path / "new" / "lives", PLAN)
    first, again = kept(PLAN, folder, JOB), kept(PLAN, folder, JOB)
    assert first == again and lived == [JOB]


def test_every_job_has_a_file_of_its_own(tmp_path: Path, lived: list[Job]) -> None:
    folder = opened(tmp_path, PLAN)
    jobs: list[Job] = [("A", 1, 11, "twin"), ("A", 11, 1, "twin"), ("B", 1, 11, "twin")]
    found = [kept(PLAN, folder, job) for job in [*jobs, JOB]]
    assert lived == [*jobs, JOB]
    assert [kept(PLAN, folder, job) for job in [*jobs, JOB]] == found


def test_more_people_and_arms_may_follow_but_not_other_ways(tmp_path: Path) -> None:
    opened(tmp_path, PLAN)
    opened(tmp_path, replace(PLAN, people=30, seeds=(1, 2), arms=("twin",), worlds=("B",)))
    for other in ({"weeks": 13}, {"off": 0.1}, {"visit_days": 28}, {"group": "child"}):
        with pytest.raises(Failure, match="Nobody was titrated"):
            opened(tmp_path, replace(PLAN, **other))


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "A-1-0-twin.json").write_text("{}")
    with pytest.raises(Failure, match="not said how"):
        opened(tmp_path, PLAN)


@pytest.mark.parametrize("text", ["{", '{"world": "A"}'])
def test_a_broken_file_is_refused_and_not_lived_over(
    text: str, tmp_path: Path, lived: list[Job]
) -> None:
    folder = opened(tmp_path, PLAN)
    (folder / "A-1-0-run-to-run.json").write_text(text)
    with pytest.raises(Failure) as refused:
        kept(PLAN, folder, JOB)
    assert refused.value.code == ExitCode.USAGE and not lived


def test_a_stop_loses_nothing(
    tmp_path: Path, lived: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command is broken off after two lives; called again it lives the two that are missing."""
    whole = titration_keep.titrated  # type: ignore[attr-defined]

    def broken(plan: Titration, job: Job) -> Titrated:
        if len(lived) == 2:
            raise KeyboardInterrupt
        return whole(plan, job)

    words = ["simulate", "titration", "--people", "1", "--seeds", "1", "--weeks", "3"]
    words += ["--arms", "leave alone,guideline", "--processes", "1", "--keep", str(tmp_path)]
    with monkeypatch.context() as during:
        during.setattr(titration_keep, "titrated", broken)
        assert main(words) != 0
    assert len(lived) == 2
    assert main(words) == 0
    assert len(lived) == len(set(lived)) == 4


def test_what_is_kept_is_what_the_command_tells(
    tmp_path: Path, lived: list[Job], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["simulate", "titration", "--people", "1", "--seeds", "1", "--weeks", "3", "--json"]
    words += ["--arms", "leave alone", "--processes", "1", "--keep", str(tmp_path)]
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    path = tmp_path / "A-1-0-leave-alone.json"
    assert json.loads(path.read_text()) == said["people"][0]
    planted = asdict(Titrated(**said["people"][0])) | {"moved": 99}
    path.write_text(json.dumps(planted))
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["people"][0]["moved"] == 99
