import pytest

from models.given import Given
from models.scenario import ScenarioError


def test_what_nobody_took_is_refused() -> None:
    given = Given({"a": 1, "b": 2}, "here")
    assert given.number("a", "U") == 1.0
    with pytest.raises(ScenarioError, match="b at here"):
        given.done()
    given.number("b", "U")
    given.done()


@pytest.mark.parametrize(("text", "value"), [("+10%", 1.1), ("-20 %", 0.8), ("+0%", 1.0)])
def test_changes_in_per_cent(text: str, value: float) -> None:
    assert Given({"change": text}, "here").scale() == pytest.approx(value)


@pytest.mark.parametrize(("clock", "hour"), [("07:30", 7.5), (750, 12.5), ("24:00", 24.0)])
def test_times_of_day(clock: object, hour: float) -> None:
    assert Given({"at": clock}, "here").clock("at") == hour


def test_an_error_within_a_part_names_its_place_once() -> None:
    with pytest.raises(ScenarioError) as refusal:
        Given({"parts": [{}, {"x": "?"}]}, "here").each(
            "parts", lambda one: one.number("x", "g", 1)
        )
    assert str(refusal.value).count("here.parts[2]") == 1
