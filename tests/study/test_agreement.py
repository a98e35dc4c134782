"""Whatever is changed after signing, in any field, is refused with a reason of its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import study.agreement
from client.policy import Policy, write_policy
from study.agreement import (
    Agreement,
    NotAgreed,
    SiteCaps,
    _fields,
    as_text,
    check_coordinator,
    check_site,
    countersign,
    read_agreement,
    read_caps,
    require,
    sign,
)
from study.failure import ExitCode, Failure
from study.protocol import Protocol
from study.signing_key import public_hex
from tests.study.small_study import TELLING, protocol_with

PROTOCOL = protocol_with(*TELLING)
CAPS = SiteCaps(8.0, 3)
COORDINATOR, EAST, STRANGER = (
    Ed25519PrivateKey.from_private_bytes(bytes([n] * 32)) for n in b"abc"
)
SIGNED = countersign(sign(PROTOCOL, COORDINATOR), "east", CAPS, EAST)


def check(
    agreement: Agreement = SIGNED, protocol: Protocol = PROTOCOL, caps: SiteCaps = CAPS
) -> None:
    require(agreement, protocol, "east", caps, public_hex(EAST))


def reason(act: Callable[[], object]) -> str:
    with pytest.raises(NotAgreed) as refused:
        act()
    assert refused.value.code == ExitCode.REFUSED
    return refused.value.reason


def test_what_both_signed_is_accepted() -> None:
    check()


PLACES = sorted(_fields(PROTOCOL.model_dump(mode="json")))


def changed(place: str) -> Protocol:
    """The protocol with this one leaf changed, past validation: an attacker's, not a person's."""
    plain = PROTOCOL.model_dump(mode="json")
    *way, last = place.split(".")
    node: Any = plain
    for part in way:
        node = node[int(part)] if isinstance(node, list) else node[part]
    key: Any = int(last) if isinstance(node, list) else last
    node[key] = another(node[key])
    return _unchecked(plain)


def another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value * 2 + 1
    return ["adult"] if value == [] else 5 if value is None else f"{value}x"


def _unchecked(plain: Any) -> Protocol:
    class Planted(Protocol):
        def model_dump(self, **options: Any) -> dict[str, Any]:
            return dict(plain)

    return Planted.model_construct(
        **{name: getattr(PROTOCOL, name) for name in Protocol.model_fields}
    )


def test_the_fuzz_reaches_every_field() -> None:
    assert len(PLACES) > 60
    for name in Protocol.model_fields:
        assert any(place.split(".")[0] == name for place in PLACES)


@pytest.mark.parametrize("place", PLACES)
def test_every_changed_field_has_its_own_reason(place: str) -> None:
    assert reason(lambda: check(protocol=changed(place))) == f"changed:{place}"


@pytest.mark.parametrize("place", ["privacy.epsilon", "release.clip_norm", "clinics.0.name"])
def test_a_check_that_skips_a_field_is_seen(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: the comparison forgets one field. The fuzz above then fails for that field."""
    whole = study.agreement._fields

    def forgetful(value: Any, root: str = "") -> dict[str, Any]:
        return {name: one for name, one in whole(value, root).items() if name != place}

    monkeypatch.setattr(study.agreement, "_fields", forgetful)
    with pytest.raises(AssertionError):
        assert _reason_or_none(changed(place)) == f"changed:{place}"


def _reason_or_none(protocol: Protocol) -> str | None:
    try:
        check(protocol=protocol)
    except NotAgreed as refused:
        return refused.reason
    return None


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (("rounds: 2", "rounds: 3"), "release.rounds"),
        (("epsilon: 8.0", "epsilon: 7.5"), "privacy.epsilon"),
        (("delta: 1.0e-5", "delta: 1.0e-4"), "privacy.delta"),
        (("quorum: 2", "quorum: 3"), "server.quorum"),
        (("clip_norm: 0.5", "clip_norm: 50.0"), "release.clip_norm"),
        (("declared_patients: 15", "declared_patients: 16"), "clinics.0.declared_patients"),
    ],
)
def test_another_real_protocol_is_refused(change: tuple[str, str], place: str) -> None:
    assert reason(lambda: check(protocol=protocol_with(*TELLING, change))) == f"changed:{place}"


@pytest.mark.parametrize(
    ("caps", "place"),
    [
        (SiteCaps(9.0, 3), "terms.epsilon_cap"),
        (SiteCaps(7.9, 3), "terms.epsilon_cap"),
        (SiteCaps(8.0, 1), "terms.minimum_patients"),
    ],
)
def test_a_policy_changed_after_signing_is_refused(caps: SiteCaps, place: str) -> None:
    assert reason(lambda: check(caps=caps)) == f"changed:{place}"


def edited(*place: str, value: Any) -> Agreement:
    plain = json.loads(as_text(SIGNED))
    node = plain
    for part in place[:-1]:
        node = node[part]
    node[place[-1]] = value
    return Agreement.model_validate_json(json.dumps(plain))


EAST_TERMS = ("sites", "east", "terms")


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        (("protocol",), PROTOCOL.canonical() + "\n", "bad-coordinator-signature"),
        (("coordinator", "signature"), "0" * 128, "bad-coordinator-signature"),
        (("coordinator", "public_key"), public_hex(STRANGER), "bad-coordinator-signature"),
        (("coordinator", "public_key"), "f" * 64, "bad-coordinator-signature"),
        (("sites",), {}, "not-countersigned"),
        (("sites", "east", "signed", "signature"), "0" * 128, "bad-countersignature"),
        ((*EAST_TERMS, "epsilon_cap"), 50.0, "bad-countersignature"),
        ((*EAST_TERMS, "minimum_patients"), 1, "bad-countersignature"),
        ((*EAST_TERMS, "clinic"), "west", "bad-countersignature"),
        ((*EAST_TERMS, "protocol_sha256"), "0" * 64, "bad-countersignature"),
        ((*EAST_TERMS, "coordinator"), "0" * 64, "bad-countersignature"),
        ((*EAST_TERMS, "cohorts", "minimum_days"), 0.1, "bad-countersignature"),
        ((*EAST_TERMS, "names"), {"heads": ["<f8", 9]}, "bad-countersignature"),
    ],
)
def test_an_edited_agreement(place: tuple[str, ...], value: Any, expected: str) -> None:
    assert reason(lambda: check(edited(*place, value=value))) == expected


def test_another_coordinator_cannot_take_over_a_countersignature() -> None:
    usurped = sign(PROTOCOL, STRANGER).model_copy(update={"sites": SIGNED.sites})
    assert reason(lambda: check(usurped)) == "changed:terms.coordinator"


def test_a_countersignature_by_another_key_or_of_another_clinic() -> None:
    forged = countersign(sign(PROTOCOL, COORDINATOR), "east", CAPS, STRANGER)
    assert reason(lambda: check(forged)) == "other-site-key"
    moved = SIGNED.model_copy(update={"sites": {"west": SIGNED.sites["east"]}})
    found = reason(lambda: require(moved, PROTOCOL, "west", CAPS, public_hex(EAST)))
    assert found == "changed:terms.clinic"


def test_a_coordinators_signature_is_no_countersignature() -> None:
    """The two kinds of message begin differently, so neither can stand for the other."""
    borrowed = edited("sites", "east", "signed", value=SIGNED.coordinator.model_dump())
    assert reason(lambda: check(borrowed)) == "bad-countersignature"


def test_a_signed_text_that_is_not_canonical() -> None:
    text = "# so agreed\n" + PROTOCOL.canonical()
    signed = study.agreement._signature(COORDINATOR, study.agreement.COORDINATOR + text.encode())
    odd = Agreement(protocol=text, coordinator=signed)
    assert reason(lambda: check_coordinator(odd)) == "not-canonical"


def test_no_site_countersigns_more_than_its_cap_or_as_an_observer() -> None:
    fresh = sign(PROTOCOL, COORDINATOR)
    over = lambda: countersign(fresh, "east", SiteCaps(7.9, 3), EAST)  # noqa: E731
    assert reason(over) == "over-epsilon-cap"
    assert reason(lambda: countersign(fresh, "island", CAPS, EAST)) == "not-a-member"
    with pytest.raises(Failure, match="no clinic 'nobody'"):
        countersign(fresh, "nobody", CAPS, EAST)


def test_a_signature_is_never_replaced() -> None:
    assert countersign(SIGNED, "east", CAPS, EAST) == SIGNED
    assert reason(lambda: countersign(SIGNED, "east", CAPS, STRANGER)) == "already-countersigned"


def test_sites_sign_beside_each_other() -> None:
    both = countersign(SIGNED, "west", SiteCaps(9.0, 1), STRANGER)
    assert [check_site(both, name).epsilon_cap for name in ("east", "west")] == [8.0, 9.0]


def test_an_agreement_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "agreement.json"
    path.write_text(as_text(SIGNED))
    assert read_agreement(path) == SIGNED


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"form": "insula-agreement/2"}', "\ud800"])
def test_a_file_that_is_no_agreement(tmp_path: Path, text: str) -> None:
    path = tmp_path / "agreement.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert reason(lambda: read_agreement(path)) == "no-agreement"
    assert reason(lambda: read_agreement(tmp_path / "absent")) == "no-agreement"


def test_an_unknown_key_in_an_agreement_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "agreement.json"
    path.write_text(json.dumps({**json.loads(as_text(SIGNED)), "also": "this"}))
    assert reason(lambda: read_agreement(path)) == "no-agreement"


def test_caps_come_from_a_policy_that_approved_the_protocol(tmp_path: Path) -> None:
    write_policy(
        tmp_path,
        Policy(approved_protocols=(PROTOCOL.digest(),), epsilon_cap=8.0, minimum_patients=3),
    )
    path = tmp_path / "policy.yaml"
    assert read_caps(path, PROTOCOL.digest()) == CAPS
    assert reason(lambda: read_caps(path, "0" * 64)) == "not-approved"
    path.write_text(path.read_text().replace("minimum_patients: 3", "minimum_patients: 3.7"))
    assert reason(lambda: read_caps(path, PROTOCOL.digest())) == "no-policy"


def test_a_refusal_as_json_carries_its_reason() -> None:
    with pytest.raises(NotAgreed) as refused:
        check(edited("sites", value={}))
    assert refused.value.as_dict()["reason"] == "not-countersigned"
