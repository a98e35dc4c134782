"""What the study of effects comes to: the keys readers rely on, a table, and the spread."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from rich.table import Table

from simulations.effects import SUFFIX, Effects, Row
from simulations.effects_people import Treatment
from simulations.effects_twin import Window
from simulations.padova_world import WORLDS, World

JUDGED = (Treatment.BASAL, Treatment.BOLUS)
"""Summary keys give the worse of these; the carbohydrate ratio stands beside them."""


@dataclass(frozen=True)
class Errors:
    """Mean absolute errors over people and both directions of one treatment, in one window.

    Of mean glucose in mg/dL: the calibrated twin's, the twin's as simulated, the calibrated rule of
    thumb's, and of saying that nothing changes. Of time in range in points. Coverage of the 80 %
    intervals and right signs in per cent. `worst_tenth` is the 90th percentile over people of the
    calibrated twin's error; those with `sd` are standard deviations over people of each one's own.
    """

    world: World
    window: Window
    treatment: Treatment
    answers: int
    twin_mg_dl: float
    simulated_mg_dl: float
    thumb_mg_dl: float
    no_change_mg_dl: float
    worst_tenth_mg_dl: float
    twin_sd_mg_dl: float
    in_range_points: float
    in_range_sd_points: float
    in_range_no_change_points: float
    coverage_pct: float
    thumb_coverage_pct: float
    sign_right_pct: float


def errors(effects: Effects) -> tuple[Errors, ...]:
    """One entry per world, window and treatment."""
    return tuple(
        _errors(world, window, treatment, chosen)
        for world in WORLDS
        for window in Window
        for treatment in Treatment
        if (
            chosen := [
                row
                for row in effects.rows
                if (row.world, row.window, row.treatment) == (world, window, treatment)
            ]
        )
    )


def _errors(world: World, window: Window, treatment: Treatment, rows: Sequence[Row]) -> Errors:
    def mean(of: Callable[[Row], float]) -> float:
        return float(np.mean([of(row) for row in rows]))

    by_person = _by_person(rows, _missed)
    return Errors(
        world=world,
        window=window,
        treatment=treatment,
        answers=len(rows),
        twin_mg_dl=mean(_missed),
        simulated_mg_dl=mean(lambda r: abs(r.twin_mg_dl - r.true_mg_dl)),
        thumb_mg_dl=mean(lambda r: abs(r.thumb_mg_dl - r.true_mg_dl)),
        no_change_mg_dl=mean(lambda r: abs(r.true_mg_dl)),
        worst_tenth_mg_dl=float(np.quantile(by_person, 0.9)),
        twin_sd_mg_dl=float(np.std(by_person)),
        in_range_points=mean(_missed_in_range),
        in_range_sd_points=float(np.std(_by_person(rows, _missed_in_range))),
        in_range_no_change_points=mean(lambda r: abs(r.true_in_range_points)),
        coverage_pct=100.0 * mean(lambda r: r.covered),
        thumb_coverage_pct=100.0 * mean(lambda r: r.thumb_covered),
        sign_right_pct=100.0 * mean(lambda r: r.sign_right),
    )


def _missed(row: Row) -> float:
    return abs(row.estimate_mg_dl - row.true_mg_dl)


def _missed_in_range(row: Row) -> float:
    return abs(row.in_range_points - row.true_in_range_points)


def _by_person(rows: Sequence[Row], of: Callable[[Row], float]) -> list[float]:
    """Each person's mean; the stays of a public adult are people of their own."""
    everybody = sorted({row.patient for row in rows})
    return [float(np.mean([of(row) for row in rows if row.patient == who])) for who in everybody]


def summary(effects: Effects) -> dict[str, float]:
    """The keys readers rely on; those ending in `_hard` are world B's.

    `delta_mean_mae_mg_dl` is on the coming days, `delta_tir_mae_points` on the typical ones, each
    the worse of basal and bolus; coverage and signs are on the coming days over all changes; MARD
    is the median over people.
    """
    table = {(e.world, e.window, e.treatment): e for e in errors(effects)}
    keys: dict[str, float] = {}
    for world, suffix in SUFFIX.items():
        people = [person for person in effects.people if person.world == world]
        coming = [table[world, Window.COMING, treatment] for treatment in Treatment]
        judged = [table[world, Window.COMING, treatment] for treatment in JUDGED]
        typical = [table[world, Window.TYPICAL, treatment] for treatment in JUDGED]
        keys |= {
            f"mard_24h_pct{suffix}": float(np.median([p.twin_24h_pct for p in people])),
            f"mard_72h_pct{suffix}": float(np.median([p.twin_72h_pct for p in people])),
            f"delta_mean_mae_mg_dl{suffix}": max(e.twin_mg_dl for e in judged),
            f"delta_tir_mae_points{suffix}": max(e.in_range_points for e in typical),
            f"coverage_80_pct{suffix}": float(np.mean([e.coverage_pct for e in coming])),
            f"sign_right_pct{suffix}": float(np.mean([e.sign_right_pct for e in coming])),
            f"thumb_mean_mae_mg_dl{suffix}": max(e.thumb_mg_dl for e in judged),
            f"mard_24h_constant_pct{suffix}": float(
                np.median([p.constant_24h_pct for p in people])
            ),
            f"mard_24h_no_change_pct{suffix}": float(
                np.median([p.no_change_24h_pct for p in people])
            ),
        }
    return keys


def spread(effects: Effects) -> dict[str, float]:
    """Standard deviation over people of each of the summary's keys.

    Where a key is the worse of basal and bolus, it is of that treatment's errors.
    """
    return {
        f"{key}{suffix}": value
        for world, suffix in SUFFIX.items()
        for key, value in _spread(effects, world).items()
    }


def _spread(effects: Effects, world: World) -> dict[str, float]:
    table = {(e.window, e.treatment): e for e in errors(effects) if e.world == world}
    people = [person for person in effects.people if person.world == world]

    def over(window: Window, of: Callable[[Row], float], *treatments: Treatment) -> float:
        here = [row for row in effects.rows if (row.world, row.window) == (world, window)]
        return float(np.std(_by_person([r for r in here if r.treatment in treatments], of)))

    def worse(window: Window, size: Callable[[Errors], float]) -> Treatment:
        return max(JUDGED, key=lambda treatment: size(table[window, treatment]))

    coming, typical = Window.COMING, Window.TYPICAL
    of_mean = worse(coming, lambda e: e.twin_mg_dl)
    of_range = worse(typical, lambda e: e.in_range_points)
    of_thumb = worse(coming, lambda e: e.thumb_mg_dl)
    return {
        "mard_24h_pct": float(np.std([p.twin_24h_pct for p in people])),
        "mard_72h_pct": float(np.std([p.twin_72h_pct for p in people])),
        "delta_mean_mae_mg_dl": over(coming, _missed, of_mean),
        "delta_tir_mae_points": over(typical, _missed_in_range, of_range),
        "coverage_80_pct": over(coming, lambda r: 100.0 * r.covered, *Treatment),
        "sign_right_pct": over(coming, lambda r: 100.0 * r.sign_right, *Treatment),
        "thumb_mean_mae_mg_dl": over(coming, lambda r: abs(r.thumb_mg_dl - r.true_mg_dl), of_thumb),
        "mard_24h_constant_pct": float(np.std([p.constant_24h_pct for p in people])),
        "mard_24h_no_change_pct": float(np.std([p.no_change_24h_pct for p in people])),
    }


def as_dict(effects: Effects) -> dict[str, object]:
    """Everything as plain values: plan, summary and its spread, errors, people and rows."""
    return {
        "plan": asdict(effects.plan),
        "summary": summary(effects),
        "spread_over_people": spread(effects),
        "errors": [asdict(each) for each in errors(effects)],
        "people": [asdict(person) for person in effects.people],
        "rows": [asdict(row) for row in effects.rows],
    }


def page(effects: Effects) -> Table:
    """Errors of mean glucose and time in range, by world, window and treatment."""
    table = Table(title="Errors of the effect of 20 % more or less")
    for heading in ("world", "days", "treatment"):
        table.add_column(heading)
    figures = (
        "twin",
        "90 % of people",
        "simulated",
        "thumb",
        "no change",
        "in range",
        "cover",
        "sign",
    )
    for heading in figures:
        table.add_column(heading, justify="right")
    for e in errors(effects):
        about_mean = [e.twin_mg_dl, e.worst_tenth_mg_dl, e.simulated_mg_dl, e.thumb_mg_dl]
        values = [
            *about_mean,
            e.no_change_mg_dl,
            e.in_range_points,
            e.coverage_pct,
            e.sign_right_pct,
        ]
        table.add_row(e.world, e.window, e.treatment, *(f"{value:.1f}" for value in values))
    return table
