"""Openly published recordings as traces: the people who, with virtual ones, make the public start.

They are never members of a study that reports on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from client.ingest.importer import import_folder
from models.trace import Trace


@dataclass(frozen=True)
class PublicSet:
    """One published data set: folder, clock of its people, licence and whom to thank.

    `views` is how many sensors its people are seen through when the body is trained: people with
    type 1 diabetes, whom the clinics treat, count more.
    """

    folder: str
    time_zone: str
    views: int
    licence: str
    attribution: str


PUBLIC_SETS = (
    PublicSet(
        "azt1d",
        "America/Phoenix",
        8,
        "CC BY 4.0",
        "AZT1D, Khamesian et al. 2025, Mendeley Data 10.17632/gk9m674wcx.1, "
        "as harmonised by Glucose-ML",
    ),
    PublicSet(
        "hall",
        "America/Los_Angeles",
        2,
        "CC BY 4.0",
        "Hall et al. 2018, PLoS Biology 10.1371/journal.pbio.2005143, as harmonised by Glucose-ML",
    ),
    PublicSet(
        "colas",
        "Europe/Madrid",
        1,
        "CC BY 4.0",
        "Colas et al. 2019, PLoS ONE 10.1371/journal.pone.0225817, as harmonised by Glucose-ML",
    ),
)


def public_traces(
    data: Path, sets: Sequence[PublicSet] = PUBLIC_SETS
) -> list[tuple[PublicSet, Trace]]:
    """Every usable person of the published sets below `data`, in a fixed order."""
    return [
        (one, trace)
        for one in sets
        for trace in import_folder(data / one.folder, "glucose_ml", one.time_zone).traces
    ]
