"""A network namespace at the end of a virtual cable, which can be unplugged: packets get lost."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    """A cable between this machine, at `host`, and a namespace; `inside` begins a command there."""

    namespace: str
    cable: str
    host: str

    @property
    def inside(self) -> tuple[str, ...]:
        """Words before those of a command."""
        return ("ip", "netns", "exec", self.namespace)

    def unplug(self) -> None:
        """Nothing passes, and neither side is told."""
        _ip("link", "set", self.cable, "down")

    def plug_in(self) -> None:
        """What passed before passes again."""
        _ip("link", "set", self.cable, "up")

    def reaches(self, port: int) -> bool:
        """Whether somebody in the namespace can call this port of ours."""
        call = f"import socket; socket.create_connection(('{self.host}', {port}), 2)"
        words = [*self.inside, sys.executable, "-S", "-c", call]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0


@contextmanager
def new_link() -> Iterator[Link | None]:
    """A namespace for the block, or None where this machine refuses (needs root and iproute2)."""
    number = os.getpid()
    near, far = f"198.18.{number % 256}.1", f"198.18.{number % 256}.2"  # for tests: RFC 2544
    link = Link(f"insula-{number}", f"insa{number}", near)
    inner = f"insb{number}"
    try:
        _ip("netns", "add", link.namespace)
    except (OSError, subprocess.CalledProcessError):
        yield None
        return
    try:
        _ip("link", "add", link.cable, "type", "veth", "peer", "name", inner)
        _ip("link", "set", inner, "netns", link.namespace)
        _ip("addr", "add", f"{near}/30", "dev", link.cable)
        link.plug_in()
        for words in (("addr", "add", f"{far}/30", "dev", inner), ("link", "set", inner, "up")):
            _ip("-n", link.namespace, *words)
        _ip("-n", link.namespace, "link", "set", "lo", "up")
        yield link
    finally:
        _ip("netns", "delete", link.namespace)  # and the cable with it


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
