"""The agent of one clinic: the only process that sees patients, and the only one that releases.

Of what the centre sends it uses the shared vector, the round number and the others' checkpoints,
and checks all three. Names, clip norm, noise and rounds come from the protocol on its own disk,
consent from its own policy.
The order is rows, debit, noise, store, receipt, gate: nothing is sent that was not paid before.
"""

import contextlib
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np

from client.consent import require_agreement
from client.departure import require_present, takes_part
from client.egress import Egress
from client.lifetime import Lifetime, lifetime_of
from client.policy import Policy, read_policy, refused
from client.witness import RolledBack, Witness
from models.body_gain import Gains, rmse_gains
from models.sharing import PatientData, SharedVector
from models.trace import FloatArray
from privacy.canonical import RELEASE
from privacy.gate import Gate, GateError, Manifest
from privacy.ledger import Ledger, LedgerError
from privacy.ledger_checkpoint import CheckpointError
from privacy.metric import MetricRelease
from privacy.noise import NoiseSource
from privacy.release import release_sum
from study.failure import ExitCode, Failure
from study.protocol import Protocol
from study.wire import DTYPE, Code, Reply, Request, is_vector

NoiseOfRound = Callable[[int], NoiseSource]
Clock = Callable[[], float]


class _Terms(NamedTuple):
    name: str
    clip_norm: float
    sigma: float


@dataclass(frozen=True)
class AgentSite:
    """Which clinic, the folder it keeps at home, and its clock (seconds since 1970)."""

    home: Path
    name: str
    clock: Clock

    @property
    def log(self) -> Path:
        """Where the words of every refusal and error stay."""
        return self.home / "agent.log"


@dataclass
class Agent:
    """One clinic's side of a study, from its first round to `close()`.

    `train` is all that the relay can reach; `judge` sees the bytes of each answer last. A Failure
    at the start if the clinic is no member, has no policy or no agreement signed by both sides, or
    if patients, noise or shared vector are not what the protocol says.
    """

    site: AgentSite
    protocol: Protocol
    shared_vector: SharedVector
    patients: Sequence[PatientData] = field(repr=False)
    noise: NoiseOfRound
    gains: Gains = rmse_gains

    def __post_init__(self) -> None:
        _check_terms(self)
        self.site.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._consent()
        self._drop_forgotten()
        self._ledger = Ledger.open(
            self.site.home / "ledger", mu_cap=self.protocol.mu, study=self.protocol.study
        )
        try:
            self._witness = Witness(
                self.site.home,
                self.protocol.study,
                self.site.name,
                [one.name for one in self.protocol.members],
                self._ledger,
            )
        except LedgerError:
            self._ledger.close()
            raise
        shape = (self.protocol.release.dimension,)
        self._metric = self.protocol.metric_release(self.site.name)
        manifest = Manifest({RELEASE: (DTYPE, shape)})
        self._gate = Gate(manifest, self._ledger, self._metric)
        self._egress = Egress(
            self.site.name, *shape, self._ledger, self._witness.answer, self._metric
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let another process open this clinic's ledger."""
        self._ledger.close()

    def train(self, request: Request) -> Reply:
        """One round's release, sent again if it was made before, or a code. Never raises."""
        try:
            if code := self._objection(request):
                return self._no(code, request, "refused before any patient was read")
            self._require_consent()
            for doubt in self._witness.hear(request.witness):
                self.note(doubt)
            if request.asks_no_release:
                return Reply(self.site.name, Code.WITNESSED, witness=self._witness.answer())
            values = self._released(request)
            name = self._terms(request.round_number).name
            passed = self._gate.pass_out(request.round_number, {name: values})
            self.note(f"round {request.round_number} {Code.RELEASED.name}")
            answer = self._witness.answer()
            return Reply(self.site.name, Code.RELEASED, passed[name], answer)
        except CheckpointError as error:
            return self._no(Code.BAD_WITNESS, request, str(error))
        except RolledBack as error:
            return self._no(Code.ROLLED_BACK, request, str(error))
        except (Failure, LedgerError, GateError) as error:
            return self._no(Code.REFUSED, request, str(error))
        except Exception:  # no text may cross the water, whatever went wrong
            return self._no(Code.INTERNAL, request, traceback.format_exc())

    def judge(self, round_number: int, frame: bytes) -> bytes:
        """The bytes of an answer as they may leave; EgressError if they hold anything else."""
        return self._egress.pass_out(round_number, frame)

    def note(self, what: str) -> None:
        """One line in the site's own log; a full disk stops no answer."""
        with (
            contextlib.suppress(OSError),
            self.site.log.open("a", encoding="utf-8") as log,
        ):
            log.write(f"{self.site.clock():.0f} {what}\n")

    def _consent(self) -> Policy:
        """The clinic's policy as it lies there now, beside an agreement signed by both sides."""
        require_present(self.site.home)
        policy = read_policy(self.site.home)
        require_agreement(self.site.home, self.site.name, self.protocol, policy)
        return policy

    def _drop_forgotten(self) -> None:
        """Take out of memory whoever is to be forgotten, as the list lies there now."""
        stays = takes_part(self.site.home)
        self.patients = [one for one in self.patients if stays(one.patient)]

    def _require_consent(self) -> None:
        self._drop_forgotten()
        self._consent().require(self.protocol, len(self.patients))

    def _lifetime(self) -> Lifetime | None:
        """The account of these patients over all studies, if the policy names their cohort."""
        budget = read_policy(self.site.home).lifetime
        return lifetime_of(self.site.home, budget, self.protocol.study)

    def _objection(self, request: Request) -> Code | None:
        if request.protocol_sha256 != self.protocol.digest():
            return Code.OTHER_PROTOCOL
        number = request.round_number
        if type(number) is int and request.asks_no_release:
            return None
        if type(number) is not int or not 1 <= number <= self._last_round():
            return Code.NO_SUCH_ROUND
        if not is_vector(request.shared, self.protocol.release.dimension):
            return Code.BAD_SHARED_VECTOR
        return None

    def _last_round(self) -> int:
        """Training's, or that of metrics where this clinic tells any."""
        metric = self._metric
        told = metric is not None and not metric.suppressed
        return self.protocol.release.rounds + told

    def _metric_of(self, number: int) -> MetricRelease | None:
        """The release of metrics in its round; None in every other."""
        metric = self._metric
        return metric if metric is not None and number == metric.round_number else None

    def _terms(self, number: int) -> _Terms:
        """Under which name and how this round's vector is bounded and noised."""
        if metric := self._metric_of(number):
            return _Terms(metric.name, metric.clip_norm, metric.sigma)
        return _Terms(RELEASE, self.protocol.release.clip_norm, self.protocol.sigma)

    def _released(self, request: Request) -> FloatArray:
        """This round's release, (d,): drawn once, and kept for whoever asks again."""
        ledger, number = self._ledger, request.round_number
        values = ledger.cached(number)
        if values is None:
            rows = self._rows(request)
            self._require_consent()  # rows take minutes, in which a person may think again
            if len(self.patients) != len(rows):
                raise refused("a patient forgotten while rows were computed", "rows without theirs")
            noise = self._noise(number)
            name, clip_norm, sigma = self._terms(number)
            ledger.require_affordable(number, sigma)
            if lifetime := self._lifetime():
                lifetime.debit(number, sigma, self.site.clock(), name)
            ledger.debit(number, sigma, self.site.clock(), name)
            release = release_sum(rows, clip_norm, sigma, noise, name)
            values = release.values
            ledger.store(number, values)
            ledger.receipt(number, release.sha256, self.site.clock())
        elif ledger.receipt_sha256(number) is None:  # killed between store and receipt
            ledger.receipt(number, ledger.sha256_of(number, values), self.site.clock())
        return values

    def _rows(self, request: Request) -> FloatArray:
        """One row a patient, (P, d); of metrics in their round."""
        if metric := self._metric_of(request.round_number):
            return self._metric_rows(metric, request.shared)
        rows = self.shared_vector.rows(request.shared, self.patients)
        expected = (len(self.patients), self.protocol.release.dimension)
        if rows.shape != expected:
            raise refused(f"rows of shape {rows.shape}", f"{expected}: one for each patient")
        return np.asarray(rows, dtype=np.float64)

    def _metric_rows(self, metric: MetricRelease, shared: FloatArray) -> FloatArray:
        asked = self.protocol.metrics
        horizons_min = () if asked is None else asked.horizons_min
        gains = self.gains(self.shared_vector, shared, self.patients, horizons_min)
        if gains.shape != (len(self.patients), metric.length):
            raise refused(f"metrics of shape {gains.shape}", "one row for each patient")
        return metric.rows(np.asarray(gains, dtype=np.float64))

    def _noise(self, round_number: int) -> NoiseSource:
        noise = self.noise(round_number)
        if noise.label != self.protocol.privacy.noise:
            raise refused(f"{noise.label} noise", f"{self.protocol.privacy.noise}, as agreed")
        return noise

    def _no(self, code: Code, request: Request, why: str) -> Reply:
        self.note(f"round {request.round_number!r} {code.name}: {why}")
        return Reply(self.site.name, code)


def _check_terms(agent: Agent) -> None:
    protocol, vector = agent.protocol, agent.shared_vector
    agreed = (protocol.release.kind, protocol.release.dimension)
    names = [one.patient for one in agent.patients]
    found, expected = "", ""
    if protocol.clinic(agent.site.name).role != "member":
        found, expected = f"clinic {agent.site.name}, an observer", "a member of the study"
    elif (vector.kind, vector.dimension) != agreed:
        found = f"a shared vector {vector.kind} of dimension {vector.dimension}"
        expected = f"{agreed[0]} of dimension {agreed[1]}, as release says"
    elif len(set(names)) < len(names):
        found, expected = "a patient enrolled twice", "each person once: one row a patient"
    if found:
        raise Failure(
            found=found,
            expected=expected,
            consequence="The agent did not start, and nothing left the clinic.",
            remedy="correct the enrolment or the protocol",
            code=ExitCode.REFUSED,
        )
