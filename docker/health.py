"""Is this container doing its part? Read from the kernel's own tables; nobody is called.

    health.py agent SOCKET    the agent listens on SOCKET
    health.py relay SOCKET    SOCKET is there, and a connection out of this container stands
    health.py server PORT     somebody listens on PORT

Ends with 0 if so, else with 1 and the reason. An agent at work is not disturbed: it answers one
caller at a time, and a caller who only knocks would stand in the relay's way.
"""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

ESTABLISHED, LISTENING = "01", "0A"
UNIX_LISTENING = "00010000"


def tcp(proc: Path) -> Iterator[tuple[str, int, str]]:
    """Every TCP socket of this network namespace: local address, port and state."""
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        table = proc / "net" / name
        for row in table.read_text().splitlines()[1:] if table.exists() else []:
            place, state = row.split()[1], row.split()[3]
            address, port = place.split(":")
            yield socket.inet_ntop(family, _bytes(address)), int(port, 16), state


def _bytes(address: str) -> bytes:
    """The kernel prints 32-bit words of the address, each in the machine's own byte order."""
    words = [address[at : at + 8] for at in range(0, len(address), 8)]
    return b"".join(int(word, 16).to_bytes(4, sys.byteorder) for word in words)


def is_loopback(address: str) -> bool:
    """Whether only this container itself can reach or use the address."""
    return address.removeprefix("::ffff:").startswith("127.") or address == "::1"


def listens_on(path: str, proc: Path) -> bool:
    """Whether a Unix socket of this network namespace listens at `path`."""
    rows = [row.split() for row in (proc / "net" / "unix").read_text().splitlines()[1:]]
    return any(row[3] == UNIX_LISTENING and row[-1] == path for row in rows)


def trouble(part: str, place: str, proc: Path = Path("/proc")) -> str:
    """What is wrong, or nothing."""
    if part == "agent":
        return "" if listens_on(place, proc) else f"nobody listens at {place}"
    if part == "server":
        ports = {port for _, port, state in tcp(proc) if state == LISTENING}
        return "" if int(place) in ports else f"nobody listens on port {place}"
    if not Path(place).is_socket():
        return f"no agent's socket at {place}"
    out = [one for one, _, state in tcp(proc) if state == ESTABLISHED and not is_loopback(one)]
    return "" if out else "no connection to the server"


def main() -> int:
    """Answer for the part and place on the command line."""
    if len(sys.argv) != 3 or sys.argv[1] not in ("agent", "relay", "server"):
        print(__doc__, file=sys.stderr)
        return 2
    part, place = sys.argv[1:]
    found = trouble(part, place)
    if found:
        print(found, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
