"""How Insula says no: what was found, what was expected, what did not happen, what to do next."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command; docs/exit-codes.md gives cause and remedy of each."""

    SUCCESS = 0
    INTERNAL = 1
    USAGE = 2
    BAD_DATA = 3
    BAD_PROTOCOL = 4
    REFUSED = 5
    NOT_VERIFIED = 6
    TOO_FEW_REPLIES = 7
    MISSING_INPUT = 8
    NO_CLAIM = 9
    NOT_WRITTEN = 10
    NOT_READY = 11
    NO_SUPERLINK = 30


class Failure(Exception):
    """An error a person can act on; carries the exit code of the command that meets it."""

    def __init__(
        self, *, found: str, expected: str, consequence: str, remedy: str, code: ExitCode
    ) -> None:
        self.found, self.expected, self.consequence = found, expected, consequence
        self.remedy, self.code = remedy, code
        super().__init__(f"found {found}; expected {expected}. {consequence} What to do: {remedy}")

    def as_dict(self) -> dict[str, str | int]:
        """The same as plain values, for `--json`."""
        return {
            "found": self.found,
            "expected": self.expected,
            "consequence": self.consequence,
            "remedy": self.remedy,
            "exit_code": int(self.code),
        }
