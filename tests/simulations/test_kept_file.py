"""What is kept is made once, to the bit, and lines of several writers stay whole."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from simulations.kept_file import add_line, keep, read_kept, read_lines


def test_it_comes_back_to_the_bit(tmp_path: Path) -> None:
    path, found = tmp_path / "new" / "one.json", {"x": [1.0 / 3.0]}
    assert read_kept(path) is None
    assert keep(path, found) == found == read_kept(path)


@pytest.mark.parametrize("text", ["", "{", "7 8", "7", "[1]"])
def test_a_torn_file_is_nothing_that_was_kept(text: str, tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"."):
        read_kept(path)


def test_lines_come_back_in_order_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    assert read_lines(path) == []
    rows = [{"n": n, "long": [n] * 9000} for n in range(40)]
    add_line(path, rows[0])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda row: add_line(path, row), rows[1:]))
    found = read_lines(path)
    assert found[0] == rows[0] and sorted(found, key=lambda row: row["n"]) == rows
