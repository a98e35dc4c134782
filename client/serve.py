"""The agent's door: a Unix socket on which the relay asks, one request and one reply a call."""

import os
import socketserver
from collections.abc import Callable
from pathlib import Path

from client.framing import FrameError, read_request, reply_frame
from study.wire import Code, Reply, Request

Answer = Callable[[Request], Reply]
PATIENCE_S = 60.0
"""How long a caller may be silent; the agent serves one caller at a time."""


class _Call(socketserver.StreamRequestHandler):
    timeout = PATIENCE_S
    server: "AgentServer"

    def handle(self) -> None:
        try:
            reply = self.server.answer(read_request(self.rfile))  # type: ignore[arg-type]
        except (FrameError, OSError):
            reply = Reply("", Code.MALFORMED)
        self.wfile.write(reply_frame(reply))


class AgentServer(socketserver.UnixStreamServer):
    """Answers requests on a socket file that only its owner may open, in the order they come."""

    def __init__(self, answer: Answer, path: Path) -> None:
        path.unlink(missing_ok=True)
        self.answer = answer
        super().__init__(str(path), _Call)
        os.chmod(path, 0o600)
