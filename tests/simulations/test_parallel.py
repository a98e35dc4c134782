"""One process or two: the same results in the same order, and a word after each."""

import os

import pytest

from simulations.parallel import crew, spread


def square(number: int) -> tuple[int, int]:
    """Its square, and the process that made it."""
    return number**2, os.getpid()


def test_one_process_is_this_one() -> None:
    told: list[None] = []
    with crew(1) as pool:
        done = spread(square, range(3), pool, lambda: told.append(None))
    assert done == [(0, os.getpid()), (1, os.getpid()), (4, os.getpid())]
    assert len(told) == 3


@pytest.mark.slow
def test_two_processes_give_the_same_in_the_same_order() -> None:
    told: list[None] = []
    with crew(2) as pool:
        done = spread(square, range(7), pool, lambda: told.append(None))
    assert [value for value, _ in done] == [0, 1, 4, 9, 16, 25, 36]
    assert os.getpid() not in {process for _, process in done}
    assert len(told) == 7


def test_what_goes_wrong_in_a_job_is_raised() -> None:
    with crew(1) as pool, pytest.raises(ZeroDivisionError):
        spread(lambda n: 1 // n, [1, 0], pool, lambda: None)
