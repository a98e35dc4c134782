"""Virtual people in the place of real ones: as many, others each time, and nobody else's names."""

import pytest

from simulations.cohort import CohortSpec
from simulations.rehearsal import StandIns, on_virtual_people
from study.protocol import Protocol
from tests.simulations.rehearsed import PROTOCOL

ADULTS = StandIns(("adult",), 9)


def names(protocol: Protocol) -> list[set[str]]:
    """Of everybody, by clinic."""
    return [
        set(CohortSpec(one.groups, one.patients, one.days, one.seed).identifiers)
        for one in (clinic.source for clinic in protocol.clinics)
    ]


def test_real_sources_become_as_many_virtual_people_as_were_declared() -> None:
    harbour, lagoon, headland = on_virtual_people(PROTOCOL, ADULTS, 1).clinics
    assert (harbour.declared_patients, harbour.hold_out_patients) == (12, 2)
    assert (harbour.source.layout, harbour.source.groups) == ("virtual", ("adult",))
    assert (harbour.source.patients, harbour.source.days) == (14, 9)
    assert (headland.source.patients, headland.role) == (2, "observer")
    assert lagoon == PROTOCOL.clinics[1]  # its source is virtual: nothing stands in for it


def test_the_rest_of_the_protocol_is_the_studys_own() -> None:
    virtual = on_virtual_people(PROTOCOL, ADULTS, 2)
    assert virtual.privacy.noise == "simulated"
    for part in ("study", "release", "server", "cohorts", "horizons_min", "sigma", "mu"):
        assert getattr(virtual, part) == getattr(PROTOCOL, part)
    assert PROTOCOL.privacy.noise == "exact"


def test_every_repeat_has_other_people() -> None:
    repeats = [names(on_virtual_people(PROTOCOL, ADULTS, number)) for number in (1, 2, 3)]
    everybody = [name for repeat in repeats for clinic in repeat for name in clinic]
    assert len(set(everybody)) == len(everybody) == 3 * (14 + 6 + 2)


def test_the_same_repeat_has_the_same_people() -> None:
    assert on_virtual_people(PROTOCOL, ADULTS, 2) == on_virtual_people(PROTOCOL, ADULTS, 2)


def test_two_clinics_of_one_name_for_their_people_are_kept_apart() -> None:
    """Names hang on a hash of four digits; here two clinics were given the same seed."""
    plain = Protocol.model_validate(PROTOCOL.model_dump())
    twin = plain.clinics[1].model_copy(update={"name": "twin"})
    doubled = plain.model_copy(update={"clinics": (*plain.clinics, twin)})
    virtual = on_virtual_people(doubled, ADULTS, 1)
    assert not names(virtual)[1] & names(virtual)[3]
    assert virtual.clinics[3].source.seed > virtual.clinics[1].source.seed


@pytest.mark.parametrize(("declared", "judged"), [(9, 1), (10, 2), (40, 2)])
def test_new_people_to_judge_on_are_drawn_beside_those_declared(declared: int, judged: int) -> None:
    plain = PROTOCOL.model_dump()
    plain["clinics"][0]["declared_patients"] = declared
    harbour = on_virtual_people(Protocol.model_validate(plain), ADULTS, 1).clinics[0]
    assert harbour.source.patients - harbour.hold_out_patients == declared
    assert harbour.hold_out_patients == judged
