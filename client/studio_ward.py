"""The patients of a site as the studio holds them: twins and their grounds are made once and kept.

Nothing is written. A patient is named to the browser by a key without meaning, so that addresses
and histories hold no pseudonym; keys last as long as the process. When the site table,
the events or the prior change on disk (an import, a patient forgotten) everything is read anew and
every twin dropped.
"""

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from client.known_twin import KnownTwin, known_twin
from client.life_file import EVENTS
from client.own_effects import events_of, own_effects
from client.site_folder import SITE_TABLE
from client.site_table import read_site
from client.trial import ASKED, Recorded, recorded
from client.twin_site import prior_of
from models.knowledge import ClinicKnowledge
from models.own_effect import OwnEffects
from models.trace import Trace
from study.head_prior_file import PRIOR_FILE

READ = (SITE_TABLE, EVENTS, PRIOR_FILE)
"""Files whose change makes every twin stale."""
LENGTHS_H = (24, 48, 72)
MOST_GROUNDS = 6
"""Grounds kept for one twin: one for each length, stretch and correction factor asked lately."""

Stamp = tuple[int, int, int]
Laid = tuple[int, date | None, float | None]


@dataclass(frozen=True)
class Made:
    """A patient's twin, and how strongly food, exercise and strain act in this person."""

    twin: KnownTwin
    own: OwnEffects


@dataclass
class Bed:
    """One patient: the record, and what was made of it so far."""

    key: str
    trace: Trace
    _twin: Future[Made] | None = field(default=None, repr=False)
    _grounds: dict[Laid, Recorded] = field(default_factory=dict, repr=False)
    _informed: tuple[float, KnownTwin] | None = field(default=None, repr=False)
    _informing: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def begin(self, make: Callable[[Trace], Made]) -> Future[Made]:
        """The twin, in the making from the first call on; one thread makes it, whoever asks."""
        with self._lock:
            if self._twin is None:
                self._twin = Future()
                threading.Thread(target=self._make, args=(self._twin, make), daemon=True).start()
            return self._twin

    def _make(self, promise: Future[Made], make: Callable[[Trace], Made]) -> None:
        """The twin, and then the grounds that are asked for first."""
        try:
            made = make(self.trace)
        except Exception as error:
            promise.set_exception(error)
            return
        promise.set_result(made)
        with suppress(Exception):  # whoever asks for that length is told
            for hours in LENGTHS_H:
                self.ground(made, (hours, None, None))

    def informed(self, factor: float, make: Callable[[Trace, float], KnownTwin]) -> KnownTwin:
        """The twin that a correction factor helped to make; the last one is kept."""
        with self._informing:
            if self._informed is None or self._informed[0] != factor:
                self._informed = factor, make(self.trace, factor)
            return self._informed[1]

    def ground(self, made: Made, laid: Laid) -> Recorded:
        """The ground of scenarios so long, from that day, under that factor; the last are kept."""
        with self._lock:
            found = self._grounds.pop(laid, None)
            if found is None:
                hours, day, factor = laid
                asked = replace(ASKED, correction_mg_dl_per_u=factor, effects=made.own.belief)
                found = recorded(made.twin, hours, day, asked)
            while len(self._grounds) >= MOST_GROUNDS:
                del self._grounds[next(iter(self._grounds))]
            self._grounds[laid] = found
            return found


class Ward:
    """Every patient of a site folder, read anew whenever the site table changes."""

    def __init__(self, site: Path) -> None:
        self.site = site
        self._keys: dict[str, str] = {}
        self._beds: dict[str, Bed] = {}
        self._stamp: tuple[Stamp | None, ...] = ()
        self._lock = threading.Lock()
        self.beds()

    def beds(self) -> dict[str, Bed]:
        """Key to patient, in the site's order; a Failure where the table cannot be read."""
        with self._lock:
            stamp = tuple(_stamp(self.site / name) for name in READ)
            if stamp[0] is None or stamp != self._stamp:
                traces = read_site(self.site / SITE_TABLE)
                known = self._keys
                self._keys = {
                    one.patient: known.get(one.patient) or secrets.token_urlsafe(9)
                    for one in traces
                }
                keyed = [(self._keys[one.patient], one) for one in traces]
                self._beds = {key: Bed(key, trace) for key, trace in keyed}
                self._stamp = stamp
            return self._beds

    def twin(self, bed: Bed) -> Future[Made]:
        """The patient's twin, made by now or in the making."""
        return bed.begin(self._make)

    def _make(self, trace: Trace) -> Made:
        """As `insula twin try` makes it: what the site's events.csv teaches counts."""
        prior = prior_of(self.site)
        twin, events = known_twin(trace, prior), events_of(trace, self.site / EVENTS)
        return Made(twin, own_effects(twin, events, prior=prior))

    def informed(self, bed: Bed, factor: float | None) -> KnownTwin:
        """The twin that a plan is looked for on: made anew where the clinic's factor is known."""
        usual = self.twin(bed).result().twin
        if factor is None:
            return usual

        def make(trace: Trace, mg_dl_per_u: float) -> KnownTwin:
            known = ClinicKnowledge(mg_dl_per_u)
            return known_twin(trace, prior_of(self.site), known, usual.judgement)

        return bed.informed(factor, make)

    def ground(self, bed: Bed, laid: Laid) -> Recorded:
        """What a scenario is tried on; waits for the twin. A Failure where there can be none."""
        return bed.ground(self.twin(bed).result(), laid)


def _stamp(table: Path) -> Stamp | None:
    try:
        found = table.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
