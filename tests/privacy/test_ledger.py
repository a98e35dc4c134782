"""The ledger: what it spends, what it refuses, what it finds after a crash or a tampering hand."""

import errno
import json
import math
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.canonical import RELEASE, canonical_sha256
from privacy.gaussian_dp import mu_of_epsilon, mu_of_releases, sigma_for
from privacy.ledger import Ledger, LedgerError
from privacy.verifier import verify

pytestmark = pytest.mark.slow

CAP = mu_of_epsilon(8.0, 1e-5)
SIGMA = sigma_for(8.0, 1e-5, releases=3)
VALUES = np.array([1.5, -2.0, 0.25])
SHA256 = canonical_sha256({RELEASE: VALUES})


def opened(folder: Path, cap: float = CAP, study: str = "trial") -> Ledger:
    return Ledger.open(folder, mu_cap=cap, study=study)


def released(ledger: Ledger, round_number: int, values: npt.NDArray[np.float64] = VALUES) -> None:
    ledger.debit(round_number, SIGMA, now_s=100.0)
    ledger.store(round_number, values)
    ledger.receipt(round_number, canonical_sha256({RELEASE: values}), now_s=101.0)


def records(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]


def test_a_round_from_debit_to_cached_vector(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        assert ledger.cached(1) is None
        assert ledger.debit(1, SIGMA, now_s=100.0) == 1
        ledger.store(1, VALUES)
        assert ledger.receipt(1, SHA256, now_s=101.0) == 2
        assert ledger.receipt_sha256(1) == SHA256
    with opened(tmp_path) as again:
        cached = again.cached(1)
        assert cached is not None
        assert cached.tolist() == VALUES.tolist()
        assert again.mu_spent() == pytest.approx(1 / SIGMA)
        assert again.receipt(1, SHA256, now_s=200.0) == 2
    assert [record["kind"] for record in records(tmp_path)] == ["open", "debit", "receipt"]


def test_equal_debits_reach_their_cap_and_no_further(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        for round_number in (1, 2, 3):
            released(ledger, round_number)
        assert ledger.mu_spent() == pytest.approx(CAP)
        with pytest.raises(LedgerError, match="within the cap"):
            ledger.debit(4, 1000.0, now_s=100.0)
        assert len(records(tmp_path)) == 7


@given(st.lists(st.floats(0.4, 60.0), max_size=40))
def test_no_schedule_passes_the_cap(
    tmp_path_factory: pytest.TempPathFactory, sigmas: list[float]
) -> None:
    accepted = []
    with opened(tmp_path_factory.mktemp("ledger")) as ledger:
        for round_number, sigma in enumerate(sigmas, start=1):
            try:
                ledger.debit(round_number, sigma, now_s=0.0)
            except LedgerError:
                continue
            accepted.append(sigma)
        assert ledger.mu_spent() == pytest.approx(mu_of_releases(accepted))
        assert ledger.mu_spent() <= CAP * (1 + 1e-9)


def test_a_debit_without_a_vector_stays_spent_and_its_round_pays_again(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.debit(1, SIGMA, now_s=0.0)
    with opened(tmp_path) as ledger:
        assert ledger.cached(1) is None
        assert ledger.mu_spent() == pytest.approx(1 / SIGMA)
        released(ledger, 1)
        assert ledger.mu_spent() == pytest.approx(math.sqrt(2) / SIGMA)


def test_a_stored_vector_without_receipt_is_receipted_and_not_redrawn(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.debit(1, SIGMA, now_s=0.0)
        ledger.store(1, VALUES)
    with opened(tmp_path) as ledger:
        assert ledger.cached(1) is not None
        with pytest.raises(LedgerError, match="send the cached vector again"):
            ledger.debit(1, SIGMA, now_s=1.0)
        with pytest.raises(LedgerError, match="one vector a round"):
            ledger.store(1, -VALUES)
        ledger.receipt(1, SHA256, now_s=1.0)


def test_steps_out_of_order_are_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        with pytest.raises(LedgerError, match="found no debit"):
            ledger.store(1, VALUES)
        with pytest.raises(LedgerError, match="found no stored vector"):
            ledger.receipt(1, SHA256, now_s=0.0)
        ledger.debit(1, SIGMA, now_s=0.0)
        ledger.store(1, VALUES)
        with pytest.raises(LedgerError, match="found a vector of hash"):
            ledger.receipt(1, "0" * 64, now_s=0.0)


@pytest.mark.parametrize(
    "values",
    [np.ones(3, dtype=np.float32), np.ones((2, 2)), np.array([np.nan]), np.array([np.inf, 0.0])],
)
def test_vectors_of_another_form_are_not_stored(
    tmp_path: Path, values: npt.NDArray[np.float64]
) -> None:
    with opened(tmp_path) as ledger:
        ledger.debit(1, SIGMA, now_s=0.0)
        with pytest.raises(LedgerError, match="expected finite float64"):
            ledger.store(1, values)
        assert ledger.cached(1) is None


@pytest.mark.parametrize("round_number", [0, -1, True, 1.0, "1"])
def test_rounds_are_whole_numbers_from_one(tmp_path: Path, round_number: int) -> None:
    with opened(tmp_path) as ledger, pytest.raises(LedgerError, match="whole number from 1"):
        ledger.debit(round_number, SIGMA, now_s=0.0)


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf])
def test_impossible_noise_is_not_debited(tmp_path: Path, sigma: float) -> None:
    with opened(tmp_path) as ledger:
        with pytest.raises(ValueError, match="found sigma"):
            ledger.debit(1, sigma, now_s=0.0)
        assert ledger.mu_spent() == 0.0


def test_a_vector_replaced_on_disk_is_not_sent(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        released(ledger, 1)
        np.save(tmp_path / "releases" / "trial.1.npy", VALUES + 1)
        with pytest.raises(LedgerError, match="found another vector"):
            ledger.cached(1)
        (tmp_path / "releases" / "trial.1.npy").unlink()
        with pytest.raises(LedgerError, match="found another vector"):
            ledger.cached(1)


def test_a_planted_vector_gets_no_receipt(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        released(ledger, 1)
        np.save(tmp_path / "releases" / "trial.2.npy", VALUES)
        with pytest.raises(LedgerError, match="never debited"):
            ledger.receipt(2, SHA256, now_s=0.0)


def test_studies_share_one_lifetime_budget_and_not_their_vectors(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        released(ledger, 1)
    with opened(tmp_path, study="second") as ledger:
        assert ledger.cached(1) is None
        assert ledger.mu_spent() == pytest.approx(1 / SIGMA)
        released(ledger, 1, -VALUES)
    with opened(tmp_path) as ledger:
        cached = ledger.cached(1)
        assert cached is not None
        assert cached.tolist() == VALUES.tolist()
        assert ledger.mu_spent() == pytest.approx(math.sqrt(2) / SIGMA)


def test_a_cap_may_fall_and_never_rise(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with opened(tmp_path, cap=CAP / 2) as ledger:
        assert ledger.mu_cap == CAP / 2
        with pytest.raises(LedgerError, match="within the cap"):
            ledger.debit(1, 1.0, now_s=0.0)
    with pytest.raises(LedgerError, match="keep the cap"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("cap", "study"), [(0.0, "a"), (math.inf, "a"), (1.0, ""), (1.0, "../a"), (1.0, "Patient 7")]
)
def test_impossible_terms_are_refused(tmp_path: Path, cap: float, study: str) -> None:
    with pytest.raises(LedgerError, match="take both from the protocol"):
        opened(tmp_path, cap, study)
    assert not list(tmp_path.iterdir())


def test_one_user_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(LedgerError, match="one user of a ledger at a time"):
        opened(tmp_path)
    opened(tmp_path).close()


def test_a_closed_ledger_spends_nothing(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.close()
    ledger.close()
    with pytest.raises(LedgerError, match="open it again"):
        ledger.debit(1, SIGMA, now_s=0.0)


def test_a_forked_process_spends_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        child = os.fork()
        if child == 0:
            try:
                ledger.debit(1, SIGMA, now_s=0.0)
            except LedgerError:
                os._exit(7)
            os._exit(0)
        assert os.WEXITSTATUS(os.waitpid(child, 0)[1]) == 7
        assert len(records(tmp_path)) == 1


def test_the_key_is_the_owners_alone(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        assert ledger.public_key == records(tmp_path)[0]["public_key"]
    key = tmp_path / "ledger.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.chmod(0o640)
    with pytest.raises(LedgerError, match="expected mode 0600"):
        opened(tmp_path)
    key.chmod(0o600)
    key.unlink()
    with pytest.raises(LedgerError, match="found records and no key"):
        opened(tmp_path)


def test_records_hold_no_more_than_they_must(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        released(ledger, 1)
    seal = {"index", "kind", "previous", "hash", "signature"}
    terms = {"form", "study", "unit", "adjacency", "mu_cap", "public_key"}
    names = [set(record) - seal for record in records(tmp_path)]
    assert names == [terms, {"round", "sigma", "at_s"}, {"round", "sha256", "at_s"}]


def test_a_torn_tail_is_cut_and_recorded(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        released(ledger, 1)
        head = ledger.head
    with (tmp_path / "ledger.jsonl").open("ab") as file:
        file.write(b'{"index":3,"kind":"deb')
    with opened(tmp_path) as ledger:
        assert ledger.mu_spent() == pytest.approx(1 / SIGMA)
    last = records(tmp_path)[-1]
    assert (last["kind"], last["dropped_bytes"], last["previous"]) == ("repair", 22, head)


def changed(old: str, new: str) -> Callable[[list[str]], list[str]]:
    return lambda lines: [line.replace(old, new) for line in lines]


TAMPERINGS: dict[str, Callable[[list[str]], list[str]]] = {
    "weaker noise written over": changed('"sigma":', '"sigma":1'),
    "a debit taken out": lambda lines: [lines[0], *lines[2:]],
    "records swapped": lambda lines: [lines[0], lines[2], lines[1]],
    "a record repeated": lambda lines: [*lines, lines[-1]],
    "not JSON": lambda lines: [lines[0], "{", *lines[1:]],
    "not an object": lambda lines: ["[]", *lines[1:]],
    "another signature": changed('"signature":"', '"signature":"00'),
    "a field left out": changed('"round":', '"ground":'),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampered_ledger_is_not_opened(tmp_path: Path, name: str) -> None:
    with opened(tmp_path) as ledger:
        released(ledger, 1)
    path = tmp_path / "ledger.jsonl"
    lines = TAMPERINGS[name](path.read_text().splitlines())
    path.write_text("".join(line + "\n" for line in lines))
    with pytest.raises(LedgerError, match="does not hold"):
        opened(tmp_path)


def refuse(code: int) -> Callable[..., int]:
    def operation(*arguments: object) -> int:
        raise OSError(code, os.strerror(code))

    return operation


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.ENOSPC, "no space left on the disk"),
        (errno.EROFS, "a read-only disk"),
        (errno.EACCES, "no permission to write"),
        (errno.EIO, "the error Input/output error"),
    ],
)
@pytest.mark.parametrize("operation", ["write", "fsync"])
def test_a_disk_that_refuses_is_named_and_spends_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str, code: int, reason: str
) -> None:
    with opened(tmp_path) as ledger:
        with monkeypatch.context() as patched:
            patched.setattr(os, operation, refuse(code))
            with pytest.raises(LedgerError, match=reason):
                ledger.debit(1, SIGMA, now_s=0.0)
        with pytest.raises(LedgerError, match="open it again"):
            ledger.debit(1, SIGMA, now_s=0.0)
    opened(tmp_path).close()


def test_a_disk_that_fills_while_a_vector_is_stored_keeps_none_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path) as ledger:
        ledger.debit(1, SIGMA, now_s=0.0)
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", refuse(errno.ENOSPC))
            with pytest.raises(LedgerError, match="no space left"):
                ledger.store(1, VALUES)
        assert ledger.cached(1) is None


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("")
    with pytest.raises(LedgerError, match="File exists"):
        opened(tmp_path / "ledger")


def test_a_clock_set_back_is_written_down_and_stops_nothing(tmp_path: Path) -> None:
    """No budget depends on time: the record says by how much, and the release goes on."""
    with opened(tmp_path) as ledger:
        released(ledger, 1)  # at 100 and 101 s
        ledger.debit(2, SIGMA, now_s=5000.0)
        ledger.debit(2, SIGMA, now_s=1000.0)
    kinds = [record["kind"] for record in records(tmp_path)]
    assert kinds == ["open", "debit", "receipt", "debit", "clock", "debit"]
    clock, last = records(tmp_path)[-2:]
    assert (clock["at_s"], clock["behind_s"], last["at_s"]) == (1000.0, 4000.0, 1000.0)
    assert verify(tmp_path).holds


def test_a_clock_put_right_by_seconds_is_not_worth_a_record(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.debit(1, SIGMA, now_s=100.0)
        ledger.debit(1, SIGMA, now_s=41.0)
        ledger.debit(1, SIGMA, now_s=102.0)
    assert [record["at_s"] for record in records(tmp_path)[1:]] == [100.0, 100.0, 102.0]
    assert verify(tmp_path).holds


def test_a_clock_set_back_while_the_agent_was_down_is_seen_too(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.debit(1, SIGMA, now_s=5000.0)
    with opened(tmp_path) as ledger:
        ledger.debit(1, SIGMA, now_s=0.0)
    assert records(tmp_path)[-2]["kind"] == "clock"


def test_a_ledger_that_let_time_run_backwards_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: a ledger that writes down whatever the clock says."""
    monkeypatch.setattr(Ledger, "_time", lambda ledger, now_s: now_s)
    with opened(tmp_path) as ledger:
        ledger.debit(1, SIGMA, now_s=5000.0)
        ledger.debit(1, SIGMA, now_s=1000.0)
    (one,) = verify(tmp_path).ledgers
    assert one.problem == "record 2: round 1 at 1000.0, after 5000.0"


@pytest.mark.parametrize("now_s", [math.nan, math.inf, -math.inf])
def test_a_clock_that_is_no_time_is_refused(tmp_path: Path, now_s: float) -> None:
    with opened(tmp_path) as ledger:
        with pytest.raises(LedgerError, match="set this machine's clock"):
            ledger.debit(1, SIGMA, now_s=now_s)
        assert ledger.mu_spent() == 0.0


BY_A_SECOND_PROCESS = """
import sys
from pathlib import Path
from privacy.ledger import Ledger, LedgerError
try:
    Ledger.open(Path(sys.argv[1]), mu_cap=1.0, study="trial")
except LedgerError as error:
    sys.exit(str(error))
"""


def test_a_second_process_is_refused_by_name(tmp_path: Path, repository: Path) -> None:
    """A real one: the lock is the operating system's, and goes with the process that held it."""
    command = [sys.executable, "-c", BY_A_SECOND_PROCESS, str(tmp_path)]
    with opened(tmp_path):
        second = subprocess.run(command, cwd=repository, capture_output=True, text=True)
        assert second.returncode == 1
        assert "held by another process" in second.stderr
        assert "stop the other agent" in second.stderr
    assert subprocess.run(command, cwd=repository).returncode == 0


FILLS_UP = """
import resource, signal, sys
from pathlib import Path
from privacy.ledger import Ledger, LedgerError
folder = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Ledger.open(folder, mu_cap=9.0, study="trial") as ledger:
    room = (folder / "ledger.jsonl").stat().st_size + 100
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        ledger.debit(1, 9.0, now_s=0.0)
    except LedgerError as error:
        print(error)
    try:
        ledger.debit(1, 9.0, now_s=0.0)
    except LedgerError as error:
        sys.exit(str(error))
"""


def test_a_file_that_the_system_lets_grow_no_further_is_torn_and_mended(
    tmp_path: Path, repository: Path
) -> None:
    """The kernel itself stops the write in its middle, as on a disk that fills up."""
    command = [sys.executable, "-c", FILLS_UP, str(tmp_path)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert "the largest file size allowed here reached" in done.stdout
    assert "open it again" in done.stderr
    assert not (tmp_path / "ledger.jsonl").read_bytes().endswith(b"\n")
    assert verify(tmp_path).ledgers[0].problem == "record 1: torn: the line does not end"
    with opened(tmp_path) as ledger:
        assert ledger.mu_spent() == 0.0
    assert records(tmp_path)[-1]["kind"] == "repair"
    assert records(tmp_path)[-1]["dropped_bytes"] == 100
    assert verify(tmp_path).holds


@pytest.mark.parametrize(
    ("code", "reason"), [(errno.EROFS, "a read-only disk"), (errno.EACCES, "no permission")]
)
def test_a_disk_that_is_read_only_from_the_start_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, reason: str
) -> None:
    opened(tmp_path).close()
    real = os.open

    def read_only(path: str | Path, flags: int, mode: int = 0o777) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(code, os.strerror(code))
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(LedgerError, match=reason):
        opened(tmp_path)


def in_mounts_of_its_own(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run in a namespace where `folder` is read-only, as it would be after an error of the disk."""
    mounts = f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} && {script}"
    return subprocess.run(["unshare", "-rm", "sh", "-c", mounts], capture_output=True, text=True)


def test_a_disk_mounted_read_only_is_named(tmp_path: Path, repository: Path) -> None:
    """A real one; where the system allows no mounts of one's own, the test above stands alone."""
    opened(tmp_path).close()
    if shutil.which("unshare") is None or in_mounts_of_its_own("true", tmp_path).returncode:
        pytest.skip("no mounts of one's own here")
    command = f"cd {repository} && {sys.executable} -c '{BY_A_SECOND_PROCESS}' {tmp_path}"
    assert in_mounts_of_its_own(command, tmp_path).stderr.startswith("found a read-only disk")
    assert len(records(tmp_path)) == 1


def test_the_same_record_in_another_form_is_not_opened(tmp_path: Path) -> None:
    """A capital in a signature, or a blank, is a bit that somebody changed."""
    opened(tmp_path).close()
    path = tmp_path / "ledger.jsonl"
    text = path.read_text()
    signature = str(records(tmp_path)[0]["signature"])
    for other in (text.replace(":", ": ", 1), text.replace(signature, signature.upper())):
        path.write_text(other)
        with pytest.raises(LedgerError, match="another form of the same record"):
            opened(tmp_path)
