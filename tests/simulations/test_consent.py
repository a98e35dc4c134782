"""A rehearsal signs with real keys, and one clinic's papers do not serve another."""

from pathlib import Path

import pytest

from client.consent import AGREEMENT, SITE_KEY, require_agreement
from client.policy import Policy
from simulations.consent import COORDINATOR_KEY, agree
from study.agreement import NotAgreed
from tests.study.small_study import protocol_with

PROTOCOL = protocol_with()
POLICY = Policy(approved_protocols=(PROTOCOL.digest(),), epsilon_cap=8.0, minimum_patients=1)


@pytest.fixture
def homes(tmp_path: Path) -> Path:
    for name in ("east", "west"):
        (tmp_path / name).mkdir()
        agree(tmp_path / name, name, PROTOCOL, POLICY, tmp_path)
    return tmp_path


def test_each_home_has_papers_that_hold(homes: Path) -> None:
    for name in ("east", "west"):
        require_agreement(homes / name, name, PROTOCOL, POLICY)
        assert (homes / name / SITE_KEY).stat().st_mode & 0o777 == 0o600
    assert (homes / COORDINATOR_KEY).stat().st_mode & 0o777 == 0o600


def test_a_run_that_goes_on_keeps_its_keys(homes: Path) -> None:
    before = (homes / "east" / AGREEMENT).read_bytes()
    agree(homes / "east", "east", PROTOCOL, POLICY, homes)
    assert (homes / "east" / AGREEMENT).read_bytes() == before


def test_papers_of_another_clinic(homes: Path) -> None:
    (homes / "east" / AGREEMENT).write_bytes((homes / "west" / AGREEMENT).read_bytes())
    with pytest.raises(NotAgreed, match="not-countersigned"):
        require_agreement(homes / "east", "east", PROTOCOL, POLICY)
