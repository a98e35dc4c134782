"""What a person sees who waits for a long command, and the processes that work meanwhile."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from simulations.parallel import crew


def progress(console: Console) -> Progress:
    """A line with what is being done and for how long."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=console)


@contextmanager
def measuring(
    processes: int, what: str, total: int
) -> Iterator[tuple[Executor | None, Callable[[], None]]]:
    """A crew, and what moves a bar of so many steps on by one."""
    with Progress(console=Console(stderr=True)) as bar, crew(processes) as pool:
        task = bar.add_task(what, total=total)
        yield pool, lambda: bar.advance(task)


@contextmanager
def counting(processes: int) -> Iterator[tuple[Executor | None, Callable[[str], None]]]:
    """A crew, and what tells the person who waits how many people are done."""
    with progress(Console(stderr=True, highlight=False)) as bar, crew(processes) as pool:
        task = bar.add_task("drawing people", total=None)

        def step(what: str) -> None:
            bar.advance(task)
            bar.update(task, description=f"{what}: {bar.tasks[0].completed:.0f} done in all")

        yield pool, step
