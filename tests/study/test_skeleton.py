"""What `study new` writes: a protocol that is valid as it stands, with every line explained."""

from dataclasses import replace

import pytest
import yaml

from models.correction import BODY_DIMENSION
from models.head_prior import SIZES
from study.failure import ExitCode, Failure
from study.protocol import Protocol, parse_protocol
from study.public_start import LOCAL_STEPS, read_public_start
from study.skeleton import Kind, Terms, clinics_of, skeleton
from study.usual_settings import usual

FEW = Terms("islands", (("harbour", 18), ("lagoon", 12)))
MANY = replace(FEW, clinics=tuple((f"clinic-{n}", 18) for n in range(4)))
KINDS: tuple[Kind, ...] = ("adapter", "prior", "body")


def unexplained(text: str) -> list[str]:
    """Lines that set something without a comment right above."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [
        line
        for above, line in zip(["", *lines], lines, strict=False)
        if not line.startswith("#") and not above.startswith("#")
    ]


def agreed(terms: Terms) -> Protocol:
    return parse_protocol(skeleton(terms))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("terms", [FEW, MANY])
def test_it_is_a_protocol_and_its_vector_can_be_made(terms: Terms, kind: Kind) -> None:
    protocol = agreed(replace(terms, kind=kind))
    assert protocol.study == "islands"
    assert [one.declared_patients for one in protocol.clinics] == [n for _, n in terms.clinics]
    vector = read_public_start().shared_vector(protocol)
    assert (vector.kind, vector.dimension) == (kind, protocol.release.dimension)


@pytest.mark.parametrize("kind", KINDS)
def test_every_line_is_explained(kind: Kind) -> None:
    assert unexplained(skeleton(replace(FEW, kind=kind))) == []


def test_a_line_without_a_word_is_seen() -> None:
    assert unexplained("# said\na: 1\nb: 2\n") == ["b: 2"]


def test_nothing_is_left_to_a_default() -> None:
    """Who reads the file has read the whole protocol."""
    text = skeleton(FEW)
    written, whole = yaml.safe_load(text), yaml.safe_load(parse_protocol(text).canonical())
    for part in ("cohorts", "release"):
        assert set(whole[part]) - set(written[part]) <= {"local_steps"}
    assert set(written) == set(whole)


def test_sizes_are_those_chosen_for_so_many_patients() -> None:
    """docs/decisions/004: one release in wide directions, more numbers the louder the study."""
    small, large = agreed(FEW), agreed(MANY)
    assert (large.release.dimension, large.release.clip_norm, large.release.rounds) == (
        160,
        0.25,
        1,
    )
    assert small.release.dimension < large.release.dimension
    assert small.server.rate < large.server.rate == 5.49
    assert small.release.directions == large.release.directions == "wide"
    assert large.release == usual(large, "adapter").release
    assert agreed(replace(FEW, kind="prior")).release.dimension == SIZES[0]
    body = agreed(replace(FEW, kind="body")).release
    assert body.dimension == BODY_DIMENSION and body.local_steps in LOCAL_STEPS


@pytest.mark.parametrize(("clinics", "quorum"), [(1, 1), (3, 3), (4, 3), (10, 7)])
def test_three_clinics_of_ten_may_be_gone(clinics: int, quorum: int) -> None:
    names = tuple((f"clinic-{n}", 9) for n in range(clinics))
    assert agreed(replace(FEW, clinics=names)).server.quorum == quorum


@pytest.mark.parametrize("number", [8.0, 0.3, 1e-7, 1.25e-6])
def test_small_numbers_stay_numbers(number: float) -> None:
    protocol = agreed(replace(FEW, epsilon=number, delta=1.25e-6, deadline_s=1e6))
    assert protocol.privacy.epsilon == number
    assert protocol.privacy.delta == 1.25e-6
    assert protocol.server.deadline_s == 1e6


def test_the_rehearsal_draws_whom_the_clinic_declares_and_whom_it_holds_out() -> None:
    for one in agreed(MANY).clinics:
        assert one.source.patients == one.declared_patients + one.hold_out_patients
    seeds = [one.source.seed for one in agreed(MANY).clinics]
    assert len(set(seeds)) == len(seeds)


def test_clinics_as_they_are_typed() -> None:
    assert clinics_of(["harbour=18", "lagoon=12"]) == (("harbour", 18), ("lagoon", 12))


@pytest.mark.parametrize("word", ["harbour", "harbour=", "=18", "harbour=many", "harbour=-1"])
def test_a_clinic_typed_wrong_is_named(word: str) -> None:
    with pytest.raises(Failure, match="NAME=PATIENTS") as caught:
        clinics_of(["lagoon=12", word])
    assert caught.value.code is ExitCode.USAGE and word in caught.value.found


def test_a_study_of_no_clinic_is_refused() -> None:
    with pytest.raises(Failure, match="no clinic"):
        skeleton(replace(FEW, clinics=()))
