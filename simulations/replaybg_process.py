"""What runs in ReplayBG's own environment: its objective at our values, its search, its replays.

A file for that environment's Python, on its own: it imports nothing of Insula, and no part of
Insula imports ReplayBG, whose licence is the GPL. The task comes on stdin as JSON, the answer goes
to stdout as JSON.
"""

import contextlib
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

NAME = "day"


def answered(task: dict[str, Any]) -> dict[str, Any]:
    """ReplayBG's version, -ln p of `values`, a Powell search from its start, and timed replays.

    Seconds are of the processor: what else the machine does while ReplayBG runs is not its fault.
    """
    with tempfile.TemporaryDirectory() as folder:
        rbg = import_module("py_replay_bg.py_replay_bg").ReplayBG(
            blueprint="multi-meal",
            save_folder=folder,
            yts=5,
            exercise=False,
            seed=1,
            verbose=False,
            plot_mode=False,
        )
        data = _table(task["table"])
        model, objective = _objective(rbg, data, task)
        reached, powell_s = _powell(objective, model.start_guess)
        return {
            "version": version("py-replay-bg"),
            "names": [str(name) for name in model.unknown_parameters],
            "objective": float(objective(task["values"])),
            "objective_s": _seconds(lambda: objective(task["values"]), 50),
            "powell_objective": reached,
            "powell_s": powell_s,
            "replay_s": _replay_s(rbg, data, task, Path(folder)),
        }


def _table(path: str) -> Any:
    pandas = import_module("pandas")
    data = pandas.read_csv(path)
    data["t"] = pandas.to_datetime(data["t"])
    return data


def _objective(rbg: Any, data: Any, task: dict[str, Any]) -> tuple[Any, Callable[[Any], float]]:
    model = import_module("py_replay_bg.model.t1d_model_multi_meal").T1DModelMultiMeal(
        data=data,
        bw=task["weight_kg"],
        u2ss=task["steady_mu_kg_min"],
        twinning_method="map",
        environment=rbg.environment,
        is_twin=True,
    )
    unpacked = import_module("py_replay_bg.data").ReplayBGData(
        data=data, model=model, environment=rbg.environment
    )
    array = import_module("numpy").array
    return model, lambda values: float(model.neg_log_posterior(array(values), unpacked))


def _powell(objective: Callable[[Any], float], start: Any) -> tuple[float, float]:
    """One of the 128 searches that ReplayBG makes by default, with its options."""
    begin = time.process_time()
    options = {"maxiter": 100_000, "maxfev": 100_000, "disp": False}
    minimise = import_module("scipy.optimize").minimize
    found = minimise(objective, start, method="Powell", options=options)
    return float(found.fun), time.process_time() - begin


def _replay_s(rbg: Any, data: Any, task: dict[str, Any], folder: Path) -> float:
    """Seconds of one replay of the day with the twin of `values`, as a user asks for it."""
    draws = dict(zip(task["names"], task["values"], strict=True))
    twin = {"draws": draws, "u2ss": task["steady_mu_kg_min"]}
    place = folder / "results" / "map" / f"map_{NAME}.pkl"
    import_module("pandas").to_pickle(twin, place)

    def replay() -> None:
        rbg.replay(data=data, bw=task["weight_kg"], save_name=NAME, twinning_method="map")

    return _seconds(replay, task["replays"])


def _seconds(work: Callable[[], object], times: int) -> float:
    """Mean seconds of so many runs after a first that compiles."""
    work()
    begin = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - begin) / times


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(sys.stderr):
        answer = answered(json.load(sys.stdin))
    json.dump(answer, sys.stdout)
