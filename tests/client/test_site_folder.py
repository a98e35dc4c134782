"""Settings of a site: what is taken, what is refused, and how a full disk is told."""

import errno
from pathlib import Path

import pytest
import yaml

from client.site_folder import SETTINGS, SiteSettings, disk, parse_settings, read_settings
from study.failure import ExitCode, Failure

GOOD = {"clinic": "harbour", "server": "study.example.org:9092"}


def test_a_server_is_a_host_and_a_port() -> None:
    settings = parse_settings(GOOD, "here")
    assert (settings.host, settings.port) == ("study.example.org", 9092)
    six = parse_settings({**GOOD, "server": "[2001:db8::1]:443"}, "here")
    assert (six.host, six.port) == ("2001:db8::1", 443)


@pytest.mark.parametrize(
    "server",
    [
        "study.example.org",
        "study.example.org:",
        ":9092",
        "study.example.org:0",
        "study.example.org:65536",
        "study.example.org:9o92",
        "study.example.org:٩٠٩٢",
        "https://study.example.org:9092",
        "study.example.org:9092/x",
        "user@study.example.org:9092",
        "study.example.org:9092\n",
        "a b:9092",
        "-rf:9092",
        "$(reboot):9092",
        "x: {}\nclinic:9092",
        "stüdy.example.org:9092",
    ],
)
def test_what_is_no_server_is_refused(server: str) -> None:
    with pytest.raises(Failure, match=r"server: .*HOST:PORT") as refusal:
        parse_settings({**GOOD, "server": server}, "here")
    assert refusal.value.code is ExitCode.USAGE


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"clinic": "../harbour"}, "clinic"),
        ({"clinic": "Harbour"}, "clinic"),
        ({"clinic": "harbour\n"}, "clinic"),
        ({"clinic": ""}, "clinic"),
        ({"clinic": None}, "clinic"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"insecure": True}, "insecure"),
    ],
)
def test_hostile_settings_are_refused_by_name(change: dict[str, object], place: str) -> None:
    with pytest.raises(Failure, match=f"here: {place}: "):
        parse_settings({**GOOD, **change}, "here")


@pytest.mark.parametrize("plain", [None, [], "text", 3])
def test_settings_that_are_no_mapping_are_refused(plain: object) -> None:
    with pytest.raises(Failure, match="the whole"):
        parse_settings(plain, "here")


def test_settings_are_read_from_the_site(tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    (tmp_path / SETTINGS).write_text(yaml.safe_dump({**GOOD, "socket": "/run/insula/agent.sock"}))
    assert read_settings(tmp_path) == SiteSettings(**GOOD, socket="/run/insula/agent.sock")
    assert read_settings(tmp_path).socket_in(tmp_path) == Path("/run/insula/agent.sock")


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"clinic: [", b"!!python/object:os.x {}"])
def test_unreadable_settings_are_a_missing_input(content: bytes | None, tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    if content is not None:
        (tmp_path / SETTINGS).write_bytes(content)
    with pytest.raises(Failure, match="cannot be read") as refusal:
        read_settings(tmp_path)
    assert refusal.value.code is ExitCode.MISSING_INPUT


def test_a_full_disk_is_told_with_its_place() -> None:
    with (
        pytest.raises(Failure, match="No space left on device at /dev/full") as refusal,
        disk(Path("/dev/full")),
        open("/dev/full", "wb", buffering=0) as full,
    ):
        full.write(b"x")
    assert refusal.value.code is ExitCode.NOT_WRITTEN
    assert isinstance(refusal.value.__cause__, OSError)
    assert refusal.value.__cause__.errno == errno.ENOSPC
