"""The same work on many people, in one process or several; the result does not depend on which."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TypeVar

Job = TypeVar("Job")
Done = TypeVar("Done")


@contextmanager
def crew(processes: int) -> Iterator[Executor | None]:
    """So many processes to work in; None, for this one, where it is 1.

    They are spawned, not forked: the parent may have threads.
    """
    if processes == 1:
        yield None
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield pool


def spread(
    work: Callable[[Job], Done],
    jobs: Sequence[Job],
    pool: Executor | None,
    ready: Callable[[], None],
) -> list[Done]:
    """`work` of each job, in their order; `ready` is called after each."""
    done: list[Done] = []
    for result in map(work, jobs) if pool is None else pool.map(work, jobs):
        done.append(result)
        ready()
    return done
