"""A new site folder: the right modes, nothing written over, nothing left half done."""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from client.consent import SITE_KEY
from client.node_key import public_text, read_node_key
from client.policy import POLICY, Policy, read_policy
from client.site_folder import (
    CA,
    COMPOSE_VALUES,
    NODE_KEY,
    NODE_PUBLIC,
    SETTINGS,
    parse_settings,
    read_settings,
)
from client.site_init import COMPOSE_TEXT, POLICY_TEXT, NewSite, make_site
from privacy.ledger import Ledger
from study.failure import ExitCode, Failure
from study.signing_key import public_hex, read_key
from tests.client.certificates import Authority

SETTINGS_GIVEN = parse_settings({"clinic": "harbour", "server": "localhost:9092"}, "the test")
MADE = {
    "node": 0o700,
    "run": 0o700,
    "ledger": 0o700,
    "node/node.key": 0o600,
    "node/node.pub": 0o600,
    "node/ca.pem": 0o600,
    "node/site.yaml": 0o600,
    "site.key": 0o600,
    "ledger/ledger.key": 0o600,
    "policy.yaml": 0o600,
    "compose.yaml": 0o600,
    ".env": 0o600,
}


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    path.write_bytes(Authority().pem)
    return path


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def make(site: Path, ca: Path) -> NewSite:
    return make_site(site, SETTINGS_GIVEN, ca)


def files(site: Path) -> list[str]:
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*"))


@pytest.mark.usefixtures("open_umask")
def test_everything_is_its_owner_s_alone(tmp_path: Path, ca: Path) -> None:
    make(tmp_path / "site", ca)
    modes = {name: stat.S_IMODE((tmp_path / "site" / name).stat().st_mode) for name in MADE}
    assert modes == MADE
    assert files(tmp_path / "site") == sorted(MADE)
    assert stat.S_IMODE((tmp_path / "site").stat().st_mode) == 0o700


def test_what_is_told_is_what_lies_there(tmp_path: Path, ca: Path) -> None:
    site = tmp_path / "site"
    made = make(site, ca)
    node = read_node_key(site / NODE_KEY)
    assert (site / NODE_PUBLIC).read_text() == public_text(node) == f"{made.node_public_key}\n"
    assert public_hex(read_key(site / SITE_KEY)) == made.site_public_key
    assert (site / CA).read_bytes() == ca.read_bytes()
    assert read_settings(site) == SETTINGS_GIVEN
    assert set(made.written) == {name for name in MADE if "." in name}


def test_the_ledger_takes_the_key_that_was_made_for_it(tmp_path: Path, ca: Path) -> None:
    made = make(tmp_path, ca)
    with Ledger.open(tmp_path / "ledger", mu_cap=1.0, study="small") as ledger:
        assert ledger.public_key == made.ledger_public_key


def test_two_sites_have_no_key_in_common(tmp_path: Path, ca: Path) -> None:
    one, other = make(tmp_path / "a", ca), make(tmp_path / "b", ca)
    keys = [
        {each.node_public_key, each.site_public_key, each.ledger_public_key}
        for each in (one, other)
    ]
    assert not keys[0] & keys[1]


def test_the_first_policy_allows_no_protocol(tmp_path: Path, ca: Path) -> None:
    make(tmp_path, ca)
    assert read_policy(tmp_path).approved_protocols == ()


def test_every_line_of_the_policy_is_explained() -> None:
    """Each field stands in the file, below a comment of its own."""
    lines = POLICY_TEXT.read_text().splitlines()
    fields = [line.split(":")[0] for line in lines if line and not line.startswith("#")]
    assert set(fields) == set(Policy.model_fields)
    for field in fields:
        place = next(i for i, line in enumerate(lines) if line.startswith(f"{field}:"))
        assert lines[place - 1].startswith("# ")
    Policy.model_validate(yaml.safe_load(POLICY_TEXT.read_text()))


def test_every_value_that_the_compose_file_demands_has_its_line(
    tmp_path: Path, ca: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1004)
    monkeypatch.setattr(os, "getgid", lambda: 1005)
    make(tmp_path, ca)
    demanded = set(re.findall(r"\$\{(\w+):\?", COMPOSE_TEXT.read_text()))
    lines = (tmp_path / COMPOSE_VALUES).read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    assert set(values) == demanded
    assert values["INSULA_SERVER"] == SETTINGS_GIVEN.server
    assert (values["INSULA_UID"], values["INSULA_GID"]) == ("1004", "1005")
    images = {name for name, value in values.items() if not value}
    assert images == {"INSULA_AGENT_IMAGE", "INSULA_RELAY_IMAGE"}


def test_containers_of_a_folder_that_root_made_do_not_start_as_root(
    tmp_path: Path, ca: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    make(tmp_path, ca)
    values = (tmp_path / ".env").read_text()
    assert "\nINSULA_UID=\nINSULA_GID=\n" in values


def test_a_folder_that_was_imported_into_is_kept(tmp_path: Path, ca: Path) -> None:
    (tmp_path / "site.parquet").write_bytes(b"readings")
    tmp_path.chmod(0o755)
    make(tmp_path, ca)
    assert (tmp_path / "site.parquet").read_bytes() == b"readings"
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", [NODE_KEY, SITE_KEY, POLICY, SETTINGS, CA, "ledger/ledger.key"])
@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_nothing_is_written_over(name: str, kind: str, tmp_path: Path, ca: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if kind == "file":
        path.write_bytes(b"mine")
    else:
        path.symlink_to(tmp_path / "elsewhere")
    before = files(tmp_path)
    with pytest.raises(Failure, match=f"{name} in .*never written over") as refusal:
        make(tmp_path, ca)
    assert refusal.value.code is ExitCode.REFUSED
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, ExitCode.MISSING_INPUT),
        (b"", ExitCode.MISSING_INPUT),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ExitCode.MISSING_INPUT),
    ],
)
def test_a_ca_that_is_none_is_refused(
    content: bytes | None, code: ExitCode, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(Failure, match="no certificate") as refusal:
        make(tmp_path / "site", tmp_path / "ca.pem")
    assert refusal.value.code is code
    assert not (tmp_path / "site").exists()


def test_a_ca_that_comes_with_its_private_key_is_refused(tmp_path: Path) -> None:
    certificate, key = Authority().serve(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    with pytest.raises(Failure, match="a private key in"):
        make(tmp_path / "site", both)
    assert not (tmp_path / "site").exists()


def test_a_path_too_long_for_a_socket_is_refused_first(tmp_path: Path, ca: Path) -> None:
    with pytest.raises(Failure, match="more than 100 bytes"):
        make(tmp_path / ("x" * 90), ca)


def test_a_file_in_the_folder_s_place_is_told(tmp_path: Path, ca: Path) -> None:
    (tmp_path / "site").write_text("no folder")
    with pytest.raises(Failure, match=r"exists|Not a directory") as refusal:
        make(tmp_path / "site", ca)
    assert refusal.value.code is ExitCode.NOT_WRITTEN


TINY = """\
mount -t tmpfs -o size=16k none "$1" && exec "$2" -c '
import sys
from pathlib import Path
from client.site_init import make_site
from tests.client.test_site_init import SETTINGS_GIVEN
from study.failure import Failure
site = Path(sys.argv[1]) / "site"
try:
    make_site(site, SETTINGS_GIVEN, Path(sys.argv[2]))
except Failure as failure:
    left = [path.name for path in site.rglob("*") if path.is_file()]
    print(int(failure.code), failure.found, left)
' "$1" "$3"
"""


@pytest.mark.slow
def test_a_disk_that_fills_up_leaves_no_half_made_site(tmp_path: Path, ca: Path) -> None:
    """On a real file system of four pages, in a namespace of its own."""
    words = ["unshare", "--mount", "--map-root-user", "sh", "-c", TINY, "sh"]
    ran = subprocess.run(
        [*words, str(tmp_path), sys.executable, str(ca)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    if "unshare" in ran.stderr or "mount:" in ran.stderr:
        pytest.skip("needs a mount namespace of its own, which this machine refuses")
    assert ran.stdout.startswith(f"{int(ExitCode.NOT_WRITTEN)} No space left on device")
    assert ran.stdout.strip().endswith("[]")
