"""Code that a hostile centre sends can relay or refuse, and gets nothing else out of the agent."""

import io
from pathlib import Path

import numpy as np
import pytest

from client.framing import read_reply
from client.head_store import HeadStore
from privacy.ledger import Ledger
from server.fleet_door import Door, open_door
from server.superlink import superlink
from study.wire import DTYPE, Code
from tests.client.made_site import CANARY
from tests.network.hostile_app import write_hostile_app
from tests.network.real_study import LOOPBACK, real_study
from tests.network.test_study import holds, of_two_clinics, people_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def test_a_hostile_app_gets_codes_and_the_releases_of_the_agreed_rounds(tmp_path: Path) -> None:
    with real_study(tmp_path / "s", of_two_clinics()) as study:
        site, loot = study.site("east"), tmp_path / "loot"
        app = write_hostile_app(tmp_path / "hostile")
        (tmp_path / "network").mkdir()
        study.start_relay("east")
        study.start_agent("east")
        with superlink(tmp_path / "network") as link:
            link.register("east", study.public_keys["east"])
            own = (study.tls / "server.pem", study.tls / "server.key")
            inner = f"https://{LOOPBACK}:{link.port}"
            with open_door(Door(LOOPBACK, study.port, *own, inner, link.ca)):
                link.submit(app, {"out": str(loot), "digest": study.protocol.digest()})
                study.until(loot.is_file, 500)
                study.stop_relay("east")  # a line that is open when the door closes is cut off
        assert study.agents["east"].stop() == 0
        _check(loot.read_bytes(), site)
        with Ledger.open(
            site / "ledger", mu_cap=study.protocol.mu, study=study.protocol.study
        ) as ledger:
            assert ledger.mu_spent() == pytest.approx(study.protocol.mu)
        for person in people_of(study, tmp_path)["east"].members:
            assert not holds(loot.read_bytes(), person.head.theta)
            assert not holds(loot.read_bytes(), person.windows.target)
        assert CANARY.encode() not in loot.read_bytes()
        names = HeadStore(site).pseudonyms()
        assert names and not any(name.encode() in loot.read_bytes() for name in names)


def _check(loot: bytes, site: Path) -> None:
    """Each answer is a legal frame: a code, or one of the two releases."""
    kept = [np.load(path) for path in sorted((site / "ledger" / "releases").iterdir())]
    assert len(kept) == 2
    for values in kept:
        assert np.asarray(values, dtype=DTYPE).tobytes() in loot
    answers = [read_reply(io.BytesIO(piece)) for piece in loot.split(b"\n|") if piece]
    assert len(answers) > 50
    released = [one.release for one in answers if one.code is Code.RELEASED]
    assert len(released) >= 4
    for values in released:
        assert values is not None and any(np.array_equal(values, one) for one in kept)
    assert {one.code for one in answers} >= {
        Code.RELEASED,
        Code.MALFORMED,
        Code.NO_SUCH_ROUND,
        Code.OTHER_PROTOCOL,
        Code.BAD_SHARED_VECTOR,
    }
