"""Who agreed to what: a protocol signed by its coordinator, and countersigned by each site.

The coordinator signs the canonical text. A site countersigns its terms: that text's digest, the
rule of its cohort, its cap of epsilon, its fewest patients, the names that may leave, the key of
the coordinator it dealt with and, if it says so, that of the ledger it will spend from. Whatever
differs afterwards is refused with a reason of its own, such as `changed:privacy.epsilon`.
"""

import json
import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from privacy.canonical import RELEASE
from study.failure import ExitCode, Failure
from study.left_out import LEFT_OUT_IF_NONE
from study.protocol import KEPT, Cohorts, Protocol, parse_protocol
from study.signing_key import public_hex
from study.wire import DTYPE

FORM: Final = "insula-agreement/1"
COORDINATOR, SITE = b"insula-agreement/1 coordinator\0", b"insula-agreement/1 site\0"
ABSENT = "absent"

Hex32 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Hex64 = Annotated[str, Field(pattern="^[0-9a-f]{128}$")]


class NotAgreed(Failure):
    """A signature or a term that does not hold; `reason` is a fixed word, never a value."""

    def __init__(self, reason: str, found: str, expected: str) -> None:
        self.reason = reason
        super().__init__(
            found=f"{found} [{reason}]",
            expected=expected,
            consequence="Nothing was signed, and nothing left the clinic.",
            remedy="compare the protocol with the coordinator's; sign a new agreement to change it",
            code=ExitCode.REFUSED,
        )

    def as_dict(self) -> dict[str, str | int]:
        """As of every failure, with its reason."""
        return {**super().as_dict(), "reason": self.reason}


class _Signed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Terms(_Signed):
    """What one site agreed to; `names` is dtype and length of each vector that may leave.

    `ledger_key` is the public key of the ledger that pays; older terms name none.
    """

    clinic: str
    coordinator: Hex32
    protocol_sha256: Hex32
    cohorts: Cohorts
    epsilon_cap: Annotated[float, Field(gt=0.0)]
    minimum_patients: Annotated[int, Field(ge=1)]
    names: dict[str, tuple[str, int]]
    ledger_key: Annotated[Hex32 | None, LEFT_OUT_IF_NONE] = None


class Signature(_Signed):
    """An Ed25519 signature and the key that made it, hex."""

    public_key: Hex32
    signature: Hex64


class Countersignature(_Signed):
    """A site's terms and its signature below them."""

    terms: Terms
    signed: Signature


class Agreement(_Signed):
    """A protocol's canonical text with the signatures below it."""

    form: Literal["insula-agreement/1"] = FORM
    protocol: str
    coordinator: Signature
    sites: dict[str, Countersignature] = {}


@dataclass(frozen=True)
class SiteCaps:
    """What a site's own policy says beside the protocol, and the public key of its ledger."""

    epsilon_cap: float
    minimum_patients: int
    ledger_key: str | None = None


def sign(protocol: Protocol, key: Ed25519PrivateKey) -> Agreement:
    """The protocol with its coordinator's signature and no other."""
    text = protocol.canonical()
    return Agreement(protocol=text, coordinator=_signature(key, COORDINATOR + text.encode()))


def countersign(
    agreement: Agreement, clinic: str, caps: SiteCaps, key: Ed25519PrivateKey
) -> Agreement:
    """The agreement with this member's signature added; NotAgreed if it asks more than the caps."""
    protocol = check_coordinator(agreement)
    if protocol.clinic(clinic).role != "member":
        raise NotAgreed("not-a-member", f"{clinic}, an observer", "a member of the study")
    if protocol.privacy.epsilon > caps.epsilon_cap:
        raise NotAgreed(
            "over-epsilon-cap", f"epsilon {protocol.privacy.epsilon:g}", f"{caps.epsilon_cap:g}"
        )
    terms = terms_of(protocol, clinic, caps, agreement.coordinator.public_key)
    mine = Countersignature(terms=terms, signed=_signature(key, _terms_bytes(terms)))
    before = agreement.sites.get(clinic, mine)
    if before != mine:
        raise NotAgreed("already-countersigned", f"another signature of {clinic}", "none, or this")
    return agreement.model_copy(update={"sites": {**agreement.sites, clinic: mine}})


def terms_of(protocol: Protocol, clinic: str, caps: SiteCaps, coordinator: str) -> Terms:
    """What this clinic's signature stands for."""
    return Terms(
        clinic=clinic,
        coordinator=coordinator,
        protocol_sha256=protocol.digest(),
        cohorts=protocol.cohorts,
        epsilon_cap=caps.epsilon_cap,
        minimum_patients=caps.minimum_patients,
        names=_names(protocol, clinic),
        ledger_key=caps.ledger_key,
    )


def _names(protocol: Protocol, clinic: str) -> dict[str, tuple[str, int]]:
    """Type and length of all that may leave this clinic."""
    names = {RELEASE: (DTYPE, protocol.release.dimension)}
    metric = protocol.metric_release(clinic)
    if metric is not None and not metric.suppressed:
        names[metric.name] = (DTYPE, metric.length)
    return names


def check_coordinator(agreement: Agreement) -> Protocol:
    """The protocol that the coordinator signed; NotAgreed if the signature or the form is bad."""
    text, signed = agreement.protocol, agreement.coordinator
    _check(signed, COORDINATOR + text.encode(), "bad-coordinator-signature")
    return _canonical_protocol(text)


@lru_cache(maxsize=KEPT)
def _canonical_protocol(text: str) -> Protocol:
    """The protocol of a signed text, which is known by all of its letters and read once."""
    protocol = parse_protocol(text, "the agreement")
    if protocol.canonical() != text:
        raise NotAgreed("not-canonical", "a signed text of another form", "the canonical form")
    return protocol


def check_site(agreement: Agreement, clinic: str) -> Terms:
    """What this clinic countersigned; NotAgreed if it did not, or the signature does not fit."""
    if clinic not in agreement.sites:
        raise NotAgreed("not-countersigned", f"no signature of {clinic}", "its countersignature")
    mine = agreement.sites[clinic]
    _check(mine.signed, _terms_bytes(mine.terms), "bad-countersignature")
    return mine.terms


def require(
    agreement: Agreement, protocol: Protocol, clinic: str, caps: SiteCaps, own_key: str
) -> None:
    """Nothing if this site, whose public key is `own_key`, agreed to exactly this; else NotAgreed.

    `protocol` and `caps` are what lies on the site's own disk now. Terms that name no ledger leave
    it open.
    """
    agreed = check_coordinator(agreement)
    _same(_fields(agreed.model_dump(mode="json")), _fields(protocol.model_dump(mode="json")))
    terms = check_site(agreement, clinic)
    if agreement.sites[clinic].signed.public_key != own_key:
        raise NotAgreed("other-site-key", "a countersignature by another key", "this clinic's own")
    if terms.ledger_key is None:
        caps = replace(caps, ledger_key=None)
    now = terms_of(protocol, clinic, caps, agreement.coordinator.public_key)
    _same(
        _fields(terms.model_dump(mode="json"), "terms"),
        _fields(now.model_dump(mode="json"), "terms"),
    )


def read_agreement(path: Path) -> Agreement:
    """The agreement in a file; nothing in it was checked yet but its form."""
    try:
        return Agreement.model_validate_json(path.read_bytes())
    except (OSError, ValidationError, ValueError) as error:
        raise NotAgreed(
            "no-agreement", f"no agreement in {path}: {error}", "a signed one"
        ) from error


def as_text(agreement: Agreement) -> str:
    """The agreement as it is written to a file."""
    return json.dumps(agreement.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"


def read_caps(path: Path, digest: str) -> SiteCaps:
    """Caps of a site's policy file, which must also list the protocol's digest as approved."""
    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
        caps = SiteCaps(float(plain["epsilon_cap"]), operator.index(plain["minimum_patients"]))
        approved = plain["approved_protocols"]
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise NotAgreed(
            "no-policy", f"no policy in {path}: {error!r}", "caps and a list"
        ) from error
    if digest not in approved:
        raise NotAgreed("not-approved", f"{path} without {digest}", "it in approved_protocols")
    return caps


def _same(agreed: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    for place in sorted(agreed.keys() | found.keys()):
        before, now = agreed.get(place, ABSENT), found.get(place, ABSENT)
        if before != now or type(before) is not type(now):
            raise NotAgreed(f"changed:{place}", f"{place} {now!r}", f"{before!r}, as signed")


def _fields(value: Any, place: str = "") -> dict[str, Any]:
    """Every leaf under its dotted name; an empty branch is a leaf of its own."""
    return dict(_leaves(value, place))


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    branches: Any = ()
    if isinstance(value, Mapping):
        branches = value.items()
    elif isinstance(value, list):
        branches = enumerate(value)
    if not branches or not value:
        yield place, value
        return
    for name, one in branches:
        yield from _leaves(one, f"{place}.{name}" if place else str(name))


def _terms_bytes(terms: Terms) -> bytes:
    plain = terms.model_dump(mode="json")
    return SITE + json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()


def _signature(key: Ed25519PrivateKey, message: bytes) -> Signature:
    return Signature(public_key=public_hex(key), signature=key.sign(message).hex())


def _check(signed: Signature, message: bytes, reason: str) -> None:
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signed.public_key))
        key.verify(bytes.fromhex(signed.signature), message)
    except (InvalidSignature, ValueError) as error:
        raise NotAgreed(reason, "a signature that does not fit", "one by the key named") from error
