"""The published people behind the public start: all of them, in order, and none of a study."""

from pathlib import Path

import numpy as np
import pytest

from simulations.public_people import PUBLIC_SETS, PublicSet, public_traces
from study.failure import Failure
from study.protocol import read_protocol
from tests.client.ingest.exports import mg_dl_readings, write_glucose_ml

SMALL = PublicSet("small", "Europe/Madrid", 3, "CC BY 4.0", "made up")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A published set of two people, three days each."""
    days = [row for day in (17, 18, 19) for row in mg_dl_readings(f"2024-06-{day}")]
    for patient in ("b", "a"):
        write_glucose_ml(tmp_path / "small", days, patient)
    return tmp_path


def test_everybody_comes_in_the_order_of_names(published: Path) -> None:
    found = public_traces(published, [SMALL])
    assert [trace.patient for _, trace in found] == ["a", "b"]
    assert {group for group, _ in found} == {SMALL}
    assert {trace.time_zone for _, trace in found} == {"Europe/Madrid"}


def test_sets_follow_each_other(published: Path) -> None:
    again = PublicSet("small", "UTC", 1, "CC BY 4.0", "the same, elsewhere")
    found = public_traces(published, [again, SMALL])
    assert [group.time_zone for group, _ in found] == ["UTC"] * 2 + ["Europe/Madrid"] * 2


def test_a_missing_set_is_an_error_and_not_fewer_people(published: Path) -> None:
    absent = PublicSet("absent", "UTC", 1, "CC BY 4.0", "nobody")
    with pytest.raises(Failure):
        public_traces(published, [SMALL, absent])


def test_each_set_has_a_licence_and_somebody_to_thank() -> None:
    for one in PUBLIC_SETS:
        assert one.licence.startswith("CC BY")
        assert "10." in one.attribution, "a DOI"
        assert one.views >= 1


def test_no_study_reports_on_its_teachers(repository: Path) -> None:
    public = {one.folder for one in PUBLIC_SETS}
    for path in sorted((repository / "study" / "protocols").glob("*.yaml")):
        studied = {clinic.source.folder for clinic in read_protocol(path).clinics}
        assert not studied & public, path.name


def test_the_published_sets_are_all_there(shared_data: Path) -> None:
    found = public_traces(shared_data)
    counts = {one.folder: sum(group == one for group, _ in found) for one in PUBLIC_SETS}
    assert counts["azt1d"] == 25 and counts["hall"] > 50 and counts["colas"] > 150
    assert all(np.isfinite(trace["glucose_mg_dl"]).any() for _, trace in found)
