"""A study's certificates hold for the server's names, for a year, and for no second server."""

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from server.certificates import FILES, make_certificates, utc_now
from study.failure import ExitCode, Failure

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_the_names_the_year_and_the_fingerprint(tmp_path: Path) -> None:
    sha256 = make_certificates(tmp_path / "tls", ["study.example.org", "10.0.0.1"], NOW)
    ca, server = (certificate(tmp_path / "tls" / name) for name in ("ca.pem", "server.pem"))
    assert ca.fingerprint(hashes.SHA256()).hex() == sha256
    server.verify_directly_issued_by(ca)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["study.example.org"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1"]
    assert server.not_valid_before_utc == NOW - timedelta(hours=1)
    assert server.not_valid_after_utc == NOW + timedelta(days=365)


def test_the_server_s_key_is_its_owner_s_alone_and_the_ca_s_is_nowhere(tmp_path: Path) -> None:
    make_certificates(tmp_path, ["localhost"], NOW)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    assert (tmp_path / "server.key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_written_over(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(Failure, match=name) as failure:
        make_certificates(tmp_path, ["localhost"], NOW)
    assert failure.value.code is ExitCode.REFUSED
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure) as failure:
        make_certificates(tmp_path / "file" / "tls", ["localhost"], NOW)
    assert failure.value.code is ExitCode.NOT_WRITTEN


def greeted(tls: Path, trusted: Path, name: str) -> str:
    """The TLS version of a connection to a server with these certificates, as a client sees it."""
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(tls / "server.pem", tls / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            call, _ = listening.accept()
            try:
                ours.wrap_socket(call, server_side=True).close()
            except OSError:
                call.close()

        thread = threading.Thread(target=answer)
        thread.start()
        theirs = ssl.create_default_context(cafile=str(trusted))
        try:
            with (
                socket.create_connection(listening.getsockname()) as call,
                theirs.wrap_socket(call, server_hostname=name) as secure,
            ):
                return secure.version() or ""
        finally:
            thread.join()


def test_a_client_that_pins_the_ca_trusts_this_server_and_no_other(tmp_path: Path) -> None:
    for folder in ("ours", "theirs"):
        make_certificates(tmp_path / folder, ["127.0.0.1", "localhost"], utc_now())
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    assert greeted(ours, ours / "ca.pem", "localhost") == "TLSv1.3"
    assert greeted(ours, ours / "ca.pem", "127.0.0.1") == "TLSv1.3"
    for trusted, name in ((theirs, "localhost"), (ours, "study.example.org")):
        with pytest.raises(ssl.SSLCertVerificationError):
            greeted(ours, trusted / "ca.pem", name)
