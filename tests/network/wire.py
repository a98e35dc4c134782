"""A wire between relay and server that remembers what crosses, and can be cut, mended and slowed.

`Wire` passes bytes on as they are: what a listener on the network sees. `OpenedWire` ends TLS with
the server's own key and begins it anew: what crosses before it is encrypted.
"""

import socket
import ssl
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

LOOPBACK = "127.0.0.1"
PIECE = 65536


class Wire:
    """Listens at `port` of the loopback interface and passes on to `onward`, both ways."""

    def __init__(self, onward: int) -> None:
        self.onward = onward
        self.up, self.down = bytearray(), bytearray()
        self.delay_s = 0.0
        self._cut = False
        self._calls: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listening = socket.create_server((LOOPBACK, 0))
        self.port = int(self._listening.getsockname()[1])
        self._threads.append(threading.Thread(target=self._serve, daemon=True))
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.cut()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(10)

    def cut(self) -> None:
        """End every call now, and every new one at once."""
        self._cut = True
        for call in self._calls:
            with suppress(OSError):
                call.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Pass calls on again."""
        self._cut = False

    def _serve(self) -> None:
        while True:
            try:
                call, _ = self._listening.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._join, args=(call,), daemon=True))
            self._threads[-1].start()

    def _join(self, call: socket.socket) -> None:
        with suppress(OSError), call:
            if self._cut:
                _reset(call)
                return
            try:
                outside = self._outside()
            except OSError:
                _reset(call)
                return
            with outside, self._inside(call) as inside:
                self._calls += [inside, outside]
                ways = ((inside, outside, self.up), (outside, inside, self.down))
                there, back = (threading.Thread(target=self._pass_on, args=way) for way in ways)
                there.start()
                back.start()
                there.join()
                back.join()

    def _inside(self, call: socket.socket) -> socket.socket:
        return call

    def _outside(self) -> socket.socket:
        return socket.create_connection((LOOPBACK, self.onward))

    def _pass_on(self, source: socket.socket, sink: socket.socket, kept: bytearray) -> None:
        with suppress(OSError):
            while piece := source.recv(PIECE):
                kept += piece
                time.sleep(self.delay_s)
                sink.sendall(piece)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _reset(call: socket.socket) -> None:
    """End a call as a port does at which nobody listens."""
    call.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class OpenedWire(Wire):
    """The same with the server's certificate and key of `tls`, so that content is remembered."""

    def __init__(self, onward: int, tls: Path) -> None:
        self._server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server.load_cert_chain(tls / "server.pem", tls / "server.key")
        self._client = ssl.create_default_context(cafile=str(tls / "ca.pem"))
        super().__init__(onward)

    def _inside(self, call: socket.socket) -> socket.socket:
        return self._server.wrap_socket(call, server_side=True)

    def _outside(self) -> socket.socket:
        plain = super()._outside()
        return self._client.wrap_socket(plain, server_hostname=LOOPBACK)
