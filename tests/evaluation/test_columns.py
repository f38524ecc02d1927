"""The columns of tables of forecasts."""

from wavesweep.evaluation.columns import columns_of


def test_bounds_are_called_by_their_channel() -> None:
    assert columns_of(["x", "y"], bounds=False) == [("x",), ("y",)]
    assert columns_of(["x", "y"], bounds=True) == [("x", "x_lower", "x_upper"), ("y", "y_lower", "y_upper")]


def test_bounds_never_take_the_name_of_a_channel() -> None:
    channels = ["x", "x_lower", "x_", "x__upper"]
    named = columns_of(channels, bounds=True)
    assert [one[0] for one in named] == channels
    assert len({name for one in named for name in one}) == 3 * len(channels)
    assert named[0] == ("x", "x___lower", "x___upper")
