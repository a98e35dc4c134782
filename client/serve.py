"""The agent's door: a Unix socket on which the relay asks, one request and one reply a call."""

import os
import socketserver
from collections.abc import Callable
from pathlib import Path

from client.egress import EgressError
from client.framing import FrameError, read_request, reply_frame
from study.wire import Code, Reply, Request

Answer = Callable[[Request], Reply]
Judge = Callable[[int, bytes], bytes]
"""Lets a frame of a round leave, unaltered, or raises EgressError."""
PATIENCE_S = 60.0
"""How long a caller may be silent; the agent serves one caller at a time."""


class _Call(socketserver.StreamRequestHandler):
    timeout = PATIENCE_S
    server: "AgentServer"

    def handle(self) -> None:
        try:
            request = read_request(self.rfile)  # type: ignore[arg-type]
            frame = self._judged(request)
        except (FrameError, OSError):
            frame = reply_frame(Reply("", Code.MALFORMED))
        self.wfile.write(frame)

    def _judged(self, request: Request) -> bytes:
        frame = reply_frame(self.server.answer(request))
        try:
            return self.server.judge(request.round_number, frame)
        except EgressError:
            return reply_frame(Reply("", Code.INTERNAL))


class AgentServer(socketserver.UnixStreamServer):
    """Answers requests on a socket file that only its owner may open, in the order they come.

    `judge` sees the bytes of every answer last; what it holds back is answered by a code.
    """

    def __init__(self, answer: Answer, path: Path, judge: Judge) -> None:
        path.unlink(missing_ok=True)
        self.answer, self.judge = answer, judge
        super().__init__(str(path), _Call)
        os.chmod(path, 0o600)
