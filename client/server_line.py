"""The line from a clinic to its server: TCP or a proxy's tunnel, TLS by the pinned CA, HTTP.

What fails is told by its own code, as far as the network lets it be told apart.
"""

import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from client.preflight import Trouble
from client.proxy import Proxy

PATIENCE_S = 8.0
LONGEST_ANSWER = 64 * 2**10
EXPIRED, NOT_YET = 10, 9
WRONG_NAME = {62, 64}
UNKNOWN_ISSUER = {2, 18, 19, 20, 21}
"""Codes of OpenSSL's X509_V_ERR_..."""


@dataclass(frozen=True)
class Server:
    """Where the server is, what is pinned, and the way there."""

    host: str
    port: int
    ca: Path
    proxy: Proxy | None = None


@dataclass(frozen=True)
class Answer:
    """What the server said; the names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswer(Exception):
    """A server that does not answer in HTTP."""


def connect(server: Server) -> socket.socket:
    """A TCP connection to the server, through a tunnel where there is a proxy; else Trouble."""
    if server.proxy is None:
        return _tcp(server.host, server.port)
    try:
        line = _tcp(server.proxy.host, server.proxy.port)
    except Trouble as trouble:
        raise Trouble("proxy-unreachable", f"the proxy: {trouble.found}") from trouble
    try:
        _ask_for_tunnel(line, server, server.proxy)
    except BaseException:
        line.close()
        raise
    return line


def secure(line: socket.socket, server: Server) -> ssl.SSLSocket:
    """TLS on that connection, by the pinned CA and for that name; else Trouble."""
    try:
        rules = ssl.create_default_context(cafile=str(server.ca))
    except (OSError, ssl.SSLError) as error:
        raise Trouble("ca-unreadable", f"{server.ca}: {error}") from error
    try:
        return rules.wrap_socket(line, server_hostname=server.host)
    except ssl.SSLCertVerificationError as error:
        raise Trouble(_code_of(error), f"{error.verify_message}{_shown(server)}") from error
    except (OSError, ValueError) as error:
        words = f"no TLS from {server.host}:{server.port} ({_reason(error)})"
        raise Trouble("tls-none", words) from error


def ask(
    server: Server, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """The answer to one question on a line of its own: GET without a body, POST with one.

    Trouble if there is no line; NoAnswer if what comes back is no HTTP.
    """
    with connect(server) as line, secure(line, server) as safe:
        http_line = http.client.HTTPConnection(server.host, server.port)
        http_line.sock = safe
        try:
            http_line.request("GET" if body is None else "POST", path, body, dict(headers or {}))
            answer = http_line.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, told, answer.read(LONGEST_ANSWER))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswer(f"no answer to {path} ({_reason(error)})") from error


def _tcp(host: str, port: int) -> socket.socket:
    place = f"{host}:{port}"
    try:
        return socket.create_connection((host, port), timeout=PATIENCE_S)
    except ConnectionRefusedError as error:
        raise Trouble("port-closed", f"{place} refused the connection") from error
    except TimeoutError as error:
        words = f"no answer from {place} in {PATIENCE_S:g} s"
        raise Trouble("port-no-answer", words) from error
    except OSError as error:
        raise Trouble("port-unreachable", f"{place}: {_reason(error)}") from error


def _ask_for_tunnel(line: socket.socket, server: Server, proxy: Proxy) -> None:
    name = f"[{server.host}]" if ":" in server.host else server.host
    words = [f"CONNECT {name}:{server.port} HTTP/1.1", f"Host: {name}:{server.port}"]
    words += [f"Proxy-Authorization: {proxy.credentials}"] if proxy.credentials else []
    with http.client.HTTPResponse(line, method="CONNECT") as answer:
        try:
            line.sendall("\r\n".join([*words, "", ""]).encode("ascii"))
            answer.begin()
        except (OSError, http.client.HTTPException, ValueError) as error:
            found = f"a proxy that does not answer CONNECT ({_reason(error)})"
            raise Trouble("proxy-refused", found) from error
        if answer.status != 200:
            found = f"CONNECT answered with {answer.status} {answer.reason}"
            raise Trouble("proxy-refused", found)


def _code_of(error: ssl.SSLCertVerificationError) -> str:
    number = error.verify_code
    if number in WRONG_NAME:
        return "tls-wrong-name"
    if number in UNKNOWN_ISSUER:
        return "tls-wrong-ca"
    return {EXPIRED: "tls-expired", NOT_YET: "tls-not-yet-valid"}.get(number, "tls-certificate")


def _shown(server: Server) -> str:
    """In words, the certificate that the server shows; looked at once more, believed in nothing."""
    rules = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    rules.check_hostname, rules.verify_mode = False, ssl.CERT_NONE
    try:
        with connect(server) as line, rules.wrap_socket(line) as seen:
            certificate = x509.load_der_x509_certificate(seen.getpeercert(True) or b"")
    except (OSError, ValueError, Trouble):
        return ""
    return (
        f"; shown was one for {', '.join(_names(certificate)) or 'no name'}, issued by "
        f"{certificate.issuer.rfc4514_string()}, valid from "
        f"{certificate.not_valid_before_utc:%Y-%m-%d} to {certificate.not_valid_after_utc:%Y-%m-%d}"
    )


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [str(one.value) for one in found.value]


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:200]
