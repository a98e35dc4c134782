"""The rehearsal in containers says what is wrong, leaves nothing behind, and passes for real."""

import json
import os
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from simulations.containers import smoke
from simulations.containers.compose_file import Composed
from simulations.containers.engine import Engine, find_engine
from simulations.containers.rehearsal_sites import BODY, CENTRE, RUN, TOKEN, Rehearsal
from simulations.containers.smoke import Smoke, at_home
from study.failure import ExitCode, Failure
from study.protocol import read_protocol

PASS_S = 2400


@pytest.fixture
def made(repository: Path, tmp_path: Path) -> Rehearsal:
    """A rehearsal whose folders are empty yet."""
    for name in ("harbour", "lighthouse", "lagoon", f"{CENTRE}/{RUN}"):
        (tmp_path / name).mkdir(parents=True)
    return Rehearsal(tmp_path, read_protocol(repository / "docker" / "rehearsal.yaml"))


def ended(made: Rehearsal, code: int, monkeypatch: pytest.MonkeyPatch) -> Smoke:
    """A rehearsal whose server ended with a code."""
    monkeypatch.setattr(Engine, "state", lambda self, name: (False, code))
    monkeypatch.setattr(Engine, "last_words", lambda self, name: "too few replies")
    return Smoke(Engine("podman"), Composed((), {}, {}), "p", made, print)


@pytest.mark.parametrize(("code", "has_body"), [(7, True), (0, False)])
def test_a_server_without_a_result_is_a_failure(
    code: int, has_body: bool, made: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    if has_body:
        (made.run / BODY).touch()
    with pytest.raises(Failure, match="too few replies"):
        ended(made, code, monkeypatch).wait_for_result()


def test_a_server_with_a_result_is_none(made: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> None:
    (made.run / BODY).touch()
    ended(made, 0, monkeypatch).wait_for_result()


def test_the_search_must_find_what_is_at_home_and_no_head_may_lie_open(made: Rehearsal) -> None:
    secrets = {
        "planted token": TOKEN.encode(),
        "harbour, 7's head[0] as text": b"1.2345678",
    }
    assert at_home(secrets, made) == ["the search finds nothing"]
    (made.site("harbour") / "site.parquet").write_text(TOKEN)
    assert at_home(secrets, made) == []
    (made.site("lagoon") / "agent.log").write_text("head 1.2345678")
    (wrong,) = at_home(secrets, made)
    assert wrong.startswith("in clear text at home: harbour, 7's head[0]")


def test_faults_end_in_a_code_of_their_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found: dict[str, Any] = {"faults": ["in clear text: TCP"], "packets": 3}
    monkeypatch.setattr(smoke, "find_engine", lambda wanted: Engine("podman"))
    monkeypatch.setattr(smoke, "rehearse", lambda *given: found)
    assert smoke.main(["--out", str(tmp_path / "new")]) == ExitCode.NOT_VERIFIED
    said = capsys.readouterr()
    assert json.loads(said.out) == found
    assert said.err == "Fault: in clear text: TCP\n"
    found["faults"] = []
    assert smoke.main([]) == ExitCode.SUCCESS


def test_a_folder_that_holds_something_is_not_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ledger").touch()
    assert smoke.main(["--out", str(tmp_path)]) == ExitCode.USAGE
    assert "a ledger is never used twice" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(PASS_S + 60)
def test_the_study_runs_in_real_containers_and_keeps_its_promise(repository: Path) -> None:
    try:
        find_engine(None)
    except Failure as failure:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{failure}; a build machine must have one, or this is never tested")
        pytest.skip(str(failure))
    # Not in pytest's folder: with workers its name is longer than a path to a socket may be.
    with tempfile.TemporaryDirectory(prefix="smoke-") as folder:
        command = [str(repository / "docker" / "smoke"), "--out", f"{folder}/kept"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PASS_S, check=False)
        assert done.returncode == 0, done.stderr[-6000:]
        result = json.loads(done.stdout)
        assert result["faults"] == []
        assert result["packets"] > 100 and result["encrypted_bytes"] > 100_000
        assert result["secrets_searched"] > 300
        assert (Path(folder) / "kept" / CENTRE / RUN / BODY).is_file()


def test_a_signal_ends_the_rehearsal_so_that_it_is_taken_away() -> None:
    with pytest.raises(SystemExit) as ended:
        smoke._end(15, None)
    assert ended.value.code == 128 + 15


class Pages(BaseHTTPRequestHandler):
    """A dashboard that shows a study to who has the token, or to everybody."""

    open_to_all = False

    def do_GET(self) -> None:
        known = self.open_to_all or self.headers.get("Cookie") == "insula=a-token_1"
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(b"study rehearsal" if known else b"Who?")

    def log_message(self, format: str, *values: object) -> None:
        """Nothing is said."""


@pytest.mark.parametrize(
    ("said", "open_to_all", "faults"),
    [
        ("http://0.0.0.0:1/?token=a-token_1\n", False, []),
        ("http://0.0.0.0:1/?token=a-token_1\n", True, ["the dashboard shows the study to who"]),
        ("http://0.0.0.0:1/?token=another\n", False, ["the dashboard does not show the study"]),
        ("no address\n", False, ["the dashboard does not show the study"]),
    ],
)
def test_the_dashboard_is_asked_with_its_token_and_without(
    said: str,
    open_to_all: bool,
    faults: list[str],
    made: Rehearsal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Pages, "open_to_all", open_to_all)
    monkeypatch.setattr(Engine, "last_words", lambda self, name: said)
    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        url = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(Engine, "published", lambda self, name: url)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        rehearsal = Smoke(Engine("podman"), Composed((), {}, {}), "p", made, print)
        smoke.judge_dashboard(rehearsal)
        server.shutdown()
        thread.join()
    assert [
        one[: len(wanted)] for one, wanted in zip(rehearsal.faults, faults, strict=True)
    ] == faults
