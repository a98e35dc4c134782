"""Virtual studies as other commands printed them, in the form that a plan expects shares from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.trace import FloatArray
from simulations.prior_study import PEOPLE
from study.expected_share import VirtualStudy
from study.failure import ExitCode, Failure

MEMBERS = "same_patients"
DELTA = 1e-5
EFFECTS = "errors of treatment effects, 3 days of data"
DAYS = 3
INTERVAL_SD = 1.2816
"""Half the width of an 80 % interval, in standard deviations."""


def studies_in(path: Path) -> list[VirtualStudy]:
    """Every study and budget in what `simulate share --json` or `simulate prior --json` printed."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        return list(_of_prior(plain) if "plan" in plain else _of_shares(plain))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Failure(
            found=f"{path}, which is no study: {type(error).__name__}: {error}",
            expected="the output of `insula simulate share --json`, or of `prior --json`",
            consequence="No table was written.",
            remedy="run that study again, or leave the file out",
            code=ExitCode.BAD_DATA,
        ) from error


def _of_shares(plain: Mapping[str, Any]) -> Iterator[VirtualStudy]:
    for one in plain.values():
        judged = tuple(f"error {minutes} min ahead" for minutes in one["horizons_min"])
        for row in one["epsilons"]:
            release = row["release"]
            yield VirtualStudy(
                release=release["kind"],
                people=one["study"],
                sites=one["sites"],
                patients=one["patients"],
                epsilon=row["epsilon"],
                delta=one["delta"],
                judged=judged,
                kept_pct=tuple(row["kept_pct"][MEMBERS]),
                kept_sd_pct=tuple(row["kept_sd_pct"][MEMBERS]),
                worse_off_pct=tuple(row["clinics_worse_off_pct"]),
                releases=release["rounds"],
                dimension=release["dimension"],
                clip_norm=release["clip_norm"],
                draws=one["splits"] * one["draws_a_split"],
            )


def _of_prior(plain: Mapping[str, Any]) -> Iterator[VirtualStudy]:
    """What new people with three days of data keep of the help to effects of treatment."""
    plan = plain["plan"]
    results = {one["prior"]: one for one in plain["results"] if one["days"] == DAYS}
    for epsilon in plan["epsilons"]:
        kept = results[f"epsilon {epsilon:g}"]
        low, high = kept["kept_80_pct"]
        yield VirtualStudy(
            release="prior",
            people=f"{PEOPLE[plan['group']]} of world {plan['world']}",
            sites=plan["sites"],
            patients=plan["patients"],
            epsilon=epsilon,
            delta=DELTA,
            judged=(EFFECTS,),
            kept_pct=(kept["kept_pct"],),
            kept_sd_pct=((high - low) / (2 * INTERVAL_SD),),
            worse_off_pct=(_worse_off_pct(plain["patients"], f"epsilon {epsilon:g}"),),
            releases=1,
            dimension=plan["release"]["numbers"],
            clip_norm=plan["release"]["clip_norm"],
            draws=plan["draws"],
        )


def _worse_off_pct(patients: Sequence[Mapping[str, Any]], prior: str) -> float:
    """Of draws of the noise, how many end with larger errors, mean over people, than the book's."""
    book = _errors(patients, "book").mean()
    worse = _errors(patients, prior).mean(axis=0) > book
    return 100.0 * float(worse.mean())


def _errors(patients: Sequence[Mapping[str, Any]], prior: str) -> FloatArray:
    """Of each person under each draw of this prior, mg/dL, (N, draws)."""
    found: dict[str, list[float]] = {}
    for one in patients:
        if (one["prior"], one["days"]) == (prior, DAYS):
            found.setdefault(one["patient"], []).append(one["effect_error_mg_dl"])
    return np.array(list(found.values()))
