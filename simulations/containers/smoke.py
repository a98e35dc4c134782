"""The whole study in containers, looked at from every side: what `docker/smoke` runs.

Images are built and measured; three clinics and a server run a study with TLS and node keys on a
network of their own; every container is looked at while it runs; everything that crosses is
recorded and searched; the result is compared with the same study in one process.
"""

import argparse
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from server.superlink import free_port
from simulations.containers.capture import read_capture, recorded
from simulations.containers.compose_file import Composed, Service, read_compose
from simulations.containers.engine import Engine, find_engine
from simulations.containers.images import base_image, build_all, over_budget
from simulations.containers.looked_at import (
    agent_faults,
    hardening_faults,
    look,
    relay_faults,
)
from simulations.containers.rehearsal_sites import (
    BODY,
    CENTRE,
    TOKEN,
    Rehearsal,
    enrolled,
    give_to,
    in_one_process,
    make_rehearsal,
    secrets_in_files,
    secrets_of,
)
from study.failure import ExitCode, Failure

ROOT = Path(__file__).resolve().parents[2]
COMPOSE, PROTOCOL = ROOT / "docker" / "compose.yaml", ROOT / "docker" / "rehearsal.yaml"
SERVER, DASHBOARD, NETWORK = "server", "dashboard", "out"
UNPRIVILEGED = 10001
PROGRAM = "/opt/insula/bin/insula"
CHECK_INSIDE = ("site", "check", "/site", "--only", "site", "--socket", "/run/insula/agent.sock")
STUDY_S, PAGE_S = 900.0, 60.0

Say = Callable[[str], None]


@dataclass
class Smoke:
    """One rehearsal: engine, the compose file with its variables, folders, and what is wrong."""

    engine: Engine
    composed: Composed
    project: str
    made: Rehearsal
    say: Say
    faults: list[str] = field(default_factory=list)

    def container(self, service: str) -> str:
        """The name of a service's container."""
        return f"{self.project}_{service}"

    @contextmanager
    def everything(self) -> Iterator[None]:
        """Networks and volumes while the block lasts; whatever was started in it ends with it."""
        self.engine.remove(self.composed, self.project)
        try:
            self.engine.prepare(self.composed, self.project)
            yield
        finally:
            self.engine.remove(self.composed, self.project)

    def start(self, services: Sequence[Service]) -> None:
        """Start services, wait until each is healthy, and look at each as it runs."""
        for service in services:
            self.engine.start(service, self.project)
        for service in services:
            name = self.container(service.name)
            self.engine.wait_healthy(name, STUDY_S)
            seen = look(self.engine, name)
            self.faults += hardening_faults(seen)
            self.faults += agent_faults(seen) if service.name.endswith("agent") else []
            self.faults += relay_faults(seen) if service.name.endswith("relay") else []
            self.say(f"{service.name}: healthy; mounts {sorted(seen.brought)}")

    def wait_for_result(self) -> None:
        """Return when the server ended well and left a body; a Failure with its words if not."""
        server, until = self.container(SERVER), time.monotonic() + STUDY_S
        while (state := self.engine.state(server))[0] and time.monotonic() < until:
            time.sleep(1.0)
        if state != (False, 0) or not (self.made.run / BODY).is_file():
            raise Failure(
                found=f"a server that ended with {state}: {self.engine.last_words(server)}",
                expected=f"exit code 0 and {BODY}",
                consequence="The study in containers has no result.",
                remedy="read what it said",
                code=ExitCode.INTERNAL,
            )


def judge_recorder(smoke: Smoke, file: Path) -> None:
    """Say the token in clear text on the network: what cannot hear that proves nothing later."""
    shout = f"import socket; socket.create_connection(('server', 9092)).sendall(b'{TOKEN}')"
    bridge = smoke.engine.bridge(smoke.container(NETWORK))
    relay = next(one for one in smoke.composed.services if one.name.endswith("relay"))
    with recorded(bridge, file):
        smoke.engine.once(relay.image, smoke.container(NETWORK), shout)
    heard = read_capture(file)
    if not heard.found({"token": TOKEN.encode()}) or not heard.clear_text():
        smoke.faults.append("a token said in clear text on the network was not heard")


def run_study(smoke: Smoke, file: Path) -> None:
    """The study from the first container to the result; all that its relays say is in `file`."""
    by_part = {
        part: [one for one in smoke.composed.services if one.name.endswith(part)]
        for part in ("agent", SERVER, "relay", DASHBOARD)
    }
    smoke.start(by_part["agent"])  # which fit their patients first; the server's patience is short
    smoke.start(by_part[SERVER])
    for agent in by_part["agent"]:
        judge_checks(smoke, agent)
    judge_recorder(smoke, file.with_name("control.pcap"))
    with recorded(smoke.engine.bridge(smoke.container(NETWORK)), file):
        smoke.start(by_part["relay"])
        smoke.wait_for_result()
    smoke.start(by_part[DASHBOARD])
    judge_dashboard(smoke)


def judge_checks(smoke: Smoke, agent: Service) -> None:
    """Both halves of `insula site check` as docs/hospital-it.md has them, one on the network with
    the node's folder alone, one in the agent's container."""
    name, site = smoke.container(agent.name), smoke.made.site(agent.name.removesuffix("-agent"))
    network = smoke.engine.at(
        agent,
        smoke.container(NETWORK),
        f"{site / 'node'}:/site/node:ro",
        *("site", "check", "/site", "--only", "network"),
    )
    inside = smoke.engine.ask("exec", name, "python", PROGRAM, *CHECK_INSIDE, limit_s=STUDY_S)
    for said, half in ((network, "network"), (inside, "site")):
        if f"site check: {half} ready" not in said:
            smoke.faults.append(f"{name} is not ready for its {half}: {said[-500:]}")


def judge_dashboard(smoke: Smoke) -> None:
    """The pages show the study to who has the token, and nothing to who has not."""
    name = smoke.container(DASHBOARD)
    token = re.search(r"token=([\w-]+)", smoke.engine.last_words(name))
    url = smoke.engine.published(name)
    page = fetched(url, {"Cookie": f"insula={token[1]}"}) if token else ""
    if smoke.made.protocol.study not in page:
        smoke.faults.append(f"the dashboard does not show the study: {page[:200]}")
    if smoke.made.protocol.study in fetched(url, {}):
        smoke.faults.append("the dashboard shows the study to who has no token")


def fetched(url: str, headers: Mapping[str, str]) -> str:
    """A page of this machine, whatever its status."""
    try:
        with urlopen(Request(url, headers=dict(headers)), timeout=PAGE_S) as answer:
            return str(answer.read().decode())
    except HTTPError as refusal:
        return refusal.read().decode()


def judge_result(smoke: Smoke, file: Path) -> dict[str, Any]:
    """Compare the body with that of one process; search the recording and the centre's disk."""
    give_to(smoke.made.folder, os.geteuid(), os.getegid())
    people = enrolled(smoke.made)
    body = (smoke.made.run / BODY).read_bytes()
    if in_one_process(smoke.made, people, smoke.made.folder / "one-process").read_bytes() != body:
        smoke.faults.append("the body is not that of the same study in one process")
    secrets, traffic = secrets_of(people), read_capture(file)
    smoke.faults += [f"on the network: {name}" for name in traffic.found(secrets)]
    smoke.faults += [f"in clear text: {what}" for what in traffic.clear_text()]
    centre = smoke.made.folder / CENTRE
    smoke.faults += [f"at the centre: {name}" for name in secrets_in_files(secrets, centre)]
    smoke.faults += at_home(secrets, smoke.made)
    return {
        "packets": traffic.packets,
        "encrypted_bytes": traffic.encrypted_bytes(),
        "secrets_searched": len(secrets),
    }


def at_home(secrets: Mapping[str, bytes], made: Rehearsal) -> list[str]:
    """Whether the search finds what is there, and heads are encrypted where they are at home."""
    homes = [made.site(one.name) for one in made.protocol.members]
    found = [one for home in homes for one in secrets_in_files(secrets, home)]
    blind = [] if any("planted token" in one for one in found) else ["the search finds nothing"]
    return blind + [f"in clear text at home: {one}" for one in found if "'s " in one]


def rehearse(engine: Engine, base: str | None, out: Path, say: Say) -> dict[str, Any]:
    """Everything; what was measured, and `faults`, which must be empty."""
    uid = os.geteuid() or UNPRIVILEGED
    gid = os.getegid() if os.geteuid() else UNPRIVILEGED
    variables = {
        **os.environ,
        "INSULA_BASE_IMAGE": base_image(engine, base),
        "INSULA_REHEARSAL": str(out),
        "INSULA_UID": str(uid),
        "INSULA_GID": str(gid),
        "INSULA_DASHBOARD_PORT": str(free_port()),
    }
    composed = read_compose(COMPOSE, variables)
    began = time.monotonic()
    sizes = build_all(engine, composed, ROOT)
    say(f"images in {time.monotonic() - began:.0f} s: {_in_words(sizes)}")
    made = make_rehearsal(out, PROTOCOL, "server:9092")
    give_to(out, uid, gid)
    smoke = Smoke(engine, composed, "insula-smoke", made, say, over_budget(sizes))
    recording = out / "study.pcap"
    began = time.monotonic()
    with smoke.everything():
        run_study(smoke, recording)
    say(f"study in {time.monotonic() - began:.0f} s")
    return {"image_mb": sizes, **judge_result(smoke, recording), "faults": smoke.faults}


def _in_words(sizes: Mapping[str, float]) -> str:
    return ", ".join(f"{image.rpartition('/')[2]} {size:.0f} MB" for image, size in sizes.items())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rehearsal that the command line asks for; 0 if nothing is wrong."""
    parser = argparse.ArgumentParser(prog="docker/smoke", description=__doc__)
    parser.add_argument("--engine", help="docker or podman; else the first that works")
    parser.add_argument("--base", help="base image; else INSULA_BASE_IMAGE")
    parser.add_argument("--out", type=Path, help="new folder to keep everything in; else nothing")
    options = parser.parse_args(arguments)
    try:
        with _folder(options.out) as out:
            base = options.base or os.environ.get("INSULA_BASE_IMAGE")
            result = rehearse(find_engine(options.engine), base, out, _say)
    except Failure as failure:
        print(f"Error: {failure}", file=sys.stderr)
        return failure.code
    print(json.dumps(result))
    for fault in result["faults"]:
        print(f"Fault: {fault}", file=sys.stderr)
    return ExitCode.NOT_VERIFIED if result["faults"] else ExitCode.SUCCESS


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    """The folder asked for, which stays, or one that goes with the block."""
    if out is None:
        with tempfile.TemporaryDirectory(prefix="insula-smoke-") as temporary:
            yield Path(temporary)
        return
    if out.exists() and any(out.iterdir()):
        raise Failure(
            found=f"{out}, which holds something",
            expected="a new folder: a ledger is never used twice",
            consequence="Nothing was built or started.",
            remedy="remove it, or name another with --out",
            code=ExitCode.USAGE,
        )
    yield out.resolve()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _end(number: int, frame: FrameType | None) -> None:
    """A signal ends the rehearsal as an exception does: what was started is taken away."""
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main())
