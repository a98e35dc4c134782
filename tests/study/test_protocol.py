"""A protocol says everything once, in one form; a wrong one is refused with its field and line."""

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from models import windows
from study.failure import ExitCode, Failure
from study.protocol import HORIZONS_MIN, Protocol, parse_protocol, read_protocol
from tests.study.small_study import protocol_with

TEXT = """\
study: two-islands
clinics:
  - name: east
    declared_patients: 4
    source: {layout: uom, folder: uom, time_zone: Europe/London, sensor_period_min: 5}
  - name: west
    declared_patients: 6
    hold_out_patients: 1
    source: {layout: virtual, groups: [child], patients: 7, days: 5, seed: 3}
  - name: south
    declared_patients: 3
    role: observer
    source: {layout: glucose_ml, folder: hupa, every: 5, take: [0, 4]}
release: {kind: adapter, rounds: 2, clip_norm: 0.5, dimension: 8}
privacy: {epsilon: 8, delta: 1.0e-5}
server: {quorum: 2}
"""
SHIPPED = ("demo", "manchester-madrid", "virtual-adults", "virtual-children")

WRONG = [
    ("study: two-islands", "study: Two Islands", 1, "study"),
    ("study: two-islands", "study: two-islands\ncolour: red", 2, "colour"),
    ("declared_patients: 4", "declared_patients: 0", 4, "clinics.0.declared_patients"),
    ("declared_patients: 4", "declared_patients: 4.5", 4, "clinics.0.declared_patients"),
    ("declared_patients: 4", "declared_patients: '4'", 4, "clinics.0.declared_patients"),
    ("declared_patients: 6", "declared_patients: -6", 7, "clinics.1.declared_patients"),
    ("hold_out_patients: 1", "hold_out_patients: -1", 8, "clinics.1.hold_out_patients"),
    ("sensor_period_min: 5", "sensor_period_min: 7", 5, "clinics.0.source.sensor_period_min"),
    ("patients: 7, days: 5", "patients: 7", 9, "a virtual source needs groups, patients and days"),
    ("groups: [child]", "groups: [elderly]", 9, "clinics.1.source.groups.0"),
    ("folder: uom, ", "", 5, "needs a folder"),
    ("take: [0, 4]", "take: [5]", 13, "must lie below every 5"),
    ("role: observer", "role: guest", 12, "clinics.2.role"),
    ("rounds: 2", "rounds: 0", 14, "release.rounds"),
    ("clip_norm: 0.5", "clip_norm: 0", 14, "release.clip_norm"),
    ("clip_norm: 0.5", "clip_norm: .inf", 14, "release.clip_norm"),
    ("kind: adapter", "kind: gradient", 14, "release.kind"),
    ("dimension: 8", "dimension: true", 14, "release.dimension"),
    ("epsilon: 8", "epsilon: 0", 15, "privacy.epsilon"),
    ("epsilon: 8", "epsilon: 51", 15, "privacy.epsilon"),
    ("epsilon: 8", "epsilon: .nan", 15, "privacy.epsilon"),
    ("delta: 1.0e-5", "delta: 0.5", 15, "privacy.delta"),
    ("delta: 1.0e-5", "delta: 1.0e-5, unit: window", 15, "privacy.unit"),
    ("delta: 1.0e-5", "delta: 1.0e-5, sigma: 0.0", 15, "privacy.sigma"),
    ("quorum: 2", "quorum: 3", None, "server.quorum is 3 of 2 member clinics"),
    ("quorum: 2", "quorum: 2, strategy: trimmed_mean, trim: 1", 16, "leaves nothing"),
    ("quorum: 2", "quorum: 2, strategy: trimmed_mean", 16, "needs a trim"),
    ("quorum: 2", "quorum: 2, trim: 1", 16, "needs a trim"),
    ("quorum: 2", "quorum: 2, strategy: krum", 16, "server.strategy"),
    ("name: west", "name: east", None, "names must be unique"),
    ("name: west", "name: all", None, "none 'all'"),
    ("study: two-islands", "study: two-islands\nhorizons_min: [60, 30]", None, "increasing"),
    ("study: two-islands", "study: two-islands\nhorizons_min: [45]", None, "horizons_min"),
]


@pytest.mark.parametrize(("old", "new", "line", "field"), WRONG)
def test_a_wrong_protocol_is_refused_with_field_and_line(
    old: str, new: str, line: int | None, field: str
) -> None:
    assert old in TEXT
    with pytest.raises(Failure) as refusal:
        parse_protocol(TEXT.replace(old, new), "agreed.yaml")
    assert refusal.value.code is ExitCode.BAD_PROTOCOL
    assert field in refusal.value.found
    where = "agreed.yaml: " if line is None else f"agreed.yaml, line {line}: "
    assert refusal.value.found.startswith(where)
    assert refusal.value.consequence == "No study was started."


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("study: [", "not YAML"),
        ("study: 2026-13-45", "not YAML"),
        ("- a\n- b", "holds list"),
        ("", "holds NoneType"),
    ],
)
def test_what_is_no_protocol_at_all_is_refused(text: str, found: str) -> None:
    with pytest.raises(Failure, match=found):
        parse_protocol(text)


def test_a_protocol_that_is_not_there_is_a_missing_input(tmp_path: Path) -> None:
    with pytest.raises(Failure) as refusal:
        read_protocol(tmp_path / "none.yaml")
    assert refusal.value.code is ExitCode.MISSING_INPUT


def test_a_yaml_tag_builds_nothing() -> None:
    with pytest.raises(Failure, match="not YAML"):
        parse_protocol("study: !!python/object/apply:os.getcwd []")


def test_what_is_left_out_has_one_agreed_value() -> None:
    protocol = parse_protocol(TEXT)
    assert protocol.horizons_min == (30, 60, 120)
    assert protocol.privacy.noise == "exact"
    assert protocol.privacy.adjacency == "add_remove"
    assert [one.name for one in protocol.members] == ["east", "west"]
    assert protocol.clinic("south").role == "observer"
    assert protocol.clinic("south").source.take == (0, 4)


def test_a_protocol_is_frozen() -> None:
    with pytest.raises(ValidationError):
        parse_protocol(TEXT).release.clip_norm = 9.0  # type: ignore[misc]


def test_a_clinic_the_protocol_does_not_list_is_refused() -> None:
    with pytest.raises(Failure, match="no clinic 'north'"):
        parse_protocol(TEXT).clinic("north")


def test_canonical_form_reads_back_as_the_same_protocol() -> None:
    protocol = parse_protocol(TEXT)
    again = parse_protocol(protocol.canonical())
    assert again == protocol
    assert again.canonical() == protocol.canonical()
    assert again.digest() == protocol.digest()


def test_order_spacing_comments_and_defaults_do_not_change_the_digest() -> None:
    plain = yaml.safe_load(TEXT)
    turned = yaml.safe_dump(dict(reversed(plain.items())), sort_keys=False)
    defaults = "rate: 1, strategy: fedavg, trim: 0, norm_check: false"
    spelt_out = TEXT.replace("quorum: 2", f"quorum: 2, {defaults}  # as agreed\n ")
    digests = {parse_protocol(text).digest() for text in (TEXT, turned, spelt_out)}
    assert len(digests) == 1
    assert re.fullmatch("[0-9a-f]{64}", digests.pop())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("clip_norm: 0.5", "clip_norm: 0.50001"),
        ("epsilon: 8", "epsilon: 8.001"),
        ("rounds: 2", "rounds: 3"),
        ("name: east", "name: eastern"),
        ("declared_patients: 6", "declared_patients: 7"),
        ("quorum: 2", "quorum: 1"),
        ("quorum: 2", "quorum: 2, norm_check: true"),
    ],
)
def test_every_change_of_substance_changes_the_digest(old: str, new: str) -> None:
    assert parse_protocol(TEXT.replace(old, new)).digest() != parse_protocol(TEXT).digest()


def test_noise_follows_from_epsilon_delta_and_rounds() -> None:
    """PRIVACY: sigma = sqrt(T) / mu = 0.85 / 1.53 / 2.82 at epsilon 8 / 4 / 2 for T = 2."""
    for epsilon, sigma in ((8, 0.85), (4, 1.53), (2, 2.82)):
        protocol = parse_protocol(TEXT.replace("epsilon: 8", f"epsilon: {epsilon}"))
        assert protocol.sigma == pytest.approx(sigma, abs=0.005)
        assert math.sqrt(2) / protocol.sigma == pytest.approx(protocol.mu, rel=1e-12)


def test_horizons_are_those_of_the_models() -> None:
    assert HORIZONS_MIN == windows.HORIZONS_MIN


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_protocols_hold(name: str, repository: Path) -> None:
    protocol = read_protocol(repository / "study" / "protocols" / f"{name}.yaml")
    assert protocol.study == name
    assert len(protocol.members) >= 3
    assert protocol.privacy.epsilon == 8.0
    assert protocol.privacy.delta == 1e-5
    assert protocol.privacy.noise == "exact"
    for one in protocol.clinics:
        if one.source.layout == "virtual":
            assert one.declared_patients + one.hold_out_patients == one.source.patients


def test_every_shipped_protocol_is_tested(repository: Path) -> None:
    folder = repository / "study" / "protocols"
    assert {path.stem for path in folder.iterdir()} == set(SHIPPED)


def test_no_person_of_a_shared_folder_is_in_two_clinics(repository: Path) -> None:
    protocol = read_protocol(repository / "study" / "protocols" / "manchester-madrid.yaml")
    hupa = [one.source for one in protocol.clinics if one.source.folder == "hupa"]
    places = [place for source in hupa for place in source.take]
    assert {source.every for source in hupa} == {5}
    assert sorted(places) == [0, 1, 2, 3, 4]


def test_reading_a_protocol_loads_neither_torch_nor_flower(repository: Path) -> None:
    code = "import sys, study.protocol; print({'torch', 'flwr'} & set(sys.modules))"
    seen = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    )
    assert seen.stdout.strip() == "set()"


def test_digest_is_a_known_one() -> None:
    """Golden: a change of the canonical form makes old and new sites refuse one another."""
    assert isinstance(parse_protocol(TEXT), Protocol)
    assert parse_protocol(TEXT).digest().startswith("edf9b2fd3961358788ec")


ABOUT = TEXT.replace("kind: adapter, rounds: 2", "kind: prior, rounds: 1")


def test_the_public_prior_of_a_study_of_heads_is_agreed() -> None:
    book = parse_protocol(ABOUT)
    virtual = parse_protocol(ABOUT.replace("kind: prior", "kind: prior, public_prior: virtual"))
    assert (book.release.public_prior, virtual.release.public_prior) == ("book", "virtual")
    assert book.digest() != virtual.digest()
    assert parse_protocol(virtual.canonical()).digest() == virtual.digest()
    assert "public_prior: virtual" in virtual.canonical()


def test_a_public_prior_that_would_mean_nothing_is_refused() -> None:
    with pytest.raises(Failure, match="goes with kind prior"):
        parse_protocol(TEXT.replace("kind: adapter", "kind: adapter, public_prior: virtual"))
    assert "public_prior" not in parse_protocol(TEXT).canonical()


SAME = [
    ("epsilon: 8.0", "epsilon: 8"),
    ("epsilon: 8.0", "epsilon: 8.000"),
    ("noise: simulated}", "noise: simulated}  # agreed by telephone"),
    ("study: small-study", "# nothing but a comment\nstudy: 'small-study'"),
    ("delta: 1.0e-5", "delta: 0.00001"),
    ("{epsilon: 8.0, delta: 1.0e-5, noise", "{delta: 1.0e-5, epsilon: 8.0, noise"),
]


@pytest.mark.parametrize("change", SAME)
def test_what_changes_no_meaning_keeps_the_digest(change: tuple[str, str]) -> None:
    assert protocol_with(change).digest() == protocol_with().digest()


TWO_READINGS = [
    (("rounds: 2", "rounds: 2, rounds: 50"), "'rounds' twice"),
    (("epsilon: 8.0", "epsilon: 2.0, epsilon: 8.0"), "'epsilon' twice"),
    (("study: small-study", "study: small-study\nstudy: small-study"), "'study' twice"),
    (("folder: uom}\n  - name: n", "folder: uom, folder: b}\n  - name: n"), "'folder' twice"),
    (("study: small-study", 'study: small-study\n"study": b'), "'study' twice"),
    (("declared_patients: 5", "declared_patients: &n 5"), None),
    (("folder: uom", "folder: e\u0301"), "NFC"),
]


@pytest.mark.parametrize(("change", "found"), TWO_READINGS)
def test_text_with_two_readings_is_refused(change: tuple[str, str], found: str | None) -> None:
    if found is None:  # an anchor alone means nothing; its alias is refused below
        assert protocol_with(change).digest() == protocol_with().digest()
        return
    with pytest.raises(Failure, match=found) as refused:
        protocol_with(change)
    assert refused.value.code == ExitCode.BAD_PROTOCOL


def test_aliases_and_merge_keys_are_refused() -> None:
    anchored = ("declared_patients: 5", "declared_patients: &n 5")
    with pytest.raises(Failure, match="an alias"):
        protocol_with(anchored, ("declared_patients: 8", "declared_patients: *n"))
    with pytest.raises(Failure, match="an alias"):
        protocol_with(("privacy: {", "cohorts: &c {minimum_days: 3}\nprivacy: {<<: *c, "))


def test_a_cycle_of_aliases_ends_in_a_refusal() -> None:
    with pytest.raises(Failure, match="an alias"):
        parse_protocol("a: &a [*a]")


def test_a_changed_copy_has_a_digest_and_a_noise_of_its_own() -> None:
    first = parse_protocol(TEXT)
    assert first.digest() and first.sigma
    louder = first.model_copy(update={"privacy": first.privacy.model_copy(update={"epsilon": 4.0})})
    assert louder.digest() == parse_protocol(louder.canonical()).digest() != first.digest()
    assert louder.sigma > first.sigma
    with pytest.raises(ValidationError):
        first.model_copy(update={"study": "Two Islands"})
