"""The round loop: who counts, what the step is, and that a killed server ends with equal bytes."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from models.trace import FloatArray
from server.checkpoint import Checkpoints
from server.rounds import Outcome, run_rounds, step_of
from server.shrinkage import (
    Noise,
    enrolment_variance,
    noise_variance,
    shrunk,
    weights_by_precision,
)
from study.failure import ExitCode, Failure
from study.protocol import Protocol
from study.wire import Code, Reply, Request
from tests.study.small_study import RidgeVector, protocol_with

PROTOCOL = protocol_with()
RELEASES = {
    "east": np.array([1.0, 0.5, 0.0]),
    "north": np.array([2.0, -1.0, 0.5]),
    "west": np.array([0.5, 0.5, -3.0]),
}


@dataclass
class PlainCentre:
    """Replies that were put in, a hair longer each round, as no noise comes twice; numpy's mean."""

    replies: list[Reply]
    asked: list[Request] = field(default_factory=list)

    def ask(self, request: Request) -> list[Reply]:
        self.asked.append(request)
        return [_in_round(request.round_number, reply) for reply in self.replies]

    def average(self, rows: Sequence[FloatArray], weights: FloatArray) -> FloatArray:
        return np.asarray(np.average(np.stack(rows), axis=0, weights=weights))

    def trimmed_mean(self, rows: Sequence[FloatArray], trim: int) -> FloatArray:
        return np.asarray(np.sort(np.stack(rows), axis=0)[trim : len(rows) - trim].mean(axis=0))


def _in_round(number: int, reply: Reply) -> Reply:
    """A reply as another round would have it."""
    if reply.release is None or reply.release.dtype != np.float64:
        return reply
    longer = reply.release * (1.0 + 1e-9 * (number - 1))
    return replace(reply, release=longer + 5e-324 * (number - 1))  # not even silence comes twice


def releases(**changes: Reply | None) -> list[Reply]:
    """Everybody's release, in an order that is not the protocol's, with some replaced."""
    replies = {name: Reply(name, Code.RELEASED, value) for name, value in RELEASES.items()}
    changed = {**replies, **changes}
    return [reply for reply in reversed(changed.values()) if reply is not None]


def run(folder: Path, centre: PlainCentre, protocol: Protocol = PROTOCOL) -> Outcome:
    checkpoints = Checkpoints(folder / "server", protocol.digest(), "b" * 64)
    return run_rounds(protocol, RidgeVector(), centre, checkpoints, lambda done, total: None)


def test_every_round_asks_with_the_vector_so_far(tmp_path: Path) -> None:
    centre = PlainCentre(releases())
    outcome = run(tmp_path, centre)
    assert [request.round_number for request in centre.asked] == [1, 2]
    assert {request.protocol_sha256 for request in centre.asked} == {PROTOCOL.digest()}
    assert centre.asked[0].shared.tolist() == RidgeVector().start().tolist()
    assert centre.asked[1].shared.tolist() == outcome.rounds[0].shared.tolist()
    assert outcome.shared.tolist() == outcome.rounds[1].shared.tolist()


def test_the_step_is_the_written_formula(tmp_path: Path) -> None:
    declared = [5, 8, 6]
    noise = Noise(PROTOCOL.sigma, 0.5, 3)
    weights = weights_by_precision(declared, noise)
    u = sum(
        weight * release / n
        for weight, release, n in zip(weights, RELEASES.values(), declared, strict=True)
    )
    nu = noise_variance(declared, weights, noise)
    tau = enrolment_variance(declared, weights, noise)
    clip_norm = PROTOCOL.release.clip_norm
    step = shrunk(np.asarray(u), nu, RidgeVector().prior_variance(), tau, clip_norm)
    expected = RidgeVector().start() + step
    outcome = run(tmp_path, PlainCentre(releases()))
    assert outcome.rounds[0].shared == pytest.approx(expected, rel=1e-12)


def test_a_body_is_averaged_by_declared_size() -> None:
    body = protocol_with(("kind: adapter", "kind: body"), ("{quorum", "{shrinkage: false, quorum"))
    step = step_of(body, RidgeVector(), PlainCentre([]), list(RELEASES.values()), [5, 8, 6])
    assert step == pytest.approx(sum(RELEASES.values()) / 19.0, rel=1e-12)


def test_the_true_number_of_patients_is_nowhere() -> None:
    """Twice as many declared, half the step: the server knows no other denominator."""
    plain = protocol_with(("kind: adapter", "kind: body"), ("{quorum", "{shrinkage: false, quorum"))
    values = list(RELEASES.values())
    step = step_of(plain, RidgeVector(), PlainCentre([]), values, [5, 8, 6])
    half = step_of(plain, RidgeVector(), PlainCentre([]), values, [10, 16, 12])
    assert half == pytest.approx(step / 2, rel=1e-12)


def test_the_rate_scales_the_step(tmp_path: Path) -> None:
    half = protocol_with(("{quorum", "{rate: 0.5, quorum"))
    start = RidgeVector().start()
    whole_step = run(tmp_path / "1", PlainCentre(releases())).rounds[0].shared - start
    half_step = run(tmp_path / "2", PlainCentre(releases()), half).rounds[0].shared - start
    assert half_step == pytest.approx(whole_step / 2)


def test_pure_silence_moves_nothing(tmp_path: Path) -> None:
    zeros = [Reply(name, Code.RELEASED, np.zeros(3)) for name in RELEASES]
    assert run(tmp_path, PlainCentre(zeros)).shared.tolist() == RidgeVector().start().tolist()


def test_noise_that_looks_a_little_like_signal_moves_no_wide_adapter() -> None:
    """Of two hundred draws of nothing but noise some move along the first directions, none wide."""
    wide = protocol_with(("kind: adapter", "kind: adapter, directions: wide"))
    random, moved = np.random.default_rng(4), {"first": 0, "wide": 0}
    for _ in range(200):
        noise = [random.normal(size=3) * PROTOCOL.sigma * 0.5 for _ in RELEASES]
        for name, protocol in (("first", PROTOCOL), ("wide", wide)):
            step = step_of(protocol, RidgeVector(), PlainCentre([]), noise, [5, 8, 6])
            moved[name] += bool(np.any(step))
    assert moved["wide"] == 0 < moved["first"]


def test_the_order_of_replies_does_not_matter(tmp_path: Path) -> None:
    one = run(tmp_path / "1", PlainCentre(releases()))
    other = run(tmp_path / "2", PlainCentre(releases()[::-1]))
    assert one.shared.tobytes() == other.shared.tobytes()
    assert one.rounds[0].took_part == ("east", "north", "west")


@pytest.mark.parametrize(
    ("north", "reason"),
    [
        (None, "NO_REPLY"),
        (Reply("north", Code.REFUSED), "REFUSED"),
        (Reply("north", Code.INTERNAL), "INTERNAL"),
        (Reply("north", Code.RELEASED, None), "BAD_RELEASE"),
        (Reply("north", Code.RELEASED, np.ones(2)), "BAD_RELEASE"),
        (Reply("north", Code.RELEASED, np.ones((1, 3))), "BAD_RELEASE"),
        (Reply("north", Code.RELEASED, np.array([1.0, np.nan, 0.0])), "BAD_RELEASE"),
        (Reply("north", Code.RELEASED, np.ones(3, dtype=np.float32)), "BAD_RELEASE"),
        (Reply("", Code.NO_AGENT), "NO_REPLY"),
        (Reply("stranger", Code.RELEASED, np.ones(3)), "NO_REPLY"),
        (Reply("island", Code.RELEASED, np.ones(3)), "NO_REPLY"),
        (Reply("west", Code.RELEASED, np.ones(3)), "NO_REPLY"),
    ],
)
def test_who_did_not_release_is_named_and_the_others_go_on(
    north: Reply | None, reason: str, tmp_path: Path
) -> None:
    one = protocol_with(("quorum: 2", "quorum: 1"))
    outcome = run(tmp_path, PlainCentre(releases(north=north)), one)
    assert outcome.rounds[0].refused["north"] == reason
    assert "north" not in outcome.rounds[0].took_part
    assert "island" not in outcome.rounds[0].took_part
    assert np.isfinite(outcome.shared).all()


def test_of_two_nodes_with_one_name_neither_is_believed(tmp_path: Path) -> None:
    twin = Reply("west", Code.RELEASED, np.array([9.0, 9.0, 9.0]))
    outcome = run(tmp_path, PlainCentre([*releases(), twin]))
    assert outcome.rounds[0].took_part == ("east", "north")
    assert outcome.rounds[0].refused == {"west": "BAD_RELEASE"}


def test_how_many_declared_patients_stand_behind_a_round_is_said(tmp_path: Path) -> None:
    assert run(tmp_path / "1", PlainCentre(releases())).rounds[0].declared_patients == 19
    fewer = run(tmp_path / "2", PlainCentre(releases(north=None)))
    assert fewer.rounds[0].declared_patients == 11


def test_an_old_round_s_release_is_refused_and_the_others_go_on(tmp_path: Path) -> None:
    """West sends in round 2 what it sent in round 1; its name is in the result with the code."""

    class Stuck(PlainCentre):
        def ask(self, request: Request) -> list[Reply]:
            west = next(one for one in self.replies if one.clinic == "west")
            return [one for one in super().ask(request) if one.clinic != "west"] + [west]

    outcome = run(tmp_path, Stuck(releases()))
    assert outcome.rounds[0].took_part == ("east", "north", "west")
    assert outcome.rounds[1].took_part == ("east", "north")
    assert outcome.rounds[1].refused == {"west": "OLD_RELEASE"}


def test_a_resumed_server_knows_old_releases_too(tmp_path: Path) -> None:
    class Late(PlainCentre):
        def ask(self, request: Request) -> list[Reply]:
            return self.replies if request.round_number == 1 else []

    with pytest.raises(Failure):
        run(tmp_path, Late(releases()))

    class Stuck(PlainCentre):
        def ask(self, request: Request) -> list[Reply]:
            return self.replies

    with pytest.raises(Failure, match="OLD_RELEASE"):
        run(tmp_path, Stuck(releases()))


TRIMMED = protocol_with(
    ("{quorum: 2", "{strategy: trimmed_mean, trim: 1, shrinkage: false, quorum: 3")
)


def test_a_trimmed_mean_is_moved_by_no_single_clinic(tmp_path: Path) -> None:
    """Between honest rows it lies between them, whatever the third clinic says."""
    start = RidgeVector().start()
    honest = [RELEASES["east"] / 5, RELEASES["north"] / 8]
    for lie in (1e9, -1e9):
        hostile = Reply("west", Code.RELEASED, np.full(3, lie))
        step = run(tmp_path / f"{lie}", PlainCentre(releases(west=hostile)), TRIMMED).rounds[0]
        moved = step.shared - start
        assert (moved >= np.min(honest, axis=0) - 1e-12).all()
        assert (moved <= np.max(honest, axis=0) + 1e-12).all()


def test_without_trimming_the_same_lie_moves_everything(tmp_path: Path) -> None:
    plain = protocol_with(("{quorum: 2", "{shrinkage: false, quorum: 3"))
    hostile = Reply("west", Code.RELEASED, np.full(3, 1e9))
    outcome = run(tmp_path, PlainCentre(releases(west=hostile)), plain)
    assert (outcome.rounds[0].shared > 1e6).all()


def test_a_trimmed_mean_needs_a_quorum_that_survives_it(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="2 releases in round 1"):
        run(tmp_path, PlainCentre(releases(west=None)), TRIMMED)


CHECKED = protocol_with(("{quorum: 2", "{norm_check: true, quorum: 2"))


def test_a_release_too_large_for_any_cohort_is_refused_where_agreed(tmp_path: Path) -> None:
    hostile = Reply("west", Code.RELEASED, np.full(3, 1e4))
    outcome = run(tmp_path / "1", PlainCentre(releases(west=hostile)), CHECKED)
    assert outcome.rounds[0].refused == {"west": "TOO_LARGE"}
    outcome = run(tmp_path / "2", PlainCentre(releases(west=hostile)))
    assert outcome.rounds[0].took_part == ("east", "north", "west")


def test_too_few_replies_end_the_study_with_their_own_code(tmp_path: Path) -> None:
    silent = PlainCentre(releases(north=None, east=Reply("east", Code.REFUSED)))
    with pytest.raises(Failure) as failure:
        run(tmp_path, silent)
    assert failure.value.code is ExitCode.TOO_FEW_REPLIES
    assert "'east': 'REFUSED', 'north': 'NO_REPLY', 'west': 'RELEASED'" in failure.value.found
    assert "2 within 5 s" in failure.value.expected


def test_rounds_before_too_few_replies_are_kept(tmp_path: Path) -> None:
    """Clinics come back: the first round is not asked again, and the end is the same."""
    undisturbed = run(tmp_path / "a", PlainCentre(releases()))

    class Leaving(PlainCentre):
        def ask(self, request: Request) -> list[Reply]:
            super().ask(request)
            return self.replies if request.round_number == 1 else []

    with pytest.raises(Failure, match="stopped after round 1"):
        run(tmp_path / "b", Leaving(releases()))
    back = PlainCentre(releases())
    assert run(tmp_path / "b", back).shared.tobytes() == undisturbed.shared.tobytes()
    assert [request.round_number for request in back.asked] == [2]


def test_a_finished_study_asks_nobody(tmp_path: Path) -> None:
    first = run(tmp_path, PlainCentre(releases()))
    again = PlainCentre([])
    assert run(tmp_path, again).shared.tobytes() == first.shared.tobytes()
    assert again.asked == []


def test_progress_counts_rounds(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    checkpoints = Checkpoints(tmp_path, PROTOCOL.digest(), "b" * 64)
    run_rounds(
        PROTOCOL,
        RidgeVector(),
        PlainCentre(releases()),
        checkpoints,
        lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 2), (2, 2)]


def test_replies_that_are_in_are_not_asked_for_again(tmp_path: Path) -> None:
    """A clinic that came too late to be counted before the crash does not change the round."""

    class Killed(BaseException):
        pass

    class Dying(PlainCentre):
        def average(self, rows: Sequence[FloatArray], weights: FloatArray) -> FloatArray:
            raise Killed

    without_north = run(tmp_path / "a", PlainCentre(releases(north=None)))
    with pytest.raises(Killed):
        run(tmp_path / "b", Dying(releases(north=None)))
    late = PlainCentre(releases())
    outcome = run(tmp_path / "b", late)
    assert outcome.rounds[0].shared.tobytes() == without_north.rounds[0].shared.tobytes()
    assert outcome.rounds[1].took_part == ("east", "north", "west")
    assert [request.round_number for request in late.asked] == [2]


KILLED_AT = """
import os, signal, sys
from pathlib import Path
from tests.server.test_rounds import PlainCentre, WRITES, releases, run

def counted(real, fatal, done):
    def call(*arguments):
        done.append(1)
        if len(done) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments)
    return call

for fatal in range(WRITES + 1):
    child = os.fork()
    if child == 0:
        done = []
        os.fsync, os.replace = counted(os.fsync, fatal, done), counted(os.replace, fatal, done)
        run(Path(sys.argv[1]) / str(fatal), PlainCentre(releases()))
        os._exit(len(done))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
WRITES = 12
"""Syncs and renames of two rounds: two phases of three each."""


@pytest.mark.slow
def test_a_server_killed_at_any_write_ends_with_the_same_bytes(
    tmp_path: Path, repository: Path
) -> None:
    """SIGKILL before every sync and rename, then started again; folder 0 is not disturbed."""

    def content(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.glob("server/0*")}

    command = [sys.executable, "-c", KILLED_AT, str(tmp_path)]
    ended = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == [str(WRITES), *[str(-signal.SIGKILL)] * WRITES]
    assert len(content(tmp_path / "0")) == 4
    for fatal in range(1, WRITES + 1):
        run(tmp_path / str(fatal), PlainCentre(releases()))
        assert content(tmp_path / str(fatal)) == content(tmp_path / "0"), f"killed at {fatal}"
