"""A small HTTPS server on the loopback interface, and a proxy, as `site check` may meet them."""

import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

Reply = tuple[int, bytes]


@dataclass
class Script:
    """What a server answers: seconds its clock is off (None: no Date), replies by path."""

    off_s: float | None = 0.0
    replies: dict[str, Reply | Callable[[bytes], Reply]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    raw: bytes | None = None

    def answer(self, path: str, body: bytes) -> bytes:
        """The bytes of an answer."""
        self.asked.append(path)
        if self.raw is not None:
            return self.raw
        planned = self.replies.get(path, (200, b""))
        status, said = planned(body) if callable(planned) else planned
        lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(said)}", "Connection: close"]
        if self.off_s is not None:
            date = datetime.now(UTC) + timedelta(seconds=self.off_s)
            lines.append(f"Date: {format_datetime(date, usegmt=True)}")
        return "\r\n".join([*lines, "", ""]).encode() + said


@contextmanager
def https(certificate: tuple[Path, Path], script: Script | None = None) -> Iterator[int]:
    """A server with this certificate and key; its port."""
    rules = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    rules.load_cert_chain(*certificate)
    chosen = script or Script()

    def serve(line: socket.socket) -> None:
        with rules.wrap_socket(line, server_side=True) as safe, safe.makefile("rb") as said:
            path = said.readline().split()[1].decode()
            length = 0
            while (header := said.readline().strip()) != b"":
                name, _, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            safe.sendall(chosen.answer(path, said.read(length)))

    with listening(serve) as port:
        yield port


@contextmanager
def proxy(status: int = 200, seen: list[str] | None = None) -> Iterator[int]:
    """A proxy that answers CONNECT with this status, and opens the tunnel if it is 200."""

    def serve(line: socket.socket) -> None:
        with line.makefile("rb") as said:
            request = said.readline().decode()
            headers = []
            while (header := said.readline().strip()) != b"":
                headers.append(header.decode())
        if seen is not None:
            seen.extend([request.strip(), *headers])
        line.sendall(f"HTTP/1.1 {status} x\r\n\r\n".encode())
        if status == 200:
            host, _, port = request.split()[1].rpartition(":")
            with socket.create_connection((host.strip("[]"), int(port))) as far:
                _pump(line, far)

    with listening(serve) as port:
        yield port


def _pump(near: socket.socket, far: socket.socket) -> None:
    def move(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return

    back = threading.Thread(target=move, args=(far, near))
    back.start()
    move(near, far)
    back.join()


class _Quiet(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what these tests are about."""


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server on the loopback interface that hands each connection to `serve`; its port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            serve(self.request)

    with _Quiet(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()
