"""A real browser without a window, spoken to over two pipes in Chromium's DevTools protocol."""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_S = 120.0
KEYS = {"Tab": 9, "Enter": 13, "Delete": 46}
KEYS |= {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
SHIFT = 8
ON_PIPES = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""The browser reads its file 3 and writes to its file 4."""


def require_chromium() -> str:
    """Where the browser is; without it the test is skipped, and fails on a build machine."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    reason = "needs Chromium, which .ci/system-packages installs"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}; a build machine must have it, or this test is never run")
    pytest.skip(reason)


@dataclass
class Browser:
    """One browser with one page; `said` are the errors and warnings of its console."""

    asks: int
    answers: int
    session: str = ""
    said: list[str] = field(default_factory=list)
    _number: int = 0
    _unread: bytes = b""
    _events: list[dict[str, Any]] = field(default_factory=list)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """What a command of the protocol gives back."""
        self._number += 1
        told = {"id": self._number, "method": method, "params": params}
        if self.session:
            told["sessionId"] = self.session
        os.write(self.asks, json.dumps(told).encode() + b"\0")
        while True:
            heard = self._next()
            if heard.get("id") == self._number:
                if "error" in heard:
                    raise RuntimeError(f"{method}: {heard['error']}")
                result: dict[str, Any] = heard["result"]
                return result

    def open(self, url: str) -> None:
        """Go to an address and wait until the page is whole."""
        self._events.clear()
        self.call("Page.navigate", url=url)
        self.await_load()

    def await_load(self) -> None:
        """Wait for the page that a click or a key has led to."""
        while not any(one.get("method") == "Page.loadEventFired" for one in self._events):
            self._next()
        self._events.clear()

    def press(self, key: str, modifiers: int = 0) -> None:
        """A key down and up; Enter follows a link, which is not waited for."""
        self._events.clear()
        text = {"text": "\r"} if key == "Enter" else {}
        code = KEYS[key]
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                modifiers=modifiers,
                **(text if kind == "keyDown" else {}),
            )

    def write(self, selector: str, text: str) -> None:
        """Put the focus into a field, and type over what is there."""
        self.value(f"(e => {{ e.focus(); e.select(); }})(document.querySelector({selector!r}))")
        self.call("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """A click with the mouse in the middle of an element; a page it leads to is not awaited."""
        self._events.clear()
        self.drag(selector, 0, 0)

    def drag(self, selector: str, right: int, down: int) -> None:
        """Take an element with the mouse and let it go so many pixels further."""
        find = f"document.querySelector({selector!r})"
        self.value(f"{find}.scrollIntoView({{block: 'center'}})")
        box = self.value(
            f"(b => [b.x + b.width / 2, b.y + b.height / 2])({find}.getBoundingClientRect())"
        )
        x, y = box
        self._mouse("mousePressed", x, y)
        for step in range(1, 5) if right or down else ():
            self._mouse("mouseMoved", x + right * step / 4, y + down * step / 4)
        self._mouse("mouseReleased", x + right, y + down)

    def _mouse(self, kind: str, x: float, y: float) -> None:
        pressed = {"button": "left", "buttons": 1, "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **pressed)

    def value(self, expression: str) -> Any:
        """What an expression is on the page."""
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in told:
            raise RuntimeError(f"{expression}: {told['exceptionDetails']}")
        return told["result"].get("value")

    def await_value(self, expression: str) -> None:
        """Wait until an expression is true on the page."""
        until = time.monotonic() + PATIENCE_S
        while not self.value(expression):
            if time.monotonic() > until:
                raise TimeoutError(expression)
            time.sleep(0.1)

    def look(self, width: int, height: int, scheme: str = "light") -> None:
        """The size of the window and the colours its user prefers."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        preferred = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=preferred)

    def picture(self, path: Path, whole: bool = True) -> None:
        """The page, or what the window shows of it: a .png, or a .webp of middling quality."""
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = {"format": "webp", "quality": 70} if path.suffix == ".webp" else {"format": "png"}
        told = self.call("Page.captureScreenshot", captureBeyondViewport=whole, **kind)
        path.write_bytes(base64.b64decode(told["data"]))

    def spoken(self) -> list[tuple[str, str]]:
        """Role and name of everything that a reader of the screen is told."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [
            (one["role"]["value"], one.get("name", {}).get("value", ""))
            for one in nodes
            if not one["ignored"]
        ]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            if not select.select([self.answers], [], [], PATIENCE_S)[0]:
                raise TimeoutError("the browser says nothing")
            heard = os.read(self.answers, 2**20)
            if not heard:
                raise EOFError("the browser has ended")
            self._unread += heard
        message, _, self._unread = self._unread.partition(b"\0")
        told: dict[str, Any] = json.loads(message)
        self._note(told)
        return told

    def _note(self, told: dict[str, Any]) -> None:
        if told.get("method") == "Log.entryAdded":
            entry = told["params"]["entry"]
            self.said += [entry["text"]] * (entry["level"] in ("error", "warning"))
        elif told.get("method") == "Runtime.exceptionThrown":
            self.said.append(str(told["params"]["exceptionDetails"]))
        elif "method" in told:
            self._events.append(told)


@contextlib.contextmanager
def browsing(chromium: str, profile: Path) -> Iterator[Browser]:
    """A browser until the block ends; it keeps what it keeps in `profile`."""
    read_asks, asks = os.pipe()
    answers, write_answers = os.pipe()
    options = ["--headless", "--remote-debugging-pipe", "--disable-gpu", "--no-first-run"]
    options += [f"--user-data-dir={profile}", "--disable-dev-shm-usage", "--hide-scrollbars"]
    options += ["--no-sandbox"] * (os.geteuid() == 0)  # it refuses a root with one
    running = subprocess.Popen(
        [sys.executable, "-c", ON_PIPES, str(read_asks), str(write_answers), chromium, *options],
        pass_fds=(read_asks, write_answers),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read_asks)
    os.close(write_answers)
    try:
        yield _attached(Browser(asks, answers))
    finally:
        running.terminate()
        running.wait(PATIENCE_S)
        os.close(asks)
        os.close(answers)


def _attached(browser: Browser) -> Browser:
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    told = browser.call("Target.attachToTarget", targetId=target, flatten=True)
    browser.session = told["sessionId"]
    for part in ("Page", "Runtime", "Log", "Accessibility"):
        browser.call(f"{part}.enable")
    return browser
