"""What every model of a study says about everybody scored: baselines, rivals, the study's own."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from models.sharing import WeightArray
from models.trace import FloatArray
from models.windows import Windows
from server.run_record import Model
from simulations.baselines import Baseline, BaselineData, fit_baselines, fit_mean
from simulations.people import ClinicPeople, Person
from simulations.rivals import federated, forecasts, pooled, tuned
from simulations.score_table import Forecasts
from study.public_start import PublicStart

WINDOWS_A_PERSON = 3000
"""Windows a person gives to the baselines, evenly spaced: trees on everything take minutes."""


def all_forecasts(
    start: PublicStart,
    private: WeightArray,
    clinics: Sequence[ClinicPeople],
    seed: int,
    after: Sequence[ClinicPeople] | None = None,
    without: frozenset[Model] = frozenset(),
) -> list[Forecasts]:
    """Forecasts of every model for everybody who is scored; `private` is the body under privacy.

    `after` are the clinics as the study leaves them, where it changes heads and not only the body.
    Bodies named in `without` are not trained: pooled and federated take most of the time.
    """
    changed = clinics if after is None else after
    groups = [list(one.members) for one in clinics if one.takes_part]
    members = [person for group in groups for person in group]
    everybody = [person for one in clinics for person in one.members + one.new]
    bodies: dict[Model, Callable[[], WeightArray]] = {
        "virtual_only": lambda: start.virtual_only,
        "pretrained": lambda: start.weights,
        "pooled": lambda: pooled(start.weights, members, seed),
        "federated": lambda: federated(start.weights, groups, seed),
    }
    found = _of_baselines(members, everybody, seed)
    found += [
        Forecasts(name, _of_body(everybody, weights()))
        for name, weights in bodies.items()
        if name not in without
    ]
    changed_people = [person for one in changed for person in one.members + one.new]
    found.append(Forecasts("federated_dp", _of_body(changed_people, private)))
    found.append(Forecasts("local", _after_own_tuning(start.weights, clinics, seed)))
    found.append(Forecasts("federated_dp_local", _after_own_tuning(private, changed, seed)))
    return found


def _of_body(people: Sequence[Person], weights: WeightArray) -> dict[str, FloatArray]:
    names = [one.trace.patient for one in people]
    return dict(zip(names, forecasts(weights, people), strict=True))


def _after_own_tuning(
    weights: WeightArray, clinics: Sequence[ClinicPeople], seed: int
) -> dict[str, FloatArray]:
    """Forecasts after each clinic, observers too, has tuned the body on its own members at home."""
    found: dict[str, FloatArray] = {}
    for clinic in clinics:
        body = tuned(weights, clinic.members, seed)
        found |= _of_body(clinic.members + clinic.new, body)
    return found


def _of_baselines(
    members: Sequence[Person], everybody: Sequence[Person], seed: int
) -> list[Forecasts]:
    """Baselines pooled over the members; the mean is everybody's own, new people's too."""
    numbers = {one.trace.patient: place for place, one in enumerate(everybody)}
    fitted: dict[Model, Baseline] = {}
    pooled_baselines = fit_baselines(_training(members, numbers), seed)
    for name in ("persistence", "ridge", "boosting"):
        fitted[name] = pooled_baselines[name]
    fitted["mean"] = fit_mean(_training(everybody, numbers), seed)
    return [
        Forecasts(
            name,
            {one.trace.patient: model.predict(_held_out(one, numbers)) for one in everybody},
        )
        for name, model in fitted.items()
    ]


def _training(people: Sequence[Person], numbers: Mapping[str, int]) -> BaselineData:
    """The people's training windows together, at most so many of each."""
    parts = []
    for one in people:
        places = np.linspace(0, len(one.train) - 1, min(len(one.train), WINDOWS_A_PERSON)).astype(
            np.int64
        )
        windows, doses = one.train.where(places), one.train_doses[places]
        parts.append(_data(windows, doses, numbers[one.trace.patient]))
    return BaselineData(
        features=np.concatenate([part.features for part in parts]),
        doses=np.concatenate([part.doses for part in parts]),
        glucose_now=np.concatenate([part.glucose_now for part in parts]),
        target=np.concatenate([part.target for part in parts]),
        patient=np.concatenate([part.patient for part in parts]),
    )


def _held_out(person: Person, numbers: Mapping[str, int]) -> BaselineData:
    return _data(person.test, person.test_doses, numbers[person.trace.patient])


def _data(windows: Windows, doses: FloatArray, number: int) -> BaselineData:
    return BaselineData(
        features=windows.features,
        doses=doses,
        glucose_now=windows.glucose_now,
        target=windows.target,
        patient=np.full(len(windows), number, dtype=np.int64),
    )
