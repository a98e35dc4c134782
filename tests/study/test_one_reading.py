import pytest
import yaml

from study.one_reading import ambiguity


@pytest.mark.parametrize("text", ["", "a: 1", "a: {b: 1}\nc: {b: 2}", "- {a: 1}\n- {a: 1}", "é: 1"])
def test_what_has_one_reading(text: str) -> None:
    assert ambiguity(text) == ""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: 1\nb: 2\na: 3", "the key 'a' twice, line 3"),
        ("x:\n- {u: 1}\n- {u: 1, v: 2, u: 3}", "the key 'u' twice, line 3"),
        ("a: &one {u: 1}\nb: *one", "an alias"),
        ("e\u0301: 1", "two parts"),
    ],
)
def test_what_has_two(text: str, found: str) -> None:
    assert found in ambiguity(text)


def test_what_is_not_yaml() -> None:
    with pytest.raises(yaml.YAMLError):
        ambiguity("a: [1")
