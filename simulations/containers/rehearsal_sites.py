"""The folders of a rehearsal in containers: three sites and a centre, as their people make them.

Every virtual patient's name carries a token, so that a leak can be recognised; afterwards the same
folders give what must not be found anywhere else.
"""

import os
import shutil
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from client.consent import AGREEMENT, SITE_KEY
from client.enrolment import Enrolled, enrol
from client.head_store import HeadStore
from client.ingest.importer import import_folder
from client.policy import Policy, write_policy
from client.site_folder import PROTOCOL, SITE_TABLE, SiteSettings
from client.site_init import make_site
from client.site_table import read_site, write_site
from models.trace import FloatArray
from server.certificates import CA, make_certificates, utc_now
from simulations.cohort import CohortSpec, virtual_clinic
from simulations.federation import agents_of, noise_of, run_federation
from study.agreement import SiteCaps, as_text, countersign, sign
from study.protocol import Clinic, Protocol, read_protocol
from study.public_start import read_public_start
from study.signing_key import make_key, read_key

CENTRE, TLS, NODES, RUN = "centre", "tls", "nodes.yaml", "run"
BODY = "body.safetensors"
TOKEN = "PLANTED-TOKEN-7f3a9c"
SEED = 1
"""Of the simulated noise: what `insula site serve` takes if it is told no other."""


@dataclass(frozen=True)
class Rehearsal:
    """The folder of a rehearsal, and the protocol that it is about."""

    folder: Path
    protocol: Protocol

    @property
    def run(self) -> Path:
        """The run folder of the study over the network."""
        return self.folder / CENTRE / RUN

    def site(self, clinic: str) -> Path:
        """A clinic's site folder."""
        return self.folder / clinic


def make_rehearsal(folder: Path, protocol_file: Path, server: str) -> Rehearsal:
    """All folders, keys, certificates and signatures; `server` is HOST:PORT."""
    made = Rehearsal(folder, read_protocol(protocol_file))
    centre = folder / CENTRE
    make_certificates(centre / TLS, [server.rpartition(":")[0]], utc_now())
    shutil.copy(protocol_file, centre / PROTOCOL)
    (centre / RUN).mkdir()
    coordinator = centre / "coordinator.key"
    make_key(coordinator)
    keys = {one.name: _make_site(made, one, server, coordinator) for one in made.protocol.members}
    (centre / NODES).write_text(yaml.safe_dump(keys), encoding="utf-8")
    return made


def _make_site(made: Rehearsal, clinic: Clinic, server: str, coordinator: Path) -> str:
    """One clinic's folder; the public key of its node."""
    site, protocol = made.site(clinic.name), made.protocol
    settings = SiteSettings(clinic=clinic.name, server=server)
    key = make_site(site, settings, made.folder / CENTRE / TLS / CA).node_public_key
    _import(site, clinic, made.folder / "exports")
    policy = Policy(
        approved_protocols=(protocol.digest(),),
        epsilon_cap=protocol.privacy.epsilon,
        minimum_patients=2,
        rehearsal=True,
    )
    write_policy(site, policy)
    (site / PROTOCOL).write_text(protocol.canonical(), encoding="utf-8")
    caps = SiteCaps(policy.epsilon_cap, policy.minimum_patients)
    signed = countersign(
        sign(protocol, read_key(coordinator)), clinic.name, caps, read_key(site / SITE_KEY)
    )
    (site / AGREEMENT).write_text(as_text(signed), encoding="utf-8")
    return key


def _import(site: Path, clinic: Clinic, exports: Path) -> None:
    """Virtual people's exports, read as a clinic reads its own; names get the token.

    One person fewer than the protocol says: the true number stands nowhere but at home.
    """
    source = clinic.source
    spec = CohortSpec(source.groups, source.patients, source.days, source.seed)
    folder = virtual_clinic(spec, exports, lambda done, total: None)
    traces = import_folder(folder, "uom", spec.time_zone).traces
    named = [replace(one, patient=f"{TOKEN}-{one.patient}") for one in traces[:-1]]
    write_site(site / SITE_TABLE, named)


def give_to(folder: Path, uid: int, gid: int) -> None:
    """Make a user the owner of everything below, as root may; nothing if it is that user's."""
    for path in (folder, *folder.rglob("*")):
        if (path.lstat().st_uid, path.lstat().st_gid) != (uid, gid):
            os.chown(path, uid, gid, follow_symlinks=False)


def enrolled(made: Rehearsal) -> dict[str, Enrolled]:
    """Who of each clinic took part, with the heads that its agent kept."""
    return {
        one.name: enrol(
            made.protocol,
            one.name,
            read_site(made.site(one.name) / SITE_TABLE),
            HeadStore(made.site(one.name)),
        )
        for one in made.protocol.members
    }


def in_one_process(made: Rehearsal, people: Mapping[str, Enrolled], folder: Path) -> Path:
    """The body file of the same study with the same people in this process."""
    vector = read_public_start().shared_vector(made.protocol)
    members = {name: one.members for name, one in people.items()}
    noise = noise_of(made.protocol, SEED)
    clinics = folder / "clinics"
    with agents_of(made.protocol, members, vector, clinics, noise, lambda: 0.0) as agents:
        run_federation(made.protocol, agents, folder, vector)
    return folder / BODY


def secrets_of(people: Mapping[str, Enrolled]) -> dict[str, bytes]:
    """What must never leave a clinic, by name: token, patients, heads, exact counts."""
    secrets = {"planted token": TOKEN.encode()}
    for clinic, one in people.items():
        for patient in one.members:
            own = patient.patient.removeprefix(f"{TOKEN}-")
            secrets[f"{clinic}, the id {own}"] = own.encode()
            secrets |= dict(_of_vector(f"{clinic}, {own}'s head", patient.head.theta))
            secrets |= dict(_of_vector(f"{clinic}, {own}'s latent vector", patient.head.latent))
        secrets |= {f"{clinic}, the exact count {text!r}": text for text in _counts(one)}
    return secrets


def _of_vector(name: str, values: FloatArray) -> Iterator[tuple[str, bytes]]:
    """Every number that says something, in the forms in which a tensor might travel.

    Four bytes come by chance in ten million; of float32, two neighbours are looked for.
    """
    for place, value in enumerate(values.tolist()):
        if value == round(value, 3):
            continue  # 0 and other round numbers are everybody's
        yield f"{name}[{place}] as float64", struct.pack("<d", value)
        yield f"{name}[{place}] as float64, big end first", struct.pack(">d", value)
        yield f"{name}[{place}] as text", repr(value)[:10].encode()
        neighbours = values[place : place + 2].tolist()
        if len(neighbours) == 2:
            yield f"{name}[{place}] as float32", struct.pack("<2f", *neighbours)


def _counts(one: Enrolled) -> tuple[bytes, ...]:
    count = len(one.members)
    names = ("num-examples", "num_examples", "patients", "enrolled", "count", "n")
    as_text = [f'"{name}":{gap}{count}'.encode() for name in names for gap in ("", " ")]
    return (*as_text, f"{count} patients".encode())


def secrets_in_files(secrets: Mapping[str, bytes], folder: Path) -> list[str]:
    """Where below `folder` a secret stands in a file."""
    texts = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    return [
        f"{name} in {path.relative_to(folder)}"
        for path, text in texts.items()
        for name, secret in secrets.items()
        if secret in text
    ]
