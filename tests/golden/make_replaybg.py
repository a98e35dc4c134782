"""Writes replaybg.json: what ReplayBG's own objective says of values on a made-up day.

ReplayBG is under the GPL: it is installed in an environment of its own, asked through a process,
and none of it is here. Run from the repository: python -m tests.golden.make_replaybg
"""

import json
import tempfile
from pathlib import Path

from simulations.replaybg_model import read_day
from simulations.replaybg_rival import PACKAGE, answer, installed
from tests.simulations.replaybg_day import (
    STEADY_MU_KG_MIN,
    WEIGHT_KG,
    some_values,
    write_day,
)

SEEDS = (1, 2, 3, 4, 5)


def main() -> None:
    """Ask for each set of values, and write them with the answers."""
    with tempfile.TemporaryDirectory() as folder:
        table = write_day(Path(folder) / "day.csv")
        names = read_day(table, WEIGHT_KG, STEADY_MU_KG_MIN).names
        python = installed()
        found = [
            answer(
                python,
                {
                    "table": str(table),
                    "weight_kg": WEIGHT_KG,
                    "steady_mu_kg_min": STEADY_MU_KG_MIN,
                    "names": names,
                    "values": some_values(seed, names),
                    "replays": 1,
                },
            )
            for seed in SEEDS
        ]
    assert all(tuple(each["names"]) == names for each in found)
    golden = {
        "source": PACKAGE,
        "names": list(names),
        "objective": {str(s): each["objective"] for s, each in zip(SEEDS, found, strict=True)},
    }
    path = Path(__file__).with_name("replaybg.json")
    path.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
