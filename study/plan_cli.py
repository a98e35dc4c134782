"""`insula privacy plan`: a budget before it is spent, and what is left of the gain under it."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console

from privacy.gaussian_dp import AccountingError
from privacy.plan import in_words, metrics_in_words, plan_metrics
from privacy.plan import plan as planned
from study.expected_share import Expectation, Kind, expected, loudness, read_studies

BUDGETS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""What is tried for the smallest budget worth having."""


def plan(
    epsilon: Annotated[float, typer.Option(help="Budget of one patient over all releases.")] = 8.0,
    delta: Annotated[float, typer.Option(help="Chance that the promise does not hold.")] = 1e-5,
    releases: Annotated[
        int | None,
        typer.Option(
            "--releases",
            "--rounds",
            help="How often each clinic releases; 50, or as studies of that size do.",
        ),
    ] = None,
    sites: Annotated[int, typer.Option(help="Clinics that average their releases.")] = 1,
    patients: Annotated[int, typer.Option(help="Declared patients of each.")] = 50,
    release: Annotated[
        Kind | None, typer.Option(help="What is shared: say what share of the gain to expect.")
    ] = None,
    metrics: Annotated[
        tuple[int, float, float] | None,
        typer.Option(help="Told at the end: how many, their share of mu squared, bound in mg/dL."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """The noise that a budget needs, what it means for a patient, and what it leaves of the gain.

    With --release it says what virtual studies of that size kept of the gain without privacy, and
    advises against a budget that may be worth less than nothing.

    Example: insula privacy plan --release adapter --epsilon 8 --sites 4 --patients 18
    """
    try:
        hoped = None if release is None else _expected(release, sites, patients, epsilon, delta)
        usual = 50 if hoped is None else hoped.like.releases
        figures = planned(epsilon, delta, releases or usual, sites, patients)
        told = plan_metrics(figures, *metrics) if metrics else None
    except AccountingError as error:
        raise typer.BadParameter(str(error)) from error
    words, plain = in_words(figures), asdict(figures)
    if release is not None and hoped is not None:
        enough = _enough(release, sites, patients, delta)
        words = f"{words}\n{hope_in_words(hoped, enough)}"
        plain |= {"expected": hope_as_plain(hoped, enough)}
    if told is not None:
        words, plain = f"{words}\n{metrics_in_words(told)}", plain | {"metrics": asdict(told)}
    if as_json:
        print(json.dumps(plain))
    else:
        Console(stderr=True, highlight=False).print(words, markup=False)


def _expected(
    release: Kind, sites: int, patients: int, epsilon: float, delta: float
) -> Expectation:
    if min(sites, patients) < 1:
        raise AccountingError(
            f"found {sites} sites of {patients} patients; expected 1 or more of each. Nothing was "
            "planned. What to do: give the declared sizes."
        )
    return expected(loudness(sites, patients, epsilon, delta), release, read_studies())


def _enough(release: Kind, sites: int, patients: int, delta: float) -> float | None:
    """The smallest of `BUDGETS` that is worth having at this size, or None."""
    worth = (one for one in BUDGETS if _expected(release, sites, patients, one, delta).worth_it)
    return next(worth, None)


def hope_as_plain(hoped: Expectation, enough: float | None) -> Mapping[str, Any]:
    """An expectation as plain values, for `--json`."""
    like = hoped.like
    return {
        "release": like.release,
        "judged": list(hoped.judged),
        "kept_pct": list(hoped.kept_pct),
        "doubt_pct": list(hoped.doubt_pct),
        "worse_off_pct": list(hoped.worse_off_pct),
        "inside_what_was_tried": hoped.inside,
        "worth_it": hoped.worth_it,
        "hurts_some": hoped.hurts_some,
        "smallest_epsilon_worth_it": enough,
        "settings": {name: getattr(like, name) for name in ("releases", "dimension", "clip_norm")},
    }


def hope_in_words(hoped: Expectation, enough: float | None) -> str:
    """An expectation as a person reads it, and the advice."""
    like = hoped.like
    kept = "; ".join(
        f"{what} {k:.0f} % (give or take {d:.0f})"
        for what, k, d in zip(hoped.judged, hoped.kept_pct, hoped.doubt_pct, strict=True)
    )
    outside = "" if hoped.inside else " No virtual study was of this size; the nearest is taken."
    return (
        f"Expected to be kept of the gain without privacy: {kept}.{outside} Clinics that end worse "
        f"than they began: {max(hoped.worse_off_pct):.0f} %. From virtual studies; their settings "
        f"nearest to this size: {like.dimension} numbers, clip norm {like.clip_norm:g}, "
        f"{like.releases} release(s).\n{_advice(hoped, enough)}"
    )


def _advice(hoped: Expectation, enough: float | None) -> str:
    if hoped.worth_it:
        warning = (
            " Some clinics may end worse off: each must compare at home before it adopts."
            if hoped.hurts_some
            else ""
        )
        return f"Advice: worth having, if the people are like those virtual ones.{warning}"
    instead = "no budget up to 16 is" if enough is None else f"epsilon {enough:g} would be"
    return (
        "Advice: AGAINST this budget. It may be worth less than nothing; at this size "
        f"{instead} worth having. Keep the public start, and let each clinic tune it at home."
    )
