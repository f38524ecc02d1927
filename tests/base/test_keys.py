"""Dotted keys."""

from hydra_queue_sweeper.base.keys import is_below


def test_a_key_stands_below_itself_and_its_groups_alone() -> None:
    assert is_below("model.ridge.order", ["seed", "model.ridge"])
    assert is_below("model.ridge", ["model.ridge"])
    assert not is_below("model.ridges", ["model.ridge"])
    assert not is_below("model", ["model.ridge"])
    assert not is_below("model", [])
