"""Every code that may cross has words, and only codes before any debit are free for sure."""

import pytest

from server.code_words import CODE_WORDS, UNKNOWN, words_of
from study.wire import Code


def test_every_code_is_explained() -> None:
    assert set(CODE_WORDS) == {code.name for code in Code}
    for words in CODE_WORDS.values():
        assert words.cause.endswith(".") and words.remedy.endswith(".")


def test_a_code_of_a_later_version_is_not_taken_for_free() -> None:
    assert words_of("CODE_77") is UNKNOWN
    assert not UNKNOWN.spends_nothing


@pytest.mark.parametrize("code", ["OTHER_PROTOCOL", "NO_SUCH_ROUND", "BAD_SHARED_VECTOR"])
def test_the_codes_that_are_free_come_before_any_patient_is_read(code: str) -> None:
    assert words_of(code).spends_nothing


def test_no_other_is_free() -> None:
    free = [name for name, words in CODE_WORDS.items() if words.spends_nothing]
    assert len(free) == 3
