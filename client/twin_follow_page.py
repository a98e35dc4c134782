"""What following a patient found, written down: plain values, a table, words."""

import numpy as np
from rich.table import Table

from client.twin_following import FollowedDay, FollowedPatient
from models.rollout import HORIZONS_MIN
from models.trace import FloatArray


def followed_as_dict(found: FollowedPatient) -> dict[str, object]:
    """Errors and coverage of the whole and of each day; null where nothing could be compared."""
    return {
        "patient": found.patient,
        "horizons_min": list(HORIZONS_MIN),
        "whole": _day(found.whole),
        "filter_alone": _day(found.filter_alone),
        "days": [_day(one) for one in found.days],
        "refits": found.refits,
        "wild_readings": found.wild_readings,
        "alarm": None
        if found.alarm is None
        else {"day": found.alarm.day, "higher": found.alarm.higher, "words": found.alarm.words},
        "flags": list(found.twin.flags),
    }


def _day(one: FollowedDay) -> dict[str, object]:
    return {
        "day": one.day,
        "forecasts": one.forecasts,
        "rmse_mg_dl": _plain(one.rmse_mg_dl),
        "persistence_mg_dl": _plain(one.persistence_mg_dl),
        "covered_80_pct": _plain(one.covered_pct),
    }


def _plain(values: FloatArray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def followed_table(found: FollowedPatient) -> Table:
    """One row a day, RMSE in mg/dL of forecasts and persistence at each horizon."""
    table = Table("day", "forecasts", *(f"{h} min (held)" for h in HORIZONS_MIN), "80 % cover, %")
    days = [(str(one.day + 1), one) for one in found.days]
    for name, one in [*days, ("all", found.whole), ("filter alone", found.filter_alone)]:
        pairs = zip(one.rmse_mg_dl, one.persistence_mg_dl, strict=True)
        cells = [f"{_said(ours)} ({_said(held)})" for ours, held in pairs]
        covered = "/".join(_said(value, 0) for value in one.covered_pct)
        table.add_row(name, str(one.forecasts), *cells, covered)
    return table


def _said(value: float, digits: int = 1) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else "-"


def followed_in_words(found: FollowedPatient) -> str:
    """What a person should know: whether it helped, and whether something changed."""
    ours, held = found.whole.rmse_mg_dl, found.whole.persistence_mg_dl
    better = [h for h, a, b in zip(HORIZONS_MIN, ours, held, strict=True) if a < b]
    told = (
        f"Better than the last reading at {' and '.join(map(str, better))} minutes."
        if better
        else "No better than the last reading: do not use these forecasts."
    )
    alarm = "No alarm."
    if found.alarm is not None:
        alarm = f"Alarm on day {found.alarm.day + 1} of the record used: {found.alarm.words}."
    wild = f"{found.wild_readings} readings were too wild to count in full."
    return f"{told} {alarm} {wild} Research software, not for treatment."
