"""Numbers of things."""

import pytest

from hydra_queue_sweeper.base.counting import counted


@pytest.mark.parametrize(
    ("count", "what", "text"),
    [
        (0, "job", "0 jobs"),
        (1, "job", "1 job"),
        (2, "empty cell", "2 empty cells"),
        (1, "series", "1 series"),
        (3, "series", "3 series"),
    ],
)
def test_one_is_singular_and_all_else_plural(count: int, what: str, text: str) -> None:
    assert counted(count, what) == text
