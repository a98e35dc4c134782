"""Everything that crossed a network: recorded by tcpdump, put together again, and judged.

A conversation is TLS only if all its bytes, in both directions and from the first, are whole TLS
records. What is searched is the conversations as their ends saw them, so that nothing hides across
two packets.
"""

import signal
import struct
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from study.failure import ExitCode, Failure

START_S = 20.0
MAGIC, ETHERNET = 0xA1B2C3D4, 1
IPV4, IPV6, TCP, UDP = 0x0800, 0x86DD, 6, 17
NAME_SERVICE = 53
SYN = 0x02
TLS_KINDS, LARGEST_RECORD = (20, 21, 22, 23), 2**14 + 256
HANDSHAKE = 22

End = tuple[bytes, int]


@dataclass
class Stream:
    """One direction of a TCP conversation: its first sequence number and what was sent."""

    start: int | None = None
    parts: dict[int, bytes] = field(default_factory=dict, repr=False)

    def add(self, number: int, flags: int, payload: bytes) -> None:
        """Take in one segment."""
        if flags & SYN:
            self.start = number + 1
        if payload:
            longer = len(payload) > len(self.parts.get(number, b""))
            self.parts[number] = payload if longer else self.parts[number]

    def content(self) -> bytes | None:
        """All bytes in their order; None if some were not recorded."""
        if self.start is None:
            return None if self.parts else b""
        sent, base = bytearray(), self.start
        for number in sorted(self.parts, key=lambda one: (one - base) % 2**32):
            offset = (number - base) % 2**32
            if offset > len(sent):
                return None
            sent[offset:] = max(bytes(sent[offset:]), self.parts[number], key=len)
        return bytes(sent)


@dataclass(frozen=True)
class Traffic:
    """What a capture holds: TCP streams by their two ends, datagrams, and the number of packets."""

    streams: Mapping[tuple[End, End], Stream] = field(repr=False)
    datagrams: tuple[tuple[int, bytes], ...] = field(repr=False)
    packets: int

    def clear_text(self) -> list[str]:
        """Conversations that are not TLS from end to end; names are asked for in the clear."""
        wrong = [
            f"TCP {here[1]} -> {there[1]}: {why}"
            for (here, there), stream in self.streams.items()
            if (why := _not_tls(stream.content()))
        ]
        return wrong + [f"UDP {port}" for port, _ in self.datagrams if port != NAME_SERVICE]

    def encrypted_bytes(self) -> int:
        """Bytes of all conversations."""
        return sum(len(stream.content() or b"") for stream in self.streams.values())

    def found(self, secrets: Mapping[str, bytes]) -> list[str]:
        """Names of those secrets that stand in a conversation or a datagram."""
        texts = [b"".join(stream.parts.values()) for stream in self.streams.values()]
        texts += [stream.content() or b"" for stream in self.streams.values()]
        texts += [payload for _, payload in self.datagrams]
        return [name for name, secret in secrets.items() if any(secret in text for text in texts)]


@contextmanager
def recorded(interface: str, file: Path) -> Iterator[None]:
    """Record all packets of an interface of this machine into `file` while the block lasts."""
    command = ["tcpdump", "-i", interface, "-U", "-s", "0", "-B", "32768", "-w", str(file), "-n"]
    with file.with_suffix(".log").open("w") as log:
        try:
            process = subprocess.Popen(command, stderr=log)
        except FileNotFoundError as error:
            raise _not_recorded("no tcpdump") from error
    said = file.with_suffix(".log")
    try:
        until = time.monotonic() + START_S
        while "listening on" not in said.read_text():
            if process.poll() is not None or time.monotonic() > until:
                raise _not_recorded(f"a tcpdump that did not start: {said.read_text()}")
            time.sleep(0.05)
        yield
        time.sleep(1.0)  # the kernel hands packets on in blocks
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(START_S)
    if "\n0 packets dropped by kernel" not in said.read_text():
        raise _not_recorded(f"a recording with holes: {said.read_text()}")


def read_capture(file: Path) -> Traffic:
    """A recording of tcpdump as conversations."""
    streams: dict[tuple[End, End], Stream] = defaultdict(Stream)
    datagrams: list[tuple[int, bytes]] = []
    packets = 0
    for packet in _packets(file.read_bytes()):
        packets += 1
        for protocol, source, target, body in _in_ip(packet):
            here, there = struct.unpack_from(">HH", body)
            if protocol == UDP:
                datagrams.append((min(here, there), body[8:]))
                continue
            number, offset, flags = struct.unpack_from(">I4xBB", body, 4)
            stream = streams[(source, here), (target, there)]
            stream.add(number, flags, body[(offset >> 4) * 4 :])
    return Traffic(dict(streams), tuple(datagrams), packets)


def _packets(data: bytes) -> Iterator[bytes]:
    """Every frame of a recording, which ends after a whole one or with a torn last."""
    magic, kind = struct.unpack_from("<I16xI", data)
    if (magic, kind) != (MAGIC, ETHERNET):
        raise _not_recorded(f"a recording of form {magic:x}, link {kind}")
    at = 24
    while at + 16 <= len(data):
        kept, whole = struct.unpack_from("<8xII", data, at)
        if kept != whole:
            raise _not_recorded("a packet that was cut")
        yield data[at + 16 : at + 16 + kept]
        at += 16 + kept


def _in_ip(frame: bytes) -> Iterator[tuple[int, bytes, bytes, bytes]]:
    """Protocol, both addresses and the content of a frame that carries TCP or UDP."""
    (kind,) = struct.unpack_from(">H", frame, 12)
    if kind == IPV4:
        header, length, protocol = (frame[14] & 15) * 4, *struct.unpack_from(">H5xB", frame, 16)
        source, target = frame[26:30], frame[30:34]
        body = frame[14 + header : 14 + length]
    elif kind == IPV6:
        length, protocol = struct.unpack_from(">HB", frame, 18)
        source, target = frame[22:38], frame[38:54]
        body = frame[54 : 54 + length]
    else:
        return
    if protocol in (TCP, UDP):
        yield protocol, source, target, body


def _not_tls(content: bytes | None) -> str:
    """Why the bytes of one direction are not TLS; nothing if they are."""
    if content is None:
        return "some of it was not recorded"
    at = 0
    while at + 5 <= len(content):
        kind, major, _, length = struct.unpack_from(">BBBH", content, at)
        first_is_other = at == 0 and kind != HANDSHAKE
        if kind not in TLS_KINDS or major != 3 or length > LARGEST_RECORD or first_is_other:
            return f"no TLS record at byte {at}"
        at += 5 + length
    return "less than a TLS record" if content and at == 0 else ""


def _not_recorded(found: str) -> Failure:
    return Failure(
        found=found,
        expected="every packet of the network, recorded by tcpdump",
        consequence="What crossed the network was not judged.",
        remedy="install tcpdump and run as a user who may record (root)",
        code=ExitCode.MISSING_INPUT,
    )
