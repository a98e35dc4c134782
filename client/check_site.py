"""What `site check` looks at in the site folder: disk, consent, ledger, patients, a dry round.

Needs no network. Nothing is spent, nothing leaves; heads that are not kept yet are fitted and kept,
as the agent would.
"""

import os
import socket
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from client.consent import SITE_KEY, require_agreement
from client.departure import forgotten, require_present
from client.disk_check import look_at_disk
from client.dry_round import dry_round
from client.enrolment import Enrolled
from client.framing import FrameError, read_reply
from client.head_store import HeadStore
from client.lifetime import lifetime_of
from client.policy import POLICY, read_policy
from client.preflight import Item, Trouble
from client.site_folder import LEDGER, NODE_KEY, PROTOCOL, SITE_TABLE, SiteSettings, read_settings
from client.site_serve import clinic_of, people_of
from client.site_table import read_site
from models.trace import Trace
from privacy.gaussian_dp import mu_of_epsilon, mu_squared
from privacy.ledger_folder import KEY, RECORDS
from privacy.verifier import verify
from study.protocol import Protocol, read_protocol
from study.public_start import SHIPPED, read_public_start

SECRETS = (SITE_KEY, NODE_KEY, f"{LEDGER}/{KEY}", "heads.key")
PATIENCE_S = 5.0
NO_FRAME = b"site check: not a request\n" * 4
ROUNDING = 1e-6


@dataclass(frozen=True)
class Home:
    """A site folder as its agent would open it."""

    site: Path
    public_start: Path = SHIPPED
    socket: Path | None = None

    @cached_property
    def settings(self) -> SiteSettings:
        """The site's settings."""
        return read_settings(self.site)

    @cached_property
    def protocol(self) -> Protocol:
        """The protocol that lies in the folder."""
        return read_protocol(self.site / PROTOCOL)

    @cached_property
    def traces(self) -> tuple[Trace, ...]:
        """Everybody's readings."""
        return read_site(self.site / SITE_TABLE)

    @cached_property
    def enrolled(self) -> Enrolled:
        """Who takes part; Trouble if the protocol knows no clinic of this name."""
        clinic = self.settings.clinic
        if clinic not in [one.name for one in self.protocol.members]:
            raise Trouble("clinic-name", f"the protocol has no member {clinic}")
        return people_of(self.site, self.protocol, clinic)


def site_items(home: Home) -> list[Item]:
    """Everything in the site folder, in the order in which each leans on those before."""
    return [
        Item("site folder", lambda: _folder(home), "site-settings"),
        Item("disk", lambda: look_at_disk(home.site), "disk-write"),
        Item("taking part", lambda: _taking_part(home), "site-left"),
        Item("forgotten", lambda: _forgotten(home), "forgotten-list"),
        Item("policy", lambda: _policy(home), "policy"),
        Item("protocol", lambda: _protocol(home), "protocol"),
        Item("allowed", lambda: _allowed(home), "policy-forbids", ("policy", "protocol")),
        Item("agreement", lambda: _agreement(home), "agreement", ("allowed", "site folder")),
        Item("ledger", lambda: _ledger(home), "ledger-broken", ("protocol",)),
        Item("cohort", lambda: _cohort(home), "cohort-ledger", ("policy", "protocol")),
        Item("readings", lambda: _readings(home), "site-table"),
        Item("heads", lambda: _heads(home), "heads", ("readings",)),
        Item("patients", lambda: _patients(home), "site-table", _ENROLMENT),
        Item("dry round", lambda: _dry_round(home), "dry-round", ("patients",)),
        Item("agent", lambda: _agent(home), "agent-absent", ("site folder",)),
    ]


_ENROLMENT = ("site folder", "policy", "protocol", "heads", "forgotten")


def _folder(home: Home) -> str:
    places = [home.site, *(home.site / name for name in SECRETS)]
    loose = [path for path in places if path.exists() and path.stat().st_mode & 0o077]
    policy = home.site / POLICY
    if policy.exists() and policy.stat().st_mode & 0o022:
        loose.append(policy)
    if loose:
        raise Trouble("site-permissions", f"open to others: {', '.join(map(str, loose))}")
    return f"{home.settings.clinic}; keys are for their owner alone"


def _taking_part(home: Home) -> str:
    require_present(home.site)
    return "yes"


def _forgotten(home: Home) -> str:
    return f"{len(forgotten(home.site))} patients"


def _policy(home: Home) -> str:
    policy = read_policy(home.site)
    return f"epsilon at most {policy.epsilon_cap:g}, patients at least {policy.minimum_patients}"


def _protocol(home: Home) -> str:
    return f"{home.protocol.study}, {home.protocol.digest()}"


def _allowed(home: Home) -> str:
    read_policy(home.site).require_protocol(home.protocol)
    return "approved by this clinic's policy"


def _agreement(home: Home) -> str:
    clinic = clinic_of(home.site, home.protocol)
    if clinic != home.settings.clinic:
        words = f"the agreement is of {clinic}, the settings are of {home.settings.clinic}"
        raise Trouble("clinic-name", words)
    require_agreement(home.site, clinic, home.protocol, read_policy(home.site))
    return "signed by the coordinator and by this clinic"


def _ledger(home: Home) -> str:
    codes = ("ledger-torn", "ledger-broken", "budget-spent")
    return _account(home, home.site / LEDGER, home.protocol.mu, codes)


def _cohort(home: Home) -> str:
    """The account of these patients over all studies, if the policy names one."""
    budget = read_policy(home.site).lifetime
    account = lifetime_of(home.site, budget, home.protocol.study)
    if budget is None or account is None:
        return "no budget over all studies in the policy"
    there = next(one for one in (account.folder, *account.folder.parents) if one.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise Trouble("cohort-ledger", f"{there} cannot be written to")
    mu_cap = mu_of_epsilon(budget.epsilon, budget.delta)
    codes = ("ledger-torn", "cohort-ledger", "cohort-budget-spent")
    return f"{account.folder}: {_account(home, account.folder, mu_cap, codes)}"


def _account(home: Home, folder: Path, mu_cap: float, codes: tuple[str, str, str]) -> str:
    """What a ledger says was spent; Trouble if it is torn, broken, or has no room for a release."""
    torn, broken, spent = codes
    records = folder / RECORDS
    if not records.exists() or not records.stat().st_size:
        return "none yet: nothing was spent"
    if not records.read_bytes().endswith(b"\n"):
        raise Trouble(torn, f"a last record in {folder} that a crash cut short")
    protocol = home.protocol
    (verdict,) = verify(folder, delta=protocol.privacy.delta).ledgers
    if not verdict.holds:
        raise Trouble(broken, f"record {verdict.bad_record}: {verdict.problem}")
    cap = min(mu_cap, verdict.mu_cap or mu_cap)
    words = f"{verdict.receipts} releases, mu {verdict.mu:.4f} of {cap:.4f} spent"
    if verdict.mu**2 + mu_squared(protocol.sigma) > cap**2 * (1 + ROUNDING):
        raise Trouble(spent, words)
    return f"{words}; every record holds"


def _readings(home: Home) -> str:
    return f"{len(home.traces)} patients in {SITE_TABLE}"


def _heads(home: Home) -> str:
    store = HeadStore(home.site)
    kept = sum(store.get(one.patient) is not None for one in home.traces)
    return f"{kept} kept, all of them readable"


def _patients(home: Home) -> str:
    enrolled = home.enrolled
    words = f"{len(enrolled.members)} enrolled, {enrolled.held_out} held out, "
    words += f"{len(enrolled.left_out)} left out"
    policy = read_policy(home.site)
    least = max(policy.minimum_patients, home.protocol.cohorts.minimum_patients)
    if len(enrolled.members) < least:
        raise Trouble("patients-too-few", f"{words}; at least {least} are needed")
    return words


def _dry_round(home: Home) -> str:
    vector = read_public_start(home.public_start).shared_vector(home.protocol)
    try:
        tried = dry_round(home.protocol, vector, home.enrolled.members)
    except (ValueError, ArithmeticError, RuntimeError) as error:
        raise Trouble("dry-round", f"{type(error).__name__}: {error}") from error
    words = (
        f"{tried.patients} rows in {tried.seconds:.1f} s, {tried.clipped} clipped, "
        f"{tried.unusable} unusable; one patient moves the sum by {tried.moved:.4g}, the clip norm "
        f"is {tried.clip_norm:g}"
    )
    if tried.moved > tried.clip_norm * (1 + ROUNDING):
        raise Trouble("dry-round-sensitivity", words)
    if tried.seconds > home.protocol.server.deadline_s:
        words += f"; a round ends after {home.protocol.server.deadline_s:g} s"
        raise Trouble("dry-round-slow", words)
    return f"{words}; nothing spent"


def _agent(home: Home) -> str:
    place = home.socket or home.settings.socket_in(home.site)
    try:
        with socket.socket(socket.AF_UNIX) as call:
            call.settimeout(PATIENCE_S)
            call.connect(str(place))
            call.sendall(NO_FRAME)
            call.shutdown(socket.SHUT_WR)
            with call.makefile("rb") as answer:
                read_reply(answer)
    except PermissionError as error:
        raise Trouble("agent-denied", f"{place} may not be opened by this user") from error
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise Trouble("agent-absent", f"no agent answers at {place}") from error
    except (OSError, FrameError) as error:
        words = f"something at {place}, which does not answer as an agent ({error})"
        raise Trouble("agent-silent", words) from error
    return f"answers at {place}"
