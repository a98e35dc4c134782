"""The agent's door answers one request a call, survives bad callers and opens to its owner only."""

import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from client import serve
from client.app import ask_agent
from client.egress import Egress
from client.framing import read_reply
from client.serve import AgentServer, Answer, Judge
from study.wire import Code, Reply, Request

REQUEST = Request(1, "0" * 64, np.array([1.0, 2.0]))


def unjudged(round_number: int, frame: bytes) -> bytes:
    """For tests of the door itself: whatever is answered leaves."""
    return frame


@contextmanager
def listening(answer: Answer, path: Path, judge: Judge | None = None) -> Iterator[Path]:
    with AgentServer(answer, path, judge or unjudged) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield path
        finally:
            server.shutdown()
            thread.join()


def doubled(request: Request) -> Reply:
    return Reply("east", Code.RELEASED, 2.0 * request.shared)


def test_a_request_is_answered(tmp_path: Path) -> None:
    with listening(doubled, tmp_path / "a.sock") as path:
        for _ in range(3):
            reply = ask_agent(path, REQUEST)
            assert (reply.clinic, reply.code) == ("east", Code.RELEASED)
            assert reply.release is not None
            assert reply.release.tolist() == [2.0, 4.0]


def test_only_the_owner_may_ask(tmp_path: Path) -> None:
    with listening(doubled, tmp_path / "a.sock") as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_socket_left_by_a_killed_agent_is_taken_over(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "a.sock"))
    left.close()
    with listening(doubled, tmp_path / "a.sock") as path:
        assert ask_agent(path, REQUEST).code is Code.RELEASED


def test_a_caller_of_nonsense_gets_a_code_and_the_next_is_served(tmp_path: Path) -> None:
    with listening(doubled, tmp_path / "a.sock") as path:
        with socket.socket(socket.AF_UNIX) as call:
            call.connect(str(path))
            call.sendall(b"GET / HTTP/1.1\r\n\r\n" * 4)
            with call.makefile("rb") as answer:
                assert read_reply(answer).code is Code.MALFORMED
        assert ask_agent(path, REQUEST).code is Code.RELEASED


def test_a_silent_caller_does_not_hold_the_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve._Call, "timeout", 0.05)
    with listening(doubled, tmp_path / "a.sock") as path:
        with socket.socket(socket.AF_UNIX) as call:
            call.connect(str(path))
            with call.makefile("rb") as answer:
                assert read_reply(answer).code is Code.MALFORMED
        assert ask_agent(path, REQUEST).code is Code.RELEASED


def test_calls_are_answered_one_at_a_time(tmp_path: Path) -> None:
    inside, most = [], []

    def slow(request: Request) -> Reply:
        inside.append(1)
        most.append(len(inside))
        threading.Event().wait(0.02)
        inside.pop()
        return doubled(request)

    with listening(slow, tmp_path / "a.sock") as path:
        callers = [threading.Thread(target=ask_agent, args=(path, REQUEST)) for _ in range(4)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    assert most == [1, 1, 1, 1]


class NoReceipts:
    """A ledger that released nothing."""

    def receipt_sha256(self, round_number: int) -> str | None:
        return None


def test_an_answer_without_a_receipt_leaves_as_a_code_alone(tmp_path: Path) -> None:
    judge = Egress("east", 2, NoReceipts()).pass_out
    with listening(doubled, tmp_path / "a.sock", judge) as path:
        reply = ask_agent(path, REQUEST)
    assert (reply.clinic, reply.code, reply.release) == ("", Code.INTERNAL, None)
