"""The ServerApp runs the study its settings name, and a run folder holds what is promised."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Context, RecordDict
from safetensors.numpy import load

from models.correction import BODY_DIMENSION, OUTPUT_DIMENSION
from models.trace import FloatArray
from server.app import app, run_study
from simulations.grid import InProcessGrid, quiet_flower
from study.failure import ExitCode, Failure
from study.protocol import parse_protocol, read_protocol
from study.public_start import PublicStart, to_bytes
from study.wire import Code, Reply, Request
from tests.server.test_rounds import PlainCentre, releases
from tests.study.small_study import RidgeVector, protocol_with

PROTOCOL = protocol_with()


def small_start(seed: int = 0, directions: int = 3) -> PublicStart:
    """A public start of random weights: nobody's, but a real one in form."""
    random = np.random.default_rng(seed)

    def weights() -> np.ndarray:
        return random.normal(0.0, 0.05, BODY_DIMENSION).astype(np.float32)

    basis: FloatArray = 0.05 * random.normal(size=(OUTPUT_DIMENSION, directions))
    ones = np.ones(directions)
    return PublicStart(weights(), weights(), basis, ones, ones, np.ones(4))


def settings(folder: Path, start: PublicStart) -> dict[str, str]:
    (folder / "protocol.yaml").write_text(PROTOCOL.canonical())
    (folder / "start.safetensors").write_bytes(to_bytes(start))
    return {
        "protocol": str(folder / "protocol.yaml"),
        "public-start": str(folder / "start.safetensors"),
        "out": str(folder / "run"),
    }


def answering(name: str) -> object:
    """Another release each round, as noise would make it."""
    release = np.full(3, 0.1 * len(name))
    return lambda request: Reply(name, Code.RELEASED, release + 1e-9 * request.round_number)


def serve(folder: Path, names: list[str]) -> None:
    grid = InProcessGrid([answering(name) for name in names])  # type: ignore[misc]
    context = Context(1, 1, {}, RecordDict(), settings(folder, small_start()))  # type: ignore[arg-type]
    with quiet_flower():
        app(grid, context)


def test_the_server_app_writes_a_run_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(tmp_path, ["east", "north", "west"])
    run = tmp_path / "run"
    assert sorted(path.name for path in run.iterdir()) == [
        "body.safetensors",
        "protocol.yaml",
        "server",
    ]
    assert read_protocol(run / "protocol.yaml") == PROTOCOL
    body = load((run / "body.safetensors").read_bytes())["weights"]
    assert (len(body), body.dtype.name) == (BODY_DIMENSION, "float32")
    assert not np.array_equal(body, small_start().weights)
    assert np.array_equal(body[:-OUTPUT_DIMENSION], small_start().weights[:-OUTPUT_DIMENSION])
    assert capsys.readouterr().out.splitlines() == ["round 1 of 2", "round 2 of 2"]


def test_a_server_app_without_a_quorum_fails(tmp_path: Path) -> None:
    """Flower ends such an app with success unless it raises."""
    with pytest.raises(Failure) as failure:
        serve(tmp_path, ["east", "stranger", "another"])
    assert failure.value.code is ExitCode.TOO_FEW_REPLIES
    assert not (tmp_path / "run" / "body.safetensors").exists()


def test_a_run_folder_of_another_protocol_is_not_continued(tmp_path: Path) -> None:
    run_study(PROTOCOL, RidgeVector(), PlainCentre(releases()), tmp_path, lambda a, b: None)
    other = parse_protocol(PROTOCOL.canonical().replace("clip_norm: 0.5", "clip_norm: 0.6"))
    with pytest.raises(Failure, match="another protocol"):
        run_study(other, RidgeVector(), PlainCentre(releases()), tmp_path, lambda a, b: None)
    assert read_protocol(tmp_path / "protocol.yaml").digest() == PROTOCOL.digest()


def test_who_watches_reads_the_protocol_before_the_first_round(tmp_path: Path) -> None:
    class Watched(PlainCentre):
        def ask(self, request: Request) -> list[Reply]:
            assert read_protocol(tmp_path / "protocol.yaml") == PROTOCOL
            return super().ask(request)

    run_study(PROTOCOL, RidgeVector(), Watched(releases()), tmp_path, lambda a, b: None)
    written = (tmp_path / "protocol.yaml").stat().st_mtime_ns
    run_study(PROTOCOL, RidgeVector(), Watched(releases()), tmp_path, lambda a, b: None)
    assert (tmp_path / "protocol.yaml").stat().st_mtime_ns == written


def test_a_protocol_left_by_a_study_that_never_began_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "protocol.yaml").write_text("of another study")
    run_study(PROTOCOL, RidgeVector(), PlainCentre(releases()), tmp_path, lambda a, b: None)
    assert read_protocol(tmp_path / "protocol.yaml") == PROTOCOL


def test_nor_one_of_another_public_start(tmp_path: Path) -> None:
    class Elsewhere(RidgeVector):
        def start(self) -> FloatArray:
            return np.array([0.1, 0.0, -0.2])

    run_study(PROTOCOL, RidgeVector(), PlainCentre(releases()), tmp_path, lambda a, b: None)
    with pytest.raises(Failure, match="public start"):
        run_study(PROTOCOL, Elsewhere(), PlainCentre(releases()), tmp_path, lambda a, b: None)


def test_the_request_names_the_protocol_that_the_server_read(tmp_path: Path) -> None:
    seen: list[Request] = []

    def remember(request: Request) -> Reply:
        seen.append(request)
        return Reply("east", Code.REFUSED)

    grid = InProcessGrid([remember] * 3)
    chosen = settings(tmp_path, small_start())
    with quiet_flower(), pytest.raises(Failure):
        app(grid, Context(1, 1, {}, RecordDict(), chosen))  # type: ignore[arg-type]
    assert replace(seen[0], shared=np.zeros(0)).protocol_sha256 == PROTOCOL.digest()
