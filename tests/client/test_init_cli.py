"""`insula site init` as it is typed: what is printed where, and that its example runs."""

import json
from pathlib import Path

import pytest

from client.site_folder import NODE_PUBLIC, read_settings
from insula import main
from study.failure import ExitCode
from tests.client.certificates import Authority


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ca.pem").write_bytes(Authority().pem)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*more: str) -> int:
    words = ["site", "init", "site", "--clinic", "harbour", "--server", "localhost:9092"]
    return main([*words, "--ca", "ca.pem", *more])


def test_public_keys_go_to_stdout_and_the_next_step_to_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run() == ExitCode.SUCCESS
    out, err = capsys.readouterr()
    node, site, ledger = out.splitlines()
    assert node == f"node {Path('site', NODE_PUBLIC).read_text().strip()}"
    assert (len(site), len(ledger)) == (len("site ") + 64, len("ledger ") + 64)
    assert "compare it with the coordinator by telephone" in err
    assert "Next: insula site import" in err


def test_no_secret_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    run()
    said = "".join(capsys.readouterr())
    secrets = [Path("site", name) for name in ("site.key", "ledger/ledger.key")]
    assert [path for path in secrets if path.read_bytes().hex() in said] == []
    body = Path("site/node/node.key").read_text().splitlines()[1:-1]
    assert [line for line in body if line in said] == []


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json", "--time-zone", "Europe/London") == ExitCode.SUCCESS
    told = json.loads(capsys.readouterr().out)
    assert (told["site"], told["clinic"]) == ("site", "harbour")
    assert told["node_public_key"].startswith("ecdsa-sha2-nistp384 ")
    assert read_settings(Path("site")).time_zone == "Europe/London"


def test_a_second_time_nothing_is_changed(capsys: pytest.CaptureFixture[str]) -> None:
    run()
    before = {path: path.read_bytes() for path in Path("site").rglob("*") if path.is_file()}
    capsys.readouterr()
    assert run("--json") == ExitCode.REFUSED
    assert "node/node.key" in json.loads(capsys.readouterr().out)["error"]["found"]
    assert before == {path: path.read_bytes() for path in Path("site").rglob("*") if path.is_file()}


@pytest.mark.parametrize("missing", ["--clinic", "--server", "--ca"])
def test_an_option_that_is_left_out_is_named(
    missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["site", "init", "site", "--clinic", "a", "--server", "b:1", "--ca", "ca.pem"]
    place = words.index(missing)
    del words[place : place + 2]
    assert main(words) == ExitCode.USAGE
    assert missing in capsys.readouterr().err


def test_the_example_of_the_help_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["site", "init", "--help"]) == ExitCode.SUCCESS
    shown = " ".join(capsys.readouterr().out.split())
    example = shown.split("Example: insula ")[1].split(" ╭")[0].split()
    assert main(example) == ExitCode.SUCCESS
