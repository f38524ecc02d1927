"""The columns of tables of forecasts."""

from wavesweep.evaluation.columns import columns_of, quantile_name


def test_bounds_are_called_by_their_channel() -> None:
    assert columns_of(["x", "y"], bounds=False) == [("x",), ("y",)]
    assert columns_of(["x", "y"], bounds=True) == [("x", "x_lower", "x_upper"), ("y", "y_lower", "y_upper")]


def test_bounds_never_take_the_name_of_a_channel() -> None:
    channels = ["x", "x_lower", "x_", "x__upper"]
    named = columns_of(channels, bounds=True)
    assert [one[0] for one in named] == channels
    assert len({name for one in named for name in one}) == 3 * len(channels)
    assert named[0] == ("x", "x___lower", "x___upper")


def test_quantiles_are_called_by_their_level_in_percent() -> None:
    levels = (0.005, 0.05, 0.29, 0.5, 0.975)
    assert [*map(quantile_name, levels)] == ["q00.5", "q05", "q29", "q50", "q97.5"]
    assert columns_of(["x"], bounds=True, levels=(0.05, 0.9)) == [("x", "x_lower", "x_upper", "x_q05", "x_q90")]
    named = columns_of(["x", "x_q05"], bounds=False, levels=(0.05,))
    assert named == [("x", "x__q05"), ("x_q05", "x_q05__q05")]
