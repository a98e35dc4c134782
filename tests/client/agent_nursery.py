"""Starts real agents by forking: `insula site serve` each, without five seconds of imports each.

One JSON line in names the words of the command and what befalls the agent; one line out is its pid.
Run as a process: python -m tests.client.agent_nursery
"""

import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

import insula
from client.site_serve import serve_site
from privacy.ledger import Ledger

STEPS = ("debit", "store", "receipt")


def befall(step: str, moment: str) -> None:
    """SIGKILL this process before or after a step of the ledger; nothing is closed or flushed."""
    original: Callable[..., Any] = getattr(Ledger, step)

    def killed(ledger: Ledger, *arguments: Any) -> Any:
        done = original(ledger, *arguments) if moment == "after" else None
        os.kill(os.getpid(), signal.SIGKILL)
        return done

    setattr(Ledger, step, killed)


def live(told: dict[str, Any]) -> int:
    """In the child: the agent, to its end; its exit code."""
    if told.get("kill"):
        befall(*told["kill"])
    if told.get("largest_file"):
        size = int(told["largest_file"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    log = os.open(told["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    return insula.main(["site", "serve", *told["words"]])


def main() -> None:
    """Fork an agent a line until the input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a dead child is gone at once
    if not callable(serve_site):
        raise SystemExit("the agent was not loaded")
    for line in sys.stdin:
        told = json.loads(line)
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os._exit(live(told))
        print(child, flush=True)


if __name__ == "__main__":
    main()
