"""`insula site check` as typed: the last line, the exit code, the table, one JSON object."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flwr.proto.fleet_pb2 import ActivateNodeResponse

from client.check_codes import REMEDIES
from client.site_folder import parse_settings
from client.site_init import make_site
from insula import main
from study.failure import ExitCode
from tests.client.certificates import Authority
from tests.client.tls_server import Script, https

NUMBER = ActivateNodeResponse(node_id=7).SerializeToString()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A new site, and a server of the CA that it pins, which takes every key."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    script = Script(replies={"/v1/fleet/activate-node": (200, NUMBER)})
    with https(authority.serve(tmp_path), script) as port:
        settings = parse_settings({"clinic": "harbour", "server": f"localhost:{port}"}, "the test")
        make_site(tmp_path / "site", settings, tmp_path / "ca.pem")
        yield tmp_path / "site"


def check(*words: object) -> int:
    return main(["site", "check", *map(str, words)])


def test_a_network_in_order_is_ready(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(site, "--only", "network") == ExitCode.SUCCESS
    out, err = capsys.readouterr()
    assert out == "site check: network ready\n"
    assert "registered, node 7" in err


def test_half_of_the_check_is_never_called_the_whole(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check(site, "--only", "network")
    assert "site check: ready" not in capsys.readouterr().out


def test_the_last_line_names_the_first_fault(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A site that is only just made has no protocol yet, among other things."""
    assert check(site) == ExitCode.NOT_READY
    out, err = capsys.readouterr()
    assert out == "site check: not ready: protocol\n"
    for code in ("protocol", "site-table", "agent-absent"):
        assert f"{code}: {REMEDIES[code]}." in err
    assert "not tested" in err


def test_json_is_one_object_with_every_finding(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(site, "--only", "site", "--json") == ExitCode.NOT_READY
    told = json.loads(capsys.readouterr().out)
    assert (told["ready"], told["first"]) == (False, "protocol")
    found = {one["item"]: one for one in told["findings"]}
    assert found["disk"]["outcome"] == "ok"
    assert found["protocol"]["remedy"] == REMEDIES["protocol"]
    assert found["dry round"] == {
        "item": "dry round",
        "outcome": "not tested",
        "words": "needs patients, which is not ok",
        "code": "",
        "remedy": "",
    }
    assert "name" not in found


def test_another_server_can_be_tried(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(site, "--only", "network", "--server", "localhost:1", "--json") == 11
    told = json.loads(capsys.readouterr().out)
    assert told["first"] == "port-closed"


def test_words_of_a_stranger_are_neither_markup_nor_control_characters(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    with https(Authority("[/red] \x1b[2J [bold]").serve(tmp_path / "other")) as port:
        words = ("--only", "network", "--server", f"localhost:{port}")
        assert check(site, *words) == ExitCode.NOT_READY
    out, err = capsys.readouterr()
    assert out == "site check: not ready: tls-wrong-ca\n"
    assert "[/red] ?[2J [bold]" in " ".join(err.split())
    assert "\x1b" not in err


@pytest.mark.parametrize("words", [[], ["site", "--only", "everything"]])
def test_wrong_words_are_a_usage_error(words: list[str]) -> None:
    assert check(*words) == ExitCode.USAGE


def test_a_folder_that_is_not_there_is_a_finding_and_no_crash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(tmp_path / "absent") == ExitCode.NOT_READY
    assert capsys.readouterr().out == "site check: not ready: site-settings\n"
