"""What must not leave a clinic is known in every form, and found wherever it stands."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from client.enrolment import Enrolled
from client.site_folder import SITE_TABLE
from client.site_table import read_site
from server.nodes import read_nodes
from simulations.containers.rehearsal_sites import (
    CENTRE,
    NODES,
    TOKEN,
    give_to,
    make_rehearsal,
    secrets_in_files,
    secrets_of,
)
from tests.study.small_study import small_person

PEOPLE = {"east": Enrolled((small_person("east", 1), small_person("east", 2)), 0, ())}
SECRETS = secrets_of(PEOPLE)


@pytest.mark.parametrize(
    "leak",
    [
        TOKEN.encode(),
        b'{"num-examples": 2}',
        b'{"num-examples":2}',
        b"2 patients enrolled",
        struct.pack("<d", PEOPLE["east"].members[0].head.theta[1]),
        struct.pack(">d", PEOPLE["east"].members[1].head.theta[0]),
        PEOPLE["east"].members[0].head.latent.astype("<f4").tobytes(),
        PEOPLE["east"].members[1].head.theta.tobytes(),
        str(PEOPLE["east"].members[1].head.theta.tolist()).encode(),
    ],
)
def test_each_form_of_a_secret_is_searched_for(leak: bytes) -> None:
    text = os.urandom(64) + leak + os.urandom(64)
    assert [name for name, secret in SECRETS.items() if secret in text]


def test_what_is_everybodys_is_no_secret() -> None:
    ordinary = np.zeros(100).tobytes() + np.ones(100).tobytes() + b'{"round": 2, "server-round": 2}'
    assert [name for name, secret in SECRETS.items() if secret in ordinary] == []
    assert min(len(secret) for secret in SECRETS.values()) >= 4


def test_a_secret_is_found_in_a_file_and_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log").write_text("nothing here")
    assert secrets_in_files(SECRETS, tmp_path) == []
    (tmp_path / "run" / "log").write_text(f"patient {TOKEN}-7")
    assert secrets_in_files(SECRETS, tmp_path) == ["planted token in run/log"]


def test_a_folder_that_is_a_users_already_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    give_to(tmp_path, os.geteuid(), os.getegid())
    assert (tmp_path / "a").stat().st_uid == os.geteuid()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_folder_is_given_away_with_all_that_it_holds(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "link").symlink_to("/etc/hostname")
    give_to(tmp_path / "a", 10001, 10002)
    for path in (tmp_path / "a", tmp_path / "a" / "link"):
        assert (path.lstat().st_uid, path.lstat().st_gid) == (10001, 10002)
    assert os.stat("/etc/hostname").st_uid == 0


@pytest.mark.slow
def test_a_rehearsal_is_made_of_real_sites(repository: Path, tmp_path: Path) -> None:
    made = make_rehearsal(tmp_path, repository / "docker" / "rehearsal.yaml", "server:9092")
    assert set(read_nodes(tmp_path / CENTRE / NODES, made.protocol)) == {
        "harbour",
        "lighthouse",
        "lagoon",
    }
    for one in made.protocol.members:
        patients = [trace.patient for trace in read_site(made.site(one.name) / SITE_TABLE)]
        assert len(patients) == one.source.patients - 1 != one.declared_patients
        assert all(name.startswith(TOKEN) for name in patients)
        assert (made.site(one.name).stat().st_mode & 0o777) == 0o700
