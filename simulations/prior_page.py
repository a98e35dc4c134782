"""The study of priors written down: as plain values and as a table."""

from collections.abc import Iterator
from dataclasses import asdict

from simulations.prior_study import Judgement, PriorStudy


def _effect(one: Judgement) -> float:
    return one.effect_error_mg_dl


def _mard(one: Judgement) -> float:
    return one.mard_24h_pct


def as_dict(study: PriorStudy) -> dict[str, object]:
    """The plan, and for each prior and number of days the means over patients and draws."""
    return {
        "plan": asdict(study.plan),
        "results": [
            {
                "prior": prior,
                "days": days,
                "effect_mae_mg_dl": study.mean(prior, days, _effect),
                "mard_24h_pct": study.mean(prior, days, _mard),
                "gain_mg_dl": study.gain(prior, days)[0],
                "gain_se_mg_dl": study.gain(prior, days)[1],
                "kept_pct": study.kept_pct(prior, days)[0],
                "kept_80_pct": study.kept_pct(prior, days)[1:],
                "kept_by_draw_pct": study.kept_by_draw_pct(prior, days).tolist(),
                "kept_by_split_pct": study.kept_by_split_pct(prior, days).tolist(),
            }
            for days in study.plan.days
            for prior in study.priors
        ],
        "patients": [asdict(one) for one in study.judgements],
    }


def markdown(study: PriorStudy) -> str:
    """Tables in Markdown: priors down, days across; effects, MARD, and the share kept."""
    return "\n".join(_lines(study)) + "\n"


def _lines(study: PriorStudy) -> Iterator[str]:
    plan, release = study.plan, study.plan.release
    known = "with" if plan.known else "without"
    yield (
        f"World {plan.world}: {plan.sites} clinics of {plan.patients} drawn {plan.people} teach, "
        f"{plan.new_patients} others are judged, {known} their clinic's factors; "
        f"{plan.splits} splits, each of other people; releases of "
        f"{release.numbers} numbers about the {release.about} prior, clip {release.clip_norm:g}, "
        f"{plan.draws} draws of noise an epsilon in each."
    )
    tables = (
        ("Mean absolute error of the effect of 20 % more or less basal or bolus, mg/dL", _effect),
        ("MARD of open-loop forecasts over 24 h, %", _mard),
    )
    for title, of in tables:
        yield from ("", f"{title}, by days of data:", "", *_head(study))
        for prior in study.priors:
            yield _row(prior, [f"{study.mean(prior, days, of):.2f}" for days in plan.days])
    yield from ("", "How much smaller the error of effects is than under the book's prior, mg/dL")
    yield from ("(standard error over patients):", "", *_head(study))
    for prior in study.priors[1:]:
        gains = [study.gain(prior, days) for days in plan.days]
        yield _row(prior, [f"{gain:.2f} ({error:.2f})" for gain, error in gains])
    yield from ("", "Share of the federation's help to effects, % (80 % interval over patients):")
    yield from ("", *_head(study))
    for prior in study.priors[1:]:
        kept = [study.kept_pct(prior, days) for days in plan.days]
        yield _row(prior, [f"{share:.0f} ({low:.0f} to {high:.0f})" for share, low, high in kept])
    if plan.splits * plan.draws > 1:
        yield from ("", "The same over everybody under one draw of noise (smallest to largest);")
        yield from ("and of each split alone, all its draws together:", "", *_head(study))
        for prior in study.priors[1:]:
            yield _row(prior, [_apart(study, prior, days) for days in plan.days])


def _apart(study: PriorStudy, prior: str, days: int) -> str:
    by_draw, by_split = study.kept_by_draw_pct(prior, days), study.kept_by_split_pct(prior, days)
    splits = ", ".join(f"{one:.0f}" for one in by_split)
    return f"({by_draw.min():.0f} to {by_draw.max():.0f}); {splits}"


def _head(study: PriorStudy) -> tuple[str, str]:
    days = study.plan.days
    return _row("prior", [f"{one} d" for one in days]), "|---" * (len(days) + 1) + "|"


def _row(name: str, cells: list[str]) -> str:
    return "| " + " | ".join((name, *cells)) + " |"
