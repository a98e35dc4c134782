"""A site for the studio's tests, and the studio of it: in this process, or as a clinic runs it."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from client.site_table import write_site
from client.studio import studio_app
from client.studio_gate import Gate
from models.trace import Trace
from tests.client.recorded_person import recorded_person

CANARY = "MRN-CANARY"
TOKEN = "a-token-of-this-test"
HOST = "127.0.0.1:8322"
ORIGIN = f"http://{HOST}"
NOW = datetime(2024, 3, 1, 9, 30, tzinfo=UTC)


def people() -> tuple[Trace, ...]:
    """Two patients with one record, named so that a leak is seen; the second's name is markup."""
    one = replace(recorded_person(), patient=f"{CANARY}-1", weight_kg=70.0)
    return one, replace(one, patient=f"<b>{CANARY}</b>-2")


def studio_site(folder: Path) -> Path:
    """A site folder with these people."""
    write_site(folder / "site.parquet", people())
    return folder


@dataclass
class Asking:
    """Requests to a studio in this process, its time in the test's hands."""

    site: Path
    seconds: float = 0.0
    cookies: dict[str, str] = field(default_factory=dict)
    secret: str = ""

    def __post_init__(self) -> None:
        self.gate: Gate = studio_app(self.site, TOKEN, "c", lambda: self.seconds, lambda: NOW)

    def send(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """The answer to one request; what a browser would add is added where `headers` do not."""
        told = {"Host": HOST, **({"Origin": ORIGIN} if method == "POST" else {})}
        told |= {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        told = {k: v for k, v in {**told, **(headers or {})}.items() if v}

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.gate)
            async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
                return await client.request(method, path, headers=told, **more)

        return asyncio.run(ask())

    def get(self, path: str, **headers: str) -> httpx.Response:
        """A page."""
        return self.send("GET", path, headers)

    def login(self, token: str = TOKEN) -> httpx.Response:
        """Shows a token, and keeps the cookie and the secret of the forms."""
        answer = self.send("POST", "/login", data={"token": token})
        self.cookies |= dict(answer.cookies)
        if self.gate.sessions:
            self.secret = list(self.gate.sessions.values())[-1].secret
        return answer

    def post(self, path: str, told: object, **headers: str) -> httpx.Response:
        """What the bench's script sends."""
        return self.send("POST", path, {"X-Insula-Secret": self.secret, **headers}, json=told)

    def patient_keys(self) -> list[str]:
        """The patients' keys in addresses."""
        page = self.get("/").text
        return [part.split('"')[0] for part in page.split("/patients/")[1:]]


@contextmanager
def studio_process(site: Path, *words: str) -> Iterator[tuple[str, str, subprocess.Popen[str]]]:
    """Address and token of `insula twin studio`, and its process."""
    command = [sys.executable, "-m", "insula", "twin", "studio", "--site", str(site)]
    command += ["--port", "0", "--json", *words]
    with (site / "studio.txt").open("a") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=dict(os.environ)
        )
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        yield told["url"].rstrip("/"), told["token"], process
    finally:
        process.kill()
        process.wait(20)
        if process.stdout is not None:
            process.stdout.close()
