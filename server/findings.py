"""Who gained and who did not, in words made from the scores: the part of a report people quote."""

from collections.abc import Sequence

from server.run_record import ALL_CLINICS, Cohort, MetricsTold, RunRecord
from server.score_book import VERDICTS, Change, ScoreBook, Verdict

FEW_PATIENTS = 5
NOISE_SDS = 2.0
"""A figure told under noise is beyond it from so many of its standard errors on."""


def headline(record: RunRecord) -> str:
    """A few sentences: the shortest horizon, for people who took part, and what clinics told."""
    told = "" if record.metrics is None else told_in_words(record.metrics)
    return f"{_scored(record)} {told}".rstrip()


def told_in_words(told: MetricsTold) -> str:
    """What the clinics told of the study's worth, under noise, and whether it stands out of it."""
    error = told.standard_error_mg_dl
    if error is None:
        return "Metrics were agreed, and no clinic told any."
    figures = [
        f"{mean:+.2f} mg/dL at {name.rsplit('_', 1)[1]} minutes"
        for name, mean in zip(told.names, told.mean_mg_dl, strict=True)
    ]
    seen = sum(abs(mean) > NOISE_SDS * error for mean in told.mean_mg_dl)
    verdict = f"{seen} of {len(figures)} beyond noise" if seen else "none of it beyond noise"
    return (
        f"{len(told.clinics)} clinics told once, under noise: over their {told.declared_patients} "
        f"declared patients the new body's error is smaller by {listed(figures)}, each with a "
        f"standard error of {error:.2f}, {verdict}."
    )


def _scored(record: RunRecord) -> str:
    book = ScoreBook.of(record)
    horizons = book.horizons_min("same_patients")
    if not horizons:
        return "This run was not scored on the people who took part: nobody can say who gained."
    changes = book.changes("same_patients", horizons[0], "federated_dp", "pretrained")
    if not changes:
        return "This run does not hold the federated twin beside the public start."
    sentences = [_who_forecasts_better(changes)]
    boosting = book.change("same_patients", ALL_CLINICS, horizons[0], "federated_dp", "boosting")
    if boosting is not None and boosting.verdict == "higher":
        sentences.append(f"At {horizons[0]} minutes gradient boosting still beats the twin.")
    return " ".join(sentences)


def findings(record: RunRecord, cohort: Cohort) -> tuple[str, ...]:
    """Sentences on `cohort`: against the public start, own tuning, boosting; gains and losses."""
    book = ScoreBook.of(record)
    horizons = book.horizons_min(cohort)
    if not horizons:
        return ()
    soonest = horizons[0]
    told = [
        _against(
            f"Against the public start, which costs nobody any privacy, the federated twin's "
            f"{soonest}-minute error is",
            book.changes(cohort, soonest, "federated_dp", "pretrained"),
        ),
        _against(
            "Against the clinic's own tuning of the public start, done alone at home, it is",
            book.changes(cohort, soonest, "federated_dp", "local"),
        ),
        _against(
            "Tuned further at home, the federated twin's error against own tuning alone is",
            book.changes(cohort, soonest, "federated_dp_local", "local"),
        ),
        _against_boosting(book, cohort),
        _caution(book, cohort),
    ]
    return tuple(sentence for sentence in told if sentence)


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _who_forecasts_better(changes: Sequence[Change]) -> str:
    gained, lost, total = _named(changes, "lower"), _named(changes, "higher"), len(changes)
    if len(gained) == total:
        who = f"All {total} clinics forecast" if total > 1 else f"{gained[0]} forecasts"
    elif not gained:
        who = "No clinic forecasts"
    else:
        who = f"{len(gained)} of {total} clinics {'forecast' if len(gained) > 1 else 'forecasts'}"
    sentence = f"{who} better with the private federation than from the public start"
    if lost:
        sentence += f"; {listed(lost)} {'forecast' if len(lost) > 1 else 'forecasts'} worse"
    return f"{sentence}."


def _named(changes: Sequence[Change], verdict: Verdict) -> list[str]:
    return [change.clinic for change in changes if change.verdict == verdict]


def _against(opening: str, changes: Sequence[Change]) -> str:
    clauses = []
    for verdict in VERDICTS:
        found = [change for change in changes if change.verdict == verdict]
        size = "" if verdict == "same" else " ({})"
        places = [change.clinic + size.format(change.size) for change in found]
        if places:
            clauses.append(f"{'the same' if verdict == 'same' else verdict} at {listed(places)}")
    return f"{opening} {'; '.join(clauses)}." if clauses else ""


def _against_boosting(book: ScoreBook, cohort: Cohort) -> str:
    clauses = []
    for horizon_min in book.horizons_min(cohort):
        change = book.change(cohort, ALL_CLINICS, horizon_min, "federated_dp", "boosting")
        if change is not None:
            said = {"lower": "the twin wins", "higher": "boosting wins", "same": "they are level"}
            clauses.append(
                f"at {horizon_min} minutes {said[change.verdict]} "
                f"({change.ours_mg_dl:.1f} against {change.rival_mg_dl:.1f} mg/dL)"
            )
    opening = "Against gradient boosting on all clinics' data, pooled and without privacy"
    return f"{opening}: {'; '.join(clauses)}, over all people." if clauses else ""


def _caution(book: ScoreBook, cohort: Cohort) -> str:
    counts = {s.clinic: s.patients for key, s in book.by_key.items() if key[0] == cohort}
    few = [name for name in book.clinics if 0 < (counts.get(name) or 0) < FEW_PATIENTS]
    if not few:
        return ""
    return (
        f"Fewer than {FEW_PATIENTS} people stand behind the numbers of {listed(few)}: "
        "differences there may be chance."
    )
