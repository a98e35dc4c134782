"""Which proxy the relay will use, read from the environment as Flower's HTTP client reads it.

HTTPS_PROXY, then ALL_PROXY, unless NO_PROXY names the server: `*`, a name (and what lies below it),
`.name` (only what lies below it), or an address, exactly.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from client.preflight import Trouble


@dataclass(frozen=True)
class Proxy:
    """Where to ask for a tunnel; `credentials` is what Proxy-Authorization says, or nothing."""

    host: str
    port: int
    credentials: str = field(default="", repr=False)


def proxy_for(host: str, port: int, environment: Mapping[str, str]) -> Proxy | None:
    """The proxy on the way to this server, or None; Trouble for a setting nobody can use."""
    variables: dict[str, str] = {}
    for name, value in sorted(environment.items()):  # the small letters last: they win
        if value or name.islower():
            variables[name.lower()] = value
    address = variables.get("https_proxy") or variables.get("all_proxy")
    entries = variables.get("no_proxy", "").split(",")
    if not address or any(_covers(one.strip().lower(), host.lower(), port) for one in entries):
        return None
    return _parsed(address if "://" in address else f"http://{address}")


def _parsed(address: str) -> Proxy:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port or 80
    except ValueError as error:
        raise Trouble("proxy-setting", f"a proxy that is no address ({error})") from error
    if parts.scheme != "http" or not host:
        raise Trouble("proxy-setting", f"a proxy of kind {parts.scheme!r}, not http://HOST:PORT")
    secret = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    basic = base64.b64encode(secret.encode()).decode() if parts.username else ""
    return Proxy(host, port, f"Basic {basic}" if basic else "")


def _covers(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    if not entry or _is_address(entry.split("/")[0]) or entry == "localhost":
        return bool(entry) and entry.split("/")[0] == host
    name, _, only_port = entry.partition(":")
    if only_port and only_port != str(port):
        return False
    if name.startswith("."):
        return host.endswith(name)
    return host == name or host.endswith(f".{name}")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
