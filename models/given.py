"""Plain values of a file, taken one by one: each with its unit, and none left over unread."""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from models.scenario import ScenarioError, refused

Part = TypeVar("Part")

DAY_MIN = 24 * 60
CLOCK = re.compile(r"(\d{1,2}):(\d{2})")
CHANGE = re.compile(r"([+-]\d+(?:\.\d+)?)\s?%")
SHARE = re.compile(r"(\d+(?:\.\d+)?)\s?%")
MOST_NUMBER = 1e5
AMOUNT = re.compile(r"(-?\d+(?:\.\d+)?)\s*([A-Za-z/]*)")


class Given:
    """One mapping of the file: values are taken by name, and none may be left over."""

    def __init__(self, plain: object, place: str) -> None:
        if not isinstance(plain, Mapping) or not all(isinstance(key, str) for key in plain):
            raise refused(f"{plain!r} at {place}", "names and values", "write it as `name: value`")
        self.plain, self.place, self.left = dict(plain), place, set(plain)

    def take(self, name: str, default: Any = ...) -> Any:
        """The value of a key, or the default where it may be absent."""
        self.left.discard(name)
        if name not in self.plain and default is ...:
            raise refused(f"no {name} at {self.place}", "one", "add it")
        return self.plain.get(name, default)

    def done(self) -> None:
        """Refuses keys that nobody took."""
        if self.left:
            raise refused(
                f"{', '.join(sorted(self.left))} at {self.place}",
                "keys that a scenario has",
                "look for a slip of the pen, or read docs/scenarios.md",
            )

    def each(self, name: str, read: Callable[["Given"], Part]) -> tuple[Part, ...]:
        """A list of parts; a single mapping counts as a list of one."""
        listed = self.take(name, [])
        listed = [listed] if isinstance(listed, Mapping) else listed
        if not isinstance(listed, list):
            found = f"{listed!r} at {self.place}.{name}"
            raise refused(found, "a list", "write one `- {...}` each")
        return tuple(
            self._read(one, f"{name}[{number}]", read) for number, one in enumerate(listed, 1)
        )

    def one(self, name: str, read: Callable[["Given"], Part]) -> Part | None:
        """A single part, or None."""
        plain = self.take(name, None)
        return None if plain is None else self._read(plain, name, read)

    def _read(self, plain: object, name: str, read: Callable[["Given"], Part]) -> Part:
        part = Given(plain, f"{self.place}.{name}")
        try:
            made = read(part)
        except ScenarioError as error:
            if part.place in str(error):
                raise
            raise ScenarioError(f"at {part.place}: {error}") from error
        part.done()
        return made

    def text(self, name: str, default: Any = ...) -> str:
        """A text."""
        value = self.take(name, default)
        if not isinstance(value, str) or not value.strip():
            raise refused(f"{value!r} at {self.place}.{name}", "text", "put it in quotes")
        return value

    def number(self, name: str, unit: str, default: Any = ...) -> float:
        """A number in `unit`, written bare or with exactly that unit."""
        value = self.take(name, default)
        found = f"{value!r} at {self.place}.{name}"
        if isinstance(value, str):
            match = AMOUNT.fullmatch(value.strip())
            if match is None or match[2] not in ("", unit):
                wanted = f"a number of {unit}" if unit else "a number"
                raise refused(found, wanted, f"give it in {unit}; 1 U is 1,000 mU")
            value = float(match[1])
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise refused(found, f"a number of {unit}", "write for example 4.5")
        if not -MOST_NUMBER <= value <= MOST_NUMBER:
            raise refused(found, f"a number of {unit} that a person can have", "check its digits")
        return float(value)

    def scale(self, name: str = "change", default: Any = ...) -> float:
        """1.1 of `+10%`."""
        value = self.take(name, default)
        match = CHANGE.fullmatch(str(value).strip())
        if match is None:
            raise refused(
                f"{value!r} at {self.place}.{name}",
                "a sign, a number and %",
                "write for example +10% or -20%",
            )
        return 1.0 + float(match[1]) / 100.0

    def share(self, name: str, default: str) -> float:
        """0.3 of `30%`."""
        value = self.take(name, default)
        match = SHARE.fullmatch(str(value).strip())
        if match is None:
            raise refused(f"{value!r} at {self.place}.{name}", "per cent", "write for example 30%")
        return float(match[1]) / 100.0

    def clock(self, name: str, default: Any = ...) -> float:
        """Hours after midnight of `HH:MM`."""
        value = self.take(name, default)
        if isinstance(value, int) and not isinstance(value, bool):
            value = f"{value // 60:02d}:{value % 60:02d}"  # YAML 1.1 reads 12:30 as 750
        match = CLOCK.fullmatch(str(value).strip())
        if match is None or int(match[1]) > 24 or int(match[2]) > 59:
            raise refused(f"{value!r} at {self.place}.{name}", "a time of day", "write 07:30")
        return int(match[1]) + int(match[2]) / 60.0

    def minute(self, name: str = "at", day_name: str = "day", usual_day: int = 1) -> int:
        """Minutes since the scenario's first midnight, of `at` and `day` or two such keys."""
        day = self.number(day_name, "", usual_day)
        if day not in (1.0, 2.0, 3.0):
            raise refused(f"day {day:g} at {self.place}", "1, 2 or 3", "count from the first day")
        return round(60.0 * self.clock(name)) + DAY_MIN * (int(day) - 1)
