"""The ServerApp of a study: the same round loop under `flwr run` and a SuperLink as in one process.

Settings of the run, all paths on the server: `protocol`, `public-start`, `out`, the run folder, and
`nodes`, a file that says which node is which clinic.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path

from safetensors.numpy import save

from models.head_prior import HeadMoments
from models.sharing import SharedVector
from server.app_ending import BODY, told
from server.checkpoint import Checkpoints, replace_whole, vector_sha256
from server.flower import Connect, server_app
from server.metric_round import ask_metrics
from server.rounds import Centre, Outcome, Progress, run_rounds, witness_the_end
from study.head_prior_file import PRIOR_FILE, to_json
from study.protocol import Protocol, read_protocol
from study.public_start import read_public_start


def main(connect: Connect, settings: Mapping[str, str]) -> None:
    """Run the study that the settings name, and write its run folder."""
    out = Path(settings["out"])
    with told(out):
        protocol = read_protocol(Path(settings["protocol"]))
        shared_vector = read_public_start(Path(settings["public-start"])).shared_vector(protocol)
        clinics = _clinics(settings.get("nodes", ""))
        centre = connect(len(protocol.members), protocol.server.deadline_s, clinics)
        run_study(protocol, shared_vector, centre, out, _say)


def run_study(
    protocol: Protocol,
    shared_vector: SharedVector,
    centre: Centre,
    out: Path,
    progress: Progress,
) -> Outcome:
    """The outcome; `out` gets protocol.yaml, server/ as it goes, body.safetensors at the end.

    A study that shares the population of heads leaves its prior.json there too.

    A folder that holds a part of this study is continued; one of another study is refused.
    """
    out.mkdir(parents=True, exist_ok=True)
    checkpoints = checkpoints_of(protocol, shared_vector, out)
    agreed, text = out / "protocol.yaml", protocol.canonical().encode()
    if not agreed.exists():  # there before the first round, for who watches
        replace_whole(agreed, text)
    outcome = run_rounds(protocol, shared_vector, centre, checkpoints, progress)
    if agreed.read_bytes() != text:
        replace_whole(agreed, text)
    body = shared_vector.weights(outcome.shared)
    replace_whole(out / BODY, save({"weights": body}))
    if isinstance(shared_vector, HeadMoments):
        learned = to_json(shared_vector.prior(outcome.shared))
        replace_whole(out / PRIOR_FILE, learned.encode())
    ask_metrics(protocol, centre, checkpoints, outcome.shared)
    witness_the_end(protocol, centre, checkpoints)
    return outcome


def checkpoints_of(protocol: Protocol, shared_vector: SharedVector, out: Path) -> Checkpoints:
    """Where the study of a run folder keeps its phases."""
    start_sha256 = vector_sha256(shared_vector.start())
    return Checkpoints(out / "server", protocol.digest(), start_sha256)


def _clinics(nodes: str) -> dict[int, str] | None:
    """Clinic of each node by its number; None where a clinic's own word is taken."""
    if not nodes:
        return None
    return {int(number): name for number, name in json.loads(Path(nodes).read_bytes()).items()}


def _say(done: int, total: int) -> None:
    print(f"round {done} of {total}", flush=True)


app = server_app(main, pause=time.sleep)
