"""Panels, several series that are each split by time: nothing crosses from one to another, nor back in time."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hydra_queue_sweeper.base.errors import Refused
from tests.support.baselines import fit_baselines
from tests.support.parts import composed, given
from wavesweep.config.config import Config
from wavesweep.config.resolve import outline
from wavesweep.data import by_time
from wavesweep.data.data import Data
from wavesweep.experiment.preparation import load_data, prepare, shape_of
from wavesweep.models.recurrent import Recurrent

LENGTHS = (40, 61, 23)


def unique(lengths: tuple[int, ...] = LENGTHS, channels: int = 3) -> list[np.ndarray]:
    """Return series in which each value occurs once, so that it is known again wherever it stands."""
    ends = np.cumsum(lengths) * channels
    return [
        np.arange(end - length * channels, end, dtype=float).reshape(length, channels)
        for end, length in zip(ends, lengths, strict=True)
    ]


def noise(lengths: tuple[int, ...] = LENGTHS, channels: int = 3) -> list[np.ndarray]:
    draws = np.random.default_rng(0)
    return [draws.normal(size=(length, channels)) for length in lengths]


def panel(series: list[np.ndarray], *overrides: str, split: tuple[float, float, float] | None = None) -> Config:
    return given(series, *overrides, split=split, panel=True)


@pytest.mark.parametrize(("lengths", "horizon"), [((16, 17), ("forecast.horizon=3",)), ((3, 4), ())])
def test_series_none_of_which_is_both_validated_and_tested_are_refused(
    lengths: tuple[int, int], horizon: tuple[str, ...]
) -> None:
    with pytest.raises(Refused, match=r"dataset\.split must leave one series as many steps to validate and to test as"):
        outline(panel(noise(lengths), *horizon))


def test_forecasts_have_as_long_to_find_the_phase_as_training_allows() -> None:
    found = outline(panel(noise((100, 90)), "forecast.context=10", "model.highway=false"))
    assert found.training.washout == 5, "half the context, not three tenths of the window"


class TestWindows:
    @pytest.mark.parametrize(("stride", "horizon"), [(1, 1), (3, 3), (2, 3)])
    def test_each_is_a_stretch_of_one_series_and_together_they_score_each_step(self, stride: int, horizon: int) -> None:
        series, names = unique(), ("forecast.context=9", f"forecast.horizon={horizon}", f"forecast.stride={stride}")
        data = load_data(panel(series, *names))
        assert data.test is not None
        bounds = {"val": [(28, 34), (43, 52), (16, 20)], "test": [(34, 40), (52, 61), (20, 23)]}
        for part, stretches in ((data.val, bounds["val"]), (data.test, bounds["test"])):
            for context, truth, start, number in zip(part.context, part.truth, part.start, part.series, strict=True):
                assert np.array_equal(np.concatenate([context, truth]), series[number][start : start + 9 + horizon])
            for number, (first, last) in enumerate(stretches):
                own = part.series == number
                assert {*part.truth[own].flat} == {*series[number][first:last].flat}
                assert (np.diff(part.start[own]) > 0).all()
            assert part.series.tolist() == sorted(part.series.tolist())

    def test_the_training_part_is_the_beginning_of_each(self) -> None:
        series = unique()
        data = load_data(panel(series))
        assert [one.tolist() for one in data.train] == [
            one[:steps].tolist() for one, steps in zip(series, (28, 43, 16), strict=True)
        ]

    def test_a_part_may_be_left_out(self) -> None:
        data = load_data(panel(unique(), split=(0.6, 0.4, 0.0)))
        assert data.test is None
        assert {*data.val.truth.flat} == {value for one in unique() for value in one[round(0.6 * len(one)) :].flat}


class TestOrigins:
    """Series are compared by their means at each."""

    def test_those_of_equal_series_are_shared(self) -> None:
        part = load_data(panel(noise((60, 60)), "forecast.horizon=2")).val
        values = np.random.default_rng(0).normal(size=(2, len(part.start) // 2))
        np.testing.assert_allclose(part.by_origin(values.ravel()), values.mean(axis=0))

    def test_of_unequal_series_each_window_weighs_the_same(self) -> None:
        part = load_data(panel(noise(), "forecast.horizon=2")).val
        values = np.random.default_rng(0).normal(size=len(part.start))
        assert part.by_origin(values).mean() == pytest.approx(values.mean())

    @pytest.mark.parametrize("shared", [True, False])
    def test_time_stamps_tell_them_where_all_series_keep_to_one_calendar(self, shared: bool, tmp_path: Path) -> None:
        """Else the steps of each series do: where one is read at the hour, another at half past."""
        first = pd.date_range("2024-01-01", periods=60, freq="h")
        second = first[20:] if shared else first[20:] + pd.Timedelta(minutes=30)
        rows = [{"shop": name, "date": stamp} for name, own in (("a", first), ("b", second)) for stamp in own]
        table = pd.DataFrame(rows).assign(v=np.random.default_rng(0).normal(size=len(rows)))
        table.to_csv(tmp_path / "shops.csv", index=False)
        columns = ("dataset.series_column=shop", "dataset.time_column=date", "forecast.horizon=2")
        part = load_data(
            prepare(composed("dataset=csv", f"dataset.path={tmp_path / 'shops.csv'}", *columns)).config
        ).val
        later = 20 if shared else 0
        steps = part.start + part.context.shape[1] + later * part.series
        assert part.origin.tolist() == steps.tolist()


class TestScaling:
    def test_each_series_has_its_own(self) -> None:
        data = load_data(panel([one * factor + 7 for one, factor in zip(noise(), (1, 1000, 0.1), strict=True)]))
        for units in (data.units, data.scaler):
            for one in data.scaled(units):
                np.testing.assert_allclose(one.mean(axis=0), 0, atol=1e-9)
                np.testing.assert_allclose(one.std(axis=0), 1)

    def test_scores_are_in_the_units_of_each_however_the_network_sees_them(self) -> None:
        for standardize in ("global", "false", "series"):
            data = load_data(panel(noise(), f"training.standardize={standardize}"))
            assert data.units.mean.shape == (3, 3)
            assert data.scaler.mean.shape == ((3, 3) if standardize == "series" else (3,))

    def test_one_of_all_is_that_of_their_values_together(self) -> None:
        data = load_data(panel(noise(), "training.standardize=global"))
        together = np.concatenate(data.scaled(data.scaler))
        np.testing.assert_allclose([together.mean(axis=0), together.std(axis=0)], [[0] * 3, [1] * 3], atol=1e-12)

    @pytest.mark.parametrize("constant", [0.0, 0.1, 1e9 / 7])
    def test_a_constant_one_is_refused_although_rounding_gives_it_a_deviation(self, constant: float) -> None:
        series = noise()
        series[1][:, 2] = constant
        with pytest.raises(Refused) as refusal:
            load_data(panel(series))
        assert str(refusal.value) == (
            "dataset: series shop 1: its training part is constant in channel 2, so there is nothing to learn; "
            "leave it out"
        )
        with pytest.raises(Refused, match="constant"):
            load_data(given([np.full((60, 1), constant)]))


class TestShapes:
    def test_everything_follows_from_the_shortest(self) -> None:
        found = outline(panel(unique(), split=(0.5, 0.25, 0.25)))
        assert found.division.split == (0.5, 0.25, 0.25)
        assert (found.forecast.horizon, found.forecast.context, found.forecast.stride) == (1, 12, 1)
        assert (found.training.window, found.training.standardize) == (30, "series")

    def test_equal_lengths_may_be_split_by_counts(self) -> None:
        assert outline(panel(unique((40, 40)))).division.split == (28, 6, 6)

    def test_there_are_at_most_ten_thousand_origins_of_each_part(self) -> None:
        data = load_data(panel(noise((40_000, 30_000, 100), channels=1), split=(0.5, 0.25, 0.25)))
        assert data.test is not None
        for part in (data.val, data.test):
            assert 5_000 < len(part.start) <= 10_000 + 3
            assert set(part.series) == {0, 1}, "the third is too short for the context"

    def test_what_is_too_short_trains_and_is_not_scored(self) -> None:
        """One short series would else bound horizon and context of all."""
        with_short, alone = (outline(panel(noise(lengths))) for lengths in ((100, 90, 9), (100, 90)))
        assert with_short.forecast == alone.forecast
        data = load_data(panel(noise((100, 90, 9))))
        assert data.test is not None
        assert [len(one) for one in data.train] == [70, 63, 6]
        assert set(data.val.series) == set(data.test.series) == {0, 1}
        assert len(data.scored(data.scaler)) == 2
        others = load_data(panel(noise((100, 90))))
        notes, same = ({key: one.note for key, one in fit_baselines(some).items()} for some in (data, others))
        assert notes == same, "it would bound how far baselines look back"
        line = shape_of(prepare(panel(noise((100, 90, 9)))))
        assert line.endswith("; 1 of 3 series, too short, train and are not scored: shop 2")
        assert "not scored" not in shape_of(prepare(panel(noise((100, 90)))))
        given_too_much = load_data(panel(noise((100, 90, 60)), "forecast.horizon=12"))
        assert set(given_too_much.val.series) == {0, 1}

    def test_of_many_channels_there_are_as_many_origins_as_memory_holds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(by_time, "MOST_VALUES", 10 * 13 * 3)  # ten windows of three channels
        data = load_data(panel(unique(), split=(0.5, 0.25, 0.25)))
        assert len(data.val.start) <= 10 + 3
        assert set(data.val.series) == {0, 1, 2}

    @pytest.mark.parametrize(
        ("lengths", "overrides", "message"),
        [
            (
                LENGTHS,
                ("forecast.horizon=10",),
                "at most the 9 steps of the validation part of the longest series, got 10; give less",
            ),
            (
                LENGTHS,
                ("forecast.context=44",),
                "at most the 43 observed steps of the longest series, got 44",
            ),
            ((40, 2), (), "2 time steps to train on, got 2 in all of series shop 1; leave that series out"),
            (LENGTHS, ("training.window=44",), "training.window must be from 2 to the 43 steps of a training series"),
            (
                LENGTHS,
                ("model=linear", "model.order=16"),
                "model.order must be less than the 16 training steps, got 16",
            ),
            (LENGTHS, ("model=pointwise",), "so it takes one series, got 3"),
        ],
    )
    def test_what_they_forbid_is_refused(
        self, lengths: tuple[int, ...], overrides: tuple[str, ...], message: str
    ) -> None:
        with pytest.raises(Refused) as refusal:
            outline(panel(noise(lengths), *overrides))
        assert message in str(refusal.value)

    def test_counts_can_t_split_unequal_lengths(self) -> None:
        with pytest.raises(Refused) as refusal:
            outline(given(unique(), split=(10, 5, 5), panel=True))
        assert str(refusal.value) == (
            "dataset.split must be fractions for series of 23 to 61 time steps, got [10, 5, 5]"
        )

    @pytest.mark.parametrize("lengths", [(10, 10, 60), (10, 300), (20, 20, 20, 2000)])
    def test_short_ones_beside_a_long_one_make_no_season(self, lengths: tuple[int, ...]) -> None:
        time = [np.arange(length)[:, None] for length in lengths]
        series = [np.sin(2 * np.pi * one / 4) + 0.1 * one for one in time]
        assert {*prepare(panel(series)).data.seasons} <= {4}


def test_a_panel_that_drifts_is_differenced() -> None:
    for slope, difference in ((1.0, True), (0.0, False)):
        series = [one + slope * np.arange(len(one))[:, None] for one in noise()]
        model = prepare(panel(series, "model.highway=false")).config.model
        assert isinstance(model, Recurrent)
        assert model.difference is difference


def test_values_that_were_filled_in_tell_nothing_of_what_comes_later(tmp_path: Path) -> None:
    """A gap over the end of the training part, and gaps where forecasts begin."""

    def split(changed: float) -> Data:
        values = [f"{value:.3f}" for value in np.random.default_rng(0).normal(size=100)]
        for gap in (68, 69, 70, 71, 80, 81, 92):
            values[gap] = ""
        values[72], values[82], values[93] = (f"{changed:.3f}",) * 3
        (tmp_path / "gaps.csv").write_text("\n".join(["step,x", *(f"{i},{x}" for i, x in enumerate(values))]))
        path = f"dataset.path={tmp_path / 'gaps.csv'}"
        return load_data(composed("dataset=csv", path, "dataset.missing=interpolate", "forecast.context=10"))

    low, high = split(-50), split(50)
    assert np.array_equal(low.train[0], high.train[0])
    for one, other in ((low.val, high.val), (low.test, high.test)):
        assert one is not None
        assert other is not None
        for number, start in enumerate(one.start):
            if not {72, 82, 93} & {*range(start, start + 10)}:  # of contexts that end before what was changed
                assert np.array_equal(one.context[number], other.context[number]), start
