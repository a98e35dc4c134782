"""A scenario as a clinician writes it down: one YAML file, read one way only."""

from pathlib import Path

import yaml

from models.scenario import Scenario, ScenarioError
from models.scenario_terms import scenario_of
from study.failure import ExitCode, Failure
from study.one_reading import ambiguity


def read_scenario(path: Path) -> Scenario:
    """The scenario in a file; a Failure names what is wrong in it, and where."""
    try:
        text = path.read_text(encoding="utf-8")
        if found := ambiguity(text):
            raise _unusable(f"{path} with {found}", "text that has one reading", ExitCode.USAGE)
        return scenario_of(yaml.safe_load(text))
    except (OSError, UnicodeDecodeError) as error:
        found = f"{path}, which cannot be read: {error}"
        raise _unusable(found, "a scenario in YAML", ExitCode.MISSING_INPUT) from error
    except yaml.YAMLError as error:
        found = f"{path}, which is not YAML: {error}"
        raise _unusable(found, "a scenario in YAML", ExitCode.USAGE) from error
    except ScenarioError as error:
        raise _unusable(f"in {path}: {error}", "a scenario", ExitCode.USAGE) from error


def _unusable(found: str, expected: str, code: ExitCode) -> Failure:
    return Failure(
        found=found,
        expected=expected,
        consequence="Nothing was simulated.",
        remedy="correct the file; docs/scenarios.md has every key and examples",
        code=code,
    )
