"""`insula twin`: a patient's digital twin, asked at home."""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from client.card_run import run_all, run_one
from client.own_effects_cli import effects
from client.plan_cli import plan_settings
from client.site_folder import SITE_TABLE
from client.site_table import read_site, write_site, write_whole
from client.trial_cli import try_scenario
from client.twin_follow_page import followed_as_dict, followed_in_words, followed_table
from client.twin_following import DAYS, FEWEST_FIRST_DAYS, FIRST_DAYS, follow_patient
from client.twin_page import answer_page, answer_rows
from client.twin_question import (
    HOURS,
    Answer,
    Question,
    ask,
    in_words,
    scale_of,
)
from client.twin_site import described, prior_of, trace_of
from models.glycemia import Glycemia
from models.inputs import PRODUCTS, product_of
from models.whatif import Regimen
from study.failure import ExitCode, Failure
from study.public_start import read_public_start

app = typer.Typer(no_args_is_help=True, add_completion=False)

Site = Annotated[Path, typer.Option("--site", help=f"Site folder: the one with {SITE_TABLE}.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command("compare")
def compare_regimens(
    patient: Annotated[str, typer.Argument(help="Whose twin; `insula twin list` names them.")],
    site: Site,
    basal: Annotated[str, typer.Option(help="Change of all basal insulin.")] = "+0%",
    bolus: Annotated[str, typer.Option(help="Change of every bolus.")] = "+0%",
    carbs: Annotated[str, typer.Option(help="Change of every meal.")] = "+0%",
    day: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Local day; the latest well-recorded if absent."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="HTML page with both curves.")] = None,
    as_json: Json = False,
) -> None:
    """Run a recorded day and a changed one on a patient's twin, and show what differs.

    Where the site folder holds a study's prior.json, it takes the place of the book's prior.

    Example: insula twin compare 2301 --site sites/manchester --basal +10% --out answer.html
    """
    regimen = Regimen(scale_of(basal), scale_of(bolus), scale_of(carbs))
    question = Question(regimen, None if day is None else day.date())
    believed = prior_of(site)
    answer = ask(trace_of(patient, site), question, believed)
    if out is not None:
        write_whole(out, answer_page(answer).encode())
    if as_json:
        print(json.dumps(_as_dict(answer)))
    else:
        _print(answer, out)


app.command("try")(try_scenario)
app.command("plan")(plan_settings)
app.command("effects")(effects)


@app.command("follow")
def follow(
    patient: Annotated[str, typer.Argument(help="Whose record is gone through.")],
    site: Site,
    first_days: Annotated[
        int, typer.Option(min=FEWEST_FIRST_DAYS, help="Days the first twin is made from.")
    ] = FIRST_DAYS,
    days: Annotated[int, typer.Option(min=1, help="Days that are followed after them.")] = DAYS,
    as_json: Json = False,
) -> None:
    """Go through a patient's last weeks as they came: forecasts, nightly refits, an alarm.

    Example: insula twin follow 2307 --site sites/manchester --days 14
    """
    body = read_public_start().weights
    found = follow_patient(trace_of(patient, site), body, first_days, days, prior_of(site))
    if as_json:
        print(json.dumps(followed_as_dict(found)))
    else:
        Console(highlight=False).print(followed_table(found))
        print(followed_in_words(found))


@app.command("card")
def quality_card(
    site: Site,
    patient: Annotated[str | None, typer.Argument(help="Whose twin is judged.")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Every patient, and a table.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="HTML page; with --all, a folder of pages.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge a twin by days it has not seen: errors, intervals, parameters, warnings, a verdict.

    Example: insula twin card 2301 --site sites/manchester --out card.html
    """
    believed = prior_of(site)
    if everybody == (patient is not None):
        raise Failure(
            found="both a patient and --all" if everybody else "neither a patient nor --all",
            expected="one of them",
            consequence="No card was made.",
            remedy="name a patient, or ask for --all",
            code=ExitCode.USAGE,
        )
    if patient is None:
        run_all(read_site(site / SITE_TABLE), believed, out, as_json)
    else:
        run_one(trace_of(patient, site), believed, out, as_json)


@app.command("insulin")
def state_insulin(
    patient: Annotated[str, typer.Argument(help="Who takes it.")],
    product: Annotated[str, typer.Argument(help="Product or substance, for example Tresiba.")],
    site: Site,
    as_json: Json = False,
) -> None:
    """Write into the site table which long-acting insulin a patient takes, for its half-life.

    Import files seldom say it. A new import forgets it.

    Example: insula twin insulin 2301 Tresiba --site sites/manchester
    """
    known = product_of(product)
    if known is None:
        names = sorted(word for words in PRODUCTS.values() for word in words)
        raise Failure(
            found=f"a long-acting insulin named {product!r}",
            expected=f"a name with one of: {', '.join(names)}; no mixture",
            consequence="Nothing was written.",
            remedy="give one of these names, or leave the default, which the card warns of",
            code=ExitCode.USAGE,
        )
    stated = replace(trace_of(patient, site), long_acting_product=product)
    table = site / SITE_TABLE
    write_site(table, [stated if one.patient == patient else one for one in read_site(table)])
    if as_json:
        print(
            json.dumps({"patient": patient, "product": product, "half_life_h": known.half_life_h})
        )
    else:
        print(f"{patient} takes {product}: half-life {known.half_life_h:g} h.")


@app.command("list")
def list_patients(site: Site, as_json: Json = False) -> None:
    """List the patients of a site and whether their twins can be asked.

    Example: insula twin list --site sites/manchester
    """
    patients = [described(trace) for trace in read_site(site / SITE_TABLE)]
    if as_json:
        print(json.dumps({"patients": patients}))
        return
    table = Table("patient", "days", "readings, %", "days with insulin and meals", "can be asked")
    for row in patients:
        table.add_row(
            *(f"{cell:.0f}" if isinstance(cell, float) else str(cell) for cell in row.values())
        )
    Console(highlight=False).print(table)


def _as_dict(answer: Answer) -> dict[str, object]:
    comparison = answer.comparison
    return {
        "patient": answer.patient,
        "start_local": answer.start_local.isoformat(),
        "hours": HOURS,
        "regimen": {
            "basal_scale": answer.question.regimen.basal_scale,
            "bolus_scale": answer.question.regimen.bolus_scale,
            "carbs_scale": answer.question.regimen.carbs_scale,
        },
        "recorded": _summary(comparison.a, comparison.minutes_below_70[0]),
        "changed": _summary(comparison.b, comparison.minutes_below_70[1]),
        "mean_difference_mg_dl": comparison.mean_difference_mg_dl,
        "time_in_range_difference_points": comparison.time_in_range_difference_points,
        "mean_difference_interval_mg_dl": list(answer.doubt.mean_difference_mg_dl),
        "time_in_range_difference_interval_points": list(
            answer.doubt.time_in_range_difference_points
        ),
        "interval_pct": 80,
        "draws": answer.doubt.draws,
        "words": in_words(answer),
        "flags": list(answer.calibration.flags),
        "verdict": answer.verdict,
        "cautions": list(answer.cautions),
        "glucose_recorded_mg_dl": comparison.glucose_a_mg_dl.round(2).tolist(),
        "glucose_changed_mg_dl": comparison.glucose_b_mg_dl.round(2).tolist(),
    }


def _summary(summary: Glycemia, minutes_below_70: int) -> dict[str, float]:
    return {
        "mean_mg_dl": summary.mean_mg_dl,
        "time_in_range_pct": summary.in_range_pct,
        "minutes_below_70": minutes_below_70,
    }


def _print(answer: Answer, out: Path | None) -> None:
    console = Console(highlight=False)
    table = Table("", "as recorded", "changed", "difference")
    for label, before, after in answer_rows(answer):
        table.add_row(label, f"{before:.1f}", f"{after:.1f}", f"{after - before:+.1f}")
    console.print(f"{answer.patient}, from {answer.start_local:%Y-%m-%d %H:%M}", markup=False)
    console.print(table)
    console.print(in_words(answer), markup=False)
    for flag in answer.calibration.flags:
        console.print(f"Caution: {flag}.", markup=False)
    for caution in answer.cautions:
        console.print(f"Caution: {caution}", markup=False)
    console.print("Research software, not for treatment.")
    if out is not None:
        console.print(f"Both curves: {out}", markup=False)
