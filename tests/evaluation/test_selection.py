"""Which epoch is kept: that which is best on all validation data, however few of them were watched."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from tests.support.parts import small
from wavesweep.evaluation.kept_epoch import MOST_CANDIDATES, Judged, Selection
from wavesweep.models.autoregression import Lags
from wavesweep.models.forecaster import Forecaster
from wavesweep.models.highway_network import HighwayForecaster
from wavesweep.models.losses import SQUARED
from wavesweep.models.start import Start
from wavesweep.training.configured import FORECAST, epochs_between_records, watched_origins

OBJECTIVE = "val/closed_loop_scaled_mse"


def network() -> Forecaster:
    return small().model.model_copy(update={"difference": False}).build(1, 1, "float32", SQUARED)


def mark(built: Forecaster, number: float) -> None:
    """Give a network weights by which it is known again."""
    built.load_state_dict({name: torch.full_like(value, number) for name, value in built.state_dict().items()})


def known_again(built: Forecaster) -> float:
    return next(iter(built.state_dict().values())).flatten()[0].item()


def highway() -> HighwayForecaster:
    return HighwayForecaster(1, [2], horizon=1, beside=Start(Lags((1,))), memory=3)


def considered(
    watched: Sequence[float], *overrides: str, whole: bool = False, build: Callable[[], Forecaster] = network
) -> Selection:
    built = build()
    mark(built, 0)
    selection = Selection(small(*overrides).training, OBJECTIVE, built, whole=whole)
    for epoch, score in enumerate(watched, start=1):
        mark(built, epoch)
        selection.consider(epoch, {OBJECTIVE: score, "train/loss": 10.0 * epoch})
    mark(built, -1)
    return selection


def judged(by_origin: np.ndarray) -> Judged:
    return Judged({OBJECTIVE: float(by_origin.mean())}, np.zeros((len(by_origin), 2, 3)), by_origin)


def decide(
    selection: Selection, judge: Callable[[], Judged], overlap: int, combine: Callable[[], object] = lambda: None
) -> Judged:
    """Let a selection decide to the end, which tells of each candidate."""
    number, steps, told = len(selection.candidates), selection.decide(judge, overlap, combine), []
    while True:
        try:
            told.append(next(steps))
        except StopIteration as ended:
            assert told == [*range(1, number + 1)]
            return ended.value


def of(scores: dict[int, float], built: Forecaster) -> Callable[[], Judged]:
    """Return a score on all data of a network whose weights tell the epoch."""
    return lambda: judged(np.full(40, scores[round(known_again(built))]))


def test_the_best_are_candidates_the_first_of_equal_ones_before_the_others() -> None:
    selection = considered([5.0, 3.0, 4.0, 3.0, 9.0, 2.0])
    assert [one.epoch for one in selection.candidates] == [6, 2, 4, 3, 1, 5][:MOST_CANDIDATES]
    assert [one.objective for one in selection.candidates] == [2.0, 3.0, 3.0, 4.0, 5.0, 9.0][:MOST_CANDIDATES]
    assert selection.kept.metrics["train/loss"] == 60.0


def test_all_data_decide_among_them() -> None:
    selection = considered([5.0, 3.0, 4.0, 2.0])
    found = decide(selection, of({4: 7.0, 2: 6.0, 3: 6.5, 1: 0.1}, selection.network), 1)
    assert (selection.kept.epoch, selection.kept.objective) == (2, 6.0)
    assert found.metrics == {OBJECTIVE: 6.0}
    assert selection.kept.metrics == {OBJECTIVE: 3.0, "train/loss": 20.0}, "the record of the epoch stays as it was"
    assert known_again(selection.network) == 2


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_one_that_runs_away_on_what_was_not_watched_does_not_win(bad: float) -> None:
    selection = considered([5.0, 3.0, 4.0])
    assert [one.epoch for one in selection.candidates[:2]] == [2, 3]
    decide(selection, of({2: bad, 3: 8.0, 1: 9.0}, selection.network), 1)
    assert (selection.kept.epoch, selection.kept.objective) == (3, 8.0)


def test_where_all_is_watched_the_first_of_the_best_is_kept() -> None:
    selection = considered([5.0, 3.0, 4.0, 3.0], whole=True)
    assert [one.epoch for one in selection.candidates] == [2]


def test_the_last_is_kept_where_that_is_configured_and_scored_on_all_data() -> None:
    selection = considered([5.0, 3.0, 4.0], "training.keep=last")
    assert [one.epoch for one in selection.candidates] == [3]
    decide(selection, of({3: 7.0}, selection.network), 1)
    assert (selection.kept.epoch, selection.kept.objective) == (3, 7.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_is_never_kept(bad: float) -> None:
    selection = considered([bad, bad])
    assert [one.epoch for one in selection.candidates] == [0]
    assert considered([bad, 4.0, bad]).kept.epoch == 2


def test_patience_counts_from_the_best_so_far() -> None:
    selection = considered([5.0, 3.0, 4.0], "training.patience=2", "training.refine_epochs=0")
    assert [selection.gives_up(epoch) for epoch in (3, 4)] == [False, True]


@pytest.mark.parametrize(("lengths", "window"), [([34_400], 224), ([900, 95], 5), ([40_000, 50, 7], 30)])
def test_what_is_watched_takes_a_tenth_of_an_epoch(lengths: list[int], window: int) -> None:
    found = watched_origins(10, lengths, window)
    trained = sum(math.ceil(length / 10) * 10 for length in lengths)
    assert FORECAST * found * window <= 0.1 * trained < FORECAST * (found + 1) * window
    assert watched_origins(10, [7] * 5, 30) == 16, "or sixteen, where that is more"


@pytest.mark.parametrize(("lengths", "window", "epochs"), [([300], 224, 300), ([7] * 5, 30, 1000), ([3000], 224, 40)])
def test_records_are_as_far_apart_as_leaves_forecasts_a_tenth_of_the_time(
    lengths: list[int], window: int, epochs: int
) -> None:
    """But for the sake of a curve there are thirty."""
    training = small("training.window=10", f"training.epochs={epochs}").training
    every = epochs_between_records(training.window, training.epochs, lengths, window)
    forecast = FORECAST * window * watched_origins(10, lengths, window)
    trained = sum(math.ceil(length / 10) * 10 for length in lengths)
    assert every >= 1
    assert forecast <= 0.1 * trained * every or every == epochs // 30
    assert every == 1 or forecast > 0.1 * trained * (every - 1)


class TestWhatForecastsBeforeItIsTrained:
    """Its errors without training are 1 on average; those of its second epoch, which is kept, are better by `gain`."""

    def decided(self, gain: float, *overrides: str, build: Callable[[], Forecaster] = highway) -> tuple[Selection, set]:
        selection, looked_at = considered([5.0, 3.0], *overrides, build=build), set()
        draws = np.random.default_rng(0)
        start = draws.exponential(size=200)
        second = (1 - gain) * start.mean() * (other := draws.exponential(size=200)) / other.mean()

        def judge() -> Judged:
            looked_at.add(epoch := round(known_again(selection.network)))
            return judged({0: start, 1: 9 * second, 2: second}[epoch])

        found = decide(selection, judge, 1)
        assert found.metrics == {OBJECTIVE: selection.kept.objective}, "it is what is kept that is returned"
        return selection, looked_at

    @pytest.mark.parametrize("gain", [-0.5, 0.0, 0.02])
    def test_it_stays_as_it_was_unless_training_helps_beyond_noise(self, gain: float) -> None:
        selection, _ = self.decided(gain)
        assert selection.kept.epoch == known_again(selection.network) == 0
        assert all((value == 0).all() for value in selection.kept.weights.values())
        assert selection.kept.objective == pytest.approx(np.random.default_rng(0).exponential(size=200).mean())

    def test_training_that_helps_is_kept(self) -> None:
        selection, _ = self.decided(0.4)
        assert selection.kept.epoch == known_again(selection.network) == 2

    def test_its_start_is_not_looked_at_where_the_last_epoch_is_kept(self) -> None:
        selection, looked_at = self.decided(-0.5, "training.keep=last")
        assert (selection.kept.epoch, looked_at) == (2, {2})

    def test_no_other_returns_to_its_start(self) -> None:
        selection, looked_at = self.decided(-0.5, build=network)
        assert (selection.kept.epoch, looked_at) == (2, {1, 2})

    def test_where_no_epoch_was_finite_it_stays_as_it_was(self) -> None:
        selection = considered([math.nan, math.inf], build=highway)
        decide(selection, of({0: 3.0}, selection.network), 1)
        assert (selection.kept.epoch, selection.kept.objective, known_again(selection.network)) == (0, 3.0, 0)


def test_the_last_epoch_is_judged_too_where_others_seemed_better() -> None:
    """A sample of the origins may have misjudged it, and its rate of learning is the lowest."""
    selection = considered([4.0, 3.0, 5.0, 9.0])
    assert [one.epoch for one in selection.candidates] == [2, 1, 4]
    decide(selection, of({2: 7.0, 1: 6.0, 4: 5.0}, selection.network), 1)
    assert selection.kept.epoch == 4


def test_shares_of_an_epoch_are_decided_by_all_validation_data_and_those_of_the_start_stay() -> None:
    selection = considered([4.0, 3.0], build=highway)

    def combine() -> None:
        mark(selection.network, 10 + known_again(selection.network))

    errors = {12: 0.1, 11: 0.2, 0: 5.0}
    found = decide(selection, lambda: judged_by(errors[round(known_again(selection.network))]), 1, combine)
    assert (selection.kept.epoch, found.metrics[OBJECTIVE]) == (2, pytest.approx(0.1, rel=0.1))
    assert known_again(selection.network) == 12


def judged_by(error: float) -> Judged:
    return judged(error * (1 + 0.01 * np.sin(np.arange(200))))
