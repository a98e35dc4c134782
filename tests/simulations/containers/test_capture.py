"""A recording is put together as its ends saw it, and what is not TLS or is a secret is found."""

import os
import shutil
import socket
import struct
from collections.abc import Iterable
from pathlib import Path

import pytest

from simulations.containers.capture import Traffic, read_capture, recorded
from study.failure import Failure

HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
HERE, THERE = (b"\x0a\x00\x00\x02", 40000), (b"\x0a\x00\x00\x01", 9092)
SYN, ACK = 0x02, 0x10
FIRST = 2**32 - 5  # so that sequence numbers begin again within a conversation

Segment = tuple[int, int, bytes]


def frame(protocol: int, body: bytes, *, back: bool = False) -> bytes:
    """An Ethernet frame that carries one IPv4 packet, as tcpdump writes it."""
    source, target = (THERE, HERE) if back else (HERE, THERE)
    length = struct.pack(">BBH", 0x45, 0, 20 + len(body))
    ip = length + struct.pack(">HHBBH", 0, 0, 64, protocol, 0) + source[0] + target[0]
    whole = bytes(12) + b"\x08\x00" + ip + body + b"\0\0"  # frames are padded
    return struct.pack("<IIII", 1, 2, len(whole), len(whole)) + whole


def segment(place: int, payload: bytes, flags: int = ACK, *, back: bool = False) -> bytes:
    source, target = (THERE[1], HERE[1]) if back else (HERE[1], THERE[1])
    number = (FIRST + place) % 2**32
    head = struct.pack(">HHIIBBHHH", source, target, number, 0, 5 << 4, flags, 0, 0, 0)
    return frame(6, head + payload, back=back)


def datagram(port: int, payload: bytes) -> bytes:
    return frame(17, struct.pack(">HHHH", 33333, port, 8 + len(payload), 0) + payload)


def tls(*sizes: int, kind: int = 22) -> bytes:
    """TLS records with random content: a handshake, then application data."""
    kinds = (kind, *(23 for _ in sizes[1:]))
    return b"".join(
        struct.pack(">BHH", one, 0x0303, size) + os.urandom(size)
        for one, size in zip(kinds, sizes, strict=True)
    )


def traffic(folder: Path, frames: Iterable[bytes]) -> Traffic:
    (folder / "a.pcap").write_bytes(HEADER + b"".join(frames))
    return read_capture(folder / "a.pcap")


def conversation(content: bytes) -> list[bytes]:
    """One direction's segments: the first, then the content in thirds."""
    third = len(content) // 3 + 1
    starts = range(0, len(content), third)
    return [segment(-1, b"", SYN)] + [segment(at, content[at : at + third]) for at in starts]


def test_a_conversation_in_tls_is_not_clear(tmp_path: Path) -> None:
    content = tls(100, 3000, 7)
    seen = traffic(tmp_path, conversation(content))
    assert seen.clear_text() == []
    assert (seen.packets, seen.encrypted_bytes()) == (4, len(content))


def test_order_and_repetition_of_packets_do_not_matter(tmp_path: Path) -> None:
    first, *rest = conversation(tls(100, 3000))
    assert traffic(tmp_path, [first, *reversed(rest), *rest]).clear_text() == []


@pytest.mark.parametrize(
    "content",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        tls(50, 60) + b"POST /v1 HTTP/1.1\r\n",
        tls(50, kind=23),
        b"hi",
        struct.pack(">BHH", 22, 0x0303, 2**15) + bytes(2**15),
    ],
    ids=["http", "http after tls", "no handshake", "two letters", "a record too long"],
)
def test_clear_text_is_seen_wherever_it_begins(content: bytes, tmp_path: Path) -> None:
    (wrong,) = traffic(tmp_path, conversation(content)).clear_text()
    assert wrong.startswith("TCP 40000 -> 9092: ")


def test_a_conversation_with_a_hole_is_no_proof(tmp_path: Path) -> None:
    first, second, _, last = conversation(tls(100, 3000))
    for frames in ([first, second, last], [second, last]):
        assert "not recorded" in traffic(tmp_path, frames).clear_text()[0]


def test_names_may_be_asked_for_and_nothing_else_by_datagram(tmp_path: Path) -> None:
    assert traffic(tmp_path, [datagram(53, b"server")]).clear_text() == []
    assert traffic(tmp_path, [datagram(5353, b"server")]).clear_text() == ["UDP 5353"]


def test_a_secret_is_found_in_one_packet_across_two_and_in_a_datagram(tmp_path: Path) -> None:
    secrets = {"token": b"PLANTED-TOKEN", "other": b"NEVER-SAID"}
    across = [segment(-1, b"", SYN), segment(0, b"abcPLANTED-"), segment(11, b"TOKENdef")]
    for frames in (conversation(b"xPLANTED-TOKENx" * 9), across, [datagram(53, b"PLANTED-TOKEN")]):
        assert traffic(tmp_path, frames).found(secrets) == ["token"]
    assert traffic(tmp_path, conversation(tls(9000))).found(secrets) == []


def test_both_directions_are_judged(tmp_path: Path) -> None:
    there = conversation(tls(100))
    back = [segment(-1, b"", SYN | ACK, back=True), segment(0, b"HTTP/1.1 200 OK", back=True)]
    seen = traffic(tmp_path, [*there, *back])
    assert seen.clear_text() == ["TCP 9092 -> 40000: no TLS record at byte 0"]


@pytest.mark.parametrize("start", [0, 20])
def test_a_recording_of_another_form_is_refused(start: int, tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(HEADER[:start] + bytes([7]) + HEADER[start + 1 :])
    with pytest.raises(Failure, match="a recording of form"):
        read_capture(tmp_path / "a.pcap")


def test_a_packet_that_was_cut_is_refused(tmp_path: Path) -> None:
    whole = datagram(53, b"server")
    cut = whole[:12] + struct.pack("<I", 2000) + whole[16:]
    with pytest.raises(Failure, match="a packet that was cut"):
        traffic(tmp_path, [cut])


def test_without_tcpdump_nothing_is_said_to_be_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(Failure, match="no tcpdump"),
        recorded("lo", tmp_path / "a.pcap"),
    ):
        pass


@pytest.mark.slow
@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("tcpdump") is None,
    reason="needs tcpdump and root, which may record",
)
def test_what_is_said_on_this_machine_is_heard(tmp_path: Path) -> None:
    with recorded("lo", tmp_path / "a.pcap"), socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as call:
            call.sendall(b"PLANTED-TOKEN")
        taken, _ = server.accept()
        taken.close()
    seen = read_capture(tmp_path / "a.pcap")
    assert seen.found({"token": b"PLANTED-TOKEN"}) == ["token"]
    assert seen.clear_text()


def test_an_interface_that_is_not_there_is_refused(tmp_path: Path) -> None:
    if shutil.which("tcpdump") is None:
        pytest.skip("needs tcpdump")
    with (
        pytest.raises(Failure, match="a tcpdump that did not start"),
        recorded("no-such-one", tmp_path / "a.pcap"),
    ):
        pass
