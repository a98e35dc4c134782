"""A prior's file: kept to the last bit, and refused with a reason when it cannot be one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.heads import BOOK_PRIOR, NAMES, HeadPrior
from study.failure import ExitCode, Failure
from study.head_prior_file import read_prior, to_json


@pytest.fixture
def prior() -> HeadPrior:
    random = np.random.default_rng(1)
    factor = np.eye(len(NAMES)) + 0.2 * random.standard_normal((len(NAMES), len(NAMES)))
    scaled = BOOK_PRIOR.sd[:, None] * factor
    off = 0.2 * random.standard_normal(len(NAMES)) * BOOK_PRIOR.sd
    return HeadPrior(BOOK_PRIOR.mean + off, scaled @ scaled.T)


def written(path: Path, prior: HeadPrior, **changes: Any) -> Path:
    plain = json.loads(to_json(prior)) | changes
    path.write_text(json.dumps(plain))
    return path


def test_it_comes_back_to_the_last_bit(tmp_path: Path, prior: HeadPrior) -> None:
    (tmp_path / "prior.json").write_text(to_json(prior))
    back = read_prior(tmp_path / "prior.json")
    assert back.mean.tobytes() == prior.mean.tobytes()
    assert back.covariance.tobytes() == prior.covariance.tobytes()


def refusal(path: Path) -> Failure:
    with pytest.raises(Failure) as caught:
        read_prior(path)
    assert caught.value.code is ExitCode.MISSING_INPUT
    assert str(path) in str(caught.value)
    return caught.value


def lopsided() -> list[list[float]]:
    covariance = BOOK_PRIOR.covariance.copy()
    covariance[0, 1] = 5.0
    rows: list[list[float]] = covariance.tolist()
    return rows


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"parameters": [*NAMES[:-1], "another"]}, "it is of heads of"),
        ({"mean": [0.0]}, "shapes"),
        ({"mean": [float("nan")] * len(NAMES)}, "no numbers"),
        ({"mean": ["x"] * len(NAMES)}, "ValueError"),
        ({"covariance": lopsided()}, "not symmetric"),
        ({"covariance": (-BOOK_PRIOR.covariance).tolist()}, "not positive definite"),
        ({"covariance": np.zeros((len(NAMES), len(NAMES))).tolist()}, "not positive definite"),
    ],
)
def test_a_file_that_is_no_prior_is_refused(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    assert reason in str(refusal(written(tmp_path / "prior.json", BOOK_PRIOR, **changes)))


@pytest.mark.parametrize("text", ["", "[]", "{}", '"prior"', "{", '{"parameters": 3}'])
def test_other_texts_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "prior.json").write_text(text)
    refusal(tmp_path / "prior.json")


def test_a_missing_file_and_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    refusal(tmp_path / "prior.json")
    (tmp_path / "prior.json").write_bytes(b"\xff\xfe\x00")
    refusal(tmp_path / "prior.json")


@pytest.mark.parametrize(
    ("scale", "said"),
    [(1e-4, "drowns a patient's data"), (1e4, "says nothing"), (0.0, "not positive definite")],
)
def test_a_prior_that_is_certain_or_empty_is_refused(
    tmp_path: Path, prior: HeadPrior, scale: float, said: str
) -> None:
    path = written(tmp_path / "p.json", prior, covariance=(scale * prior.covariance).tolist())
    with pytest.raises(Failure) as caught:
        read_prior(path)
    assert said in str(caught.value)


def test_a_prior_that_is_certain_in_one_direction_alone_is_refused(tmp_path: Path) -> None:
    """Every variance looks usual; only together two parameters are pinned."""
    covariance = BOOK_PRIOR.covariance.copy()
    covariance[0, 1] = covariance[1, 0] = 0.9999 * BOOK_PRIOR.sd[0] * BOOK_PRIOR.sd[1]
    path = written(tmp_path / "p.json", BOOK_PRIOR, covariance=covariance.tolist())
    with pytest.raises(Failure, match="of the book's"):
        read_prior(path)


def test_a_prior_whose_means_no_patient_can_have_is_refused(
    tmp_path: Path, prior: HeadPrior
) -> None:
    mean = prior.mean.copy()
    mean[NAMES.index("SI")] = 3.0
    with pytest.raises(Failure, match="beyond the bounds"):
        read_prior(written(tmp_path / "p.json", prior, mean=mean.tolist()))
