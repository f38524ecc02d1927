"""The windows that training sees, and the losses that are measured on them; of panels of unequal lengths too."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.support.parts import given as given_series
from tests.support.parts import gradient_descent, small
from wavesweep.experiment.preparation import prepare
from wavesweep.models.autoregression import Lags
from wavesweep.models.forecaster import Forecaster
from wavesweep.models.highway_network import HighwayForecaster
from wavesweep.models.linear_network import LinearForecaster
from wavesweep.models.losses import SQUARED, Loss
from wavesweep.models.recurrent_network import RecurrentForecaster
from wavesweep.models.start import Start
from wavesweep.training.closures import Closure, closed_loop_loss, direct_loss, prediction_loss
from wavesweep.training.windows import Windows, cut_windows, draw_windows

CHANNELS = 3


def unique(lengths: Sequence[int]) -> list[Tensor]:
    """Return series in which each value occurs once, (time, 1)."""
    return [torch.arange(100 * number, 100 * number + length)[:, None] for number, length in enumerate(lengths)]


def noise(lengths: Sequence[int]) -> list[Tensor]:
    draws = np.random.default_rng(0)
    return [torch.from_numpy(draws.normal(size=(length, CHANNELS))) for length in lengths]


def check(windows: Windows, series: list[Tensor], window: int) -> set[int]:
    """Make sure that each window is a stretch of a single series; return the values that count."""
    steps = [window] * len(windows.start) if windows.steps is None else windows.steps.tolist()
    seen: set[int] = set()
    for values, start, there in zip(windows.values[..., 0], windows.start.tolist(), steps, strict=True):
        number = int(values[0]) // 100
        assert there == min(window, len(series[number]) - start) >= 1
        assert values[:there].tolist() == series[number][start : start + there, 0].tolist()
        assert (values[there:] == values[there - 1]).all()
        assert len(values) == window
        assert there == min(window, len(series[number])), "it is cut short though its series goes on before it"
        seen |= {*values[:there].tolist()}
    return seen


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.data())
def test_windows_are_stretches_of_one_series_and_cover_all(lengths: list[int], data: st.DataObject) -> None:
    window = data.draw(st.integers(1, max(lengths)))
    series = unique(lengths)
    everything = {int(value) for one in series for value in one}
    assert check(cut_windows(series, window), series, window) == everything
    assert check(draw_windows(series, window, 9), series, window) <= everything


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(1, 12), st.integers(0, 2**31))
def test_draws_depend_on_their_generator_alone(lengths: list[int], window: int, seed: int) -> None:
    first, second = (
        draw_windows(unique(lengths), window, 5, torch.Generator().manual_seed(seed)).values for _ in range(2)
    )
    assert torch.equal(first, second)


def test_drawn_windows_reach_both_ends_of_each_series() -> None:
    torch.manual_seed(0)
    for lengths in ([10, 10, 10], [10, 3, 7]):
        windows = draw_windows(unique(lengths), 4, 1000)
        for number, length in enumerate(lengths):
            own = windows.values[:, 0, 0] // 100 == number
            assert set(windows.start[own].tolist()) == set(range(max(length - 4, 0) + 1))


def test_longer_series_are_drawn_as_much_more_often() -> None:
    torch.manual_seed(0)
    numbers = draw_windows(unique([80, 10, 10]), 4, 5000).values[:, 0, 0] // 100
    shares = torch.bincount(numbers, minlength=3) / 5000
    torch.testing.assert_close(shares, torch.tensor([0.8, 0.1, 0.1]), atol=0.02, rtol=0)


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(1, 12), st.integers(0, 9))
def test_windows_that_overlap_cover_each_step_once_beyond_the_overlap(
    lengths: list[int], window: int, overlap: int
) -> None:
    """But for those that the last window, moved to the end of its series, covers twice."""
    series = unique(lengths)
    cut = cut_windows(series, window + overlap, overlap)
    check(cut, series, window + overlap)
    for number, length in enumerate(lengths):
        starts = cut.start[cut.values[:, 0, 0] // 100 == number].tolist()
        targets = [step for start in starts for step in range(start + overlap, min(start + overlap + window, length))]
        assert {*targets} == {*range(overlap, length)}
        twice = -(length - overlap) % window if len(starts) > 1 else 0
        assert len(targets) - len({*targets}) == twice


@pytest.mark.parametrize("beyond", [2, 5])
def test_the_ends_of_series_are_drawn_more_often_where_windows_may_begin_beyond(beyond: int) -> None:
    """From as many steps beyond as a window has but one, the first and the last step as often as one in the middle."""
    torch.manual_seed(0)
    series, window, count = unique([20, 30, 4]), 6, 10_000
    windows = draw_windows(series, window, count, beyond=beyond)
    check(windows, series, window)
    for number, length in enumerate((20, 30)):
        starts = windows.start[windows.values[:, 0, 0] // 100 == number]
        found = torch.bincount(starts, minlength=length - window + 1) / len(starts)
        expected = torch.ones(length - window + 1)
        expected[[0, -1]] += beyond
        torch.testing.assert_close(found, expected / expected.sum(), atol=0.015, rtol=0)
        there = starts[:, None] + torch.arange(window)
        first, middle, last = ((there == step).any(dim=1).float().mean() for step in (0, length // 2, length - 1))
        share = (1 + beyond) / window
        torch.testing.assert_close(torch.stack([first, last]), share * middle.expand(2), atol=0.02, rtol=0)


def test_where_none_begins_beyond_draws_are_those_of_older_versions() -> None:
    """A run of theirs is to be reproduced to the last bit."""
    windows = draw_windows(unique([20, 20, 20]), 6, 9, torch.Generator().manual_seed(5))
    by_hand = torch.Generator().manual_seed(5)
    numbers = torch.randint(3, (9,), generator=by_hand)
    assert torch.equal(windows.start, torch.randint(15, (9,), generator=by_hand))
    assert torch.equal(windows.values[:, 0, 0], 100 * numbers + windows.start)


@pytest.mark.parametrize("washout", [0, 4])
@pytest.mark.parametrize("spacing", [1, 2])
def test_the_loss_of_several_steps_at_once_by_hand(washout: int, spacing: int) -> None:
    """Each member's, from each origin that is known to go on long enough: of a shorter series from fewer."""
    torch.manual_seed(0)
    lags, series = Lags((1, 3)), noise((14, 9, 5))
    network = HighwayForecaster(CHANNELS, [4], horizon=3, beside=Start(lags), memory=20, members=2).double()
    network.adapt(series)
    for parameter in network.members.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    network.spacing = spacing
    first = max(network.before + washout, network.lead)
    squared = []
    for member in network.members:
        alone = HighwayForecaster(CHANNELS, [4], horizon=3, beside=Start(lags), memory=20).double()
        alone.adapt(series)
        alone.members[0].load_state_dict(member.state_dict())
        for one in series:
            for origin in range(first, len(one) - 2, spacing):
                forecast = alone.closed_loop(one[None, :origin], torch.zeros(1), 3)[0]
                squared.append(np.square((forecast - one[origin : origin + 3]).detach().numpy()))
    assert len(squared) == {(0, 1): 26, (0, 2): 14, (4, 1): 14, (4, 2): 8}[washout, spacing]
    loss = prediction_loss(network, cut_windows(series, 14), washout, SQUARED)()
    assert loss.item() == pytest.approx(np.mean(squared), rel=1e-9)
    whole = [Windows(one[None], torch.zeros(1)) for one in series[:2]]
    alone = [prediction_loss(network, one, washout, SQUARED)().item() for one in whole]
    origins = [len(range(first, len(one) - 2, spacing)) for one in series[:2]]
    both = prediction_loss(network, cut_windows(series[:2], 14), washout, SQUARED)().item()
    assert both == pytest.approx(np.average(alone, weights=origins), rel=1e-9)


BESIDE = (
    "model.start=autoregression",
    "model.lags=[1,3]",
    "model.memory=8",
    "model.memories=[]",
    "model.hidden_sizes=[2]",
    "forecast.horizon=4",
    "training.window=10",
)


def test_each_window_has_as_many_origins_as_it_is_long_but_for_the_washout() -> None:
    """Beside a highway, whose lags and horizon are more steps; all windows together have each origin once."""
    series = [one.numpy() for one in noise((94,))]
    main = gradient_descent(prepare(given_series(series, *BESIDE, "optimizer=lbfgs", split=(45, 25, 24))).config).main
    assert main.fixed_windows
    values, start = main.fixed_windows.values, main.fixed_windows.start
    assert values.shape[1] == 2 + 10 + 3
    assert start.tolist() == [0, 10, 20, 30]
    predicted = main.network.ahead(values, main.network.inputs(values), start, 2 + 1)
    assert predicted.shape[2] == 10 - 1


def test_windows_may_begin_half_of_one_beyond_where_an_end_has_no_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def look(series: Sequence[Tensor], window: int, count: int, beyond: int) -> Windows:
        drawn.append((window, beyond))
        return draw_windows(series, window, count, beyond=beyond)

    monkeypatch.setattr("wavesweep.training.main_stage.draw_windows", look)
    series = [one.numpy() for one in noise((94,))]
    for highway, expected in ((True, (15, 5)), (False, (10, 0))):
        config = given_series(
            series, *BESIDE, "training.epochs=1", "training.refine_epochs=0", f"model.highway={highway}"
        )
        list(gradient_descent(prepare(config).config).run(lambda _: False))
        assert {*drawn} == {expected}
        drawn.clear()


class TestTheOneStepLoss:
    def test_the_washout_is_left_out(self) -> None:
        subject = gradient_descent(small())
        network, [*series] = subject.network, subject.main.series
        whole = cut_windows(series, 40)
        changed = Windows(whole.values.clone(), whole.start)
        changed.values[:, :12] += 100
        loss, same = (prediction_loss(network, targets, 12, SQUARED, whole.values)() for targets in (whole, changed))
        assert loss == same
        assert loss != prediction_loss(network, changed, 11, SQUARED, whole.values)()

    @pytest.mark.parametrize("washout", [0, 4, 6])
    @pytest.mark.parametrize("lead", [1, 2, 3])
    def test_of_shorter_series_it_is_the_mean_over_what_is_there(self, lead: int, washout: int) -> None:
        """The same as of each series for itself, however long the window."""
        network, series = of_lead(lead), noise((6, 9, 5, 2))
        windows = cut_windows(series, 9)
        squared = []
        for one in series:
            if len(one) > lead:
                predicted = network.one_step(one[None], torch.zeros(1))[0]
                squared.append((predicted - one[lead:])[max(washout - lead, 0) :].square().flatten())
        torch.testing.assert_close(prediction_loss(network, windows, washout, SQUARED)(), torch.cat(squared).mean())

    def test_what_follows_the_end_of_a_series_moves_no_weight(self) -> None:
        network, windows = of_lead(1), cut_windows(noise((6, 9)), 9)
        changed = Windows(windows.values.clone(), windows.start, windows.steps)
        changed.values[0, 6:] = 50.0
        weights = list(network.parameters())
        first, second = (
            torch.autograd.grad(prediction_loss(network, some, 2, SQUARED)(), weights) for some in (windows, changed)
        )
        assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))

    def test_where_no_value_counts_there_is_nothing_to_learn(self) -> None:
        network = of_lead(1)
        loss = prediction_loss(network, draw_windows(noise((3, 3, 9))[:2] + noise((2,)), 9, 4), 8, SQUARED)()
        assert loss == 0
        loss.backward()
        assert all((weight.grad == 0).all() for weight in network.parameters())


def test_the_closed_loop_loss_by_hand() -> None:
    network, windows = of_lead(2), cut_windows(noise((9, 9)), 9)
    forecast = network.closed_loop(windows.values[:, :5], windows.start, 4)
    by_hand = (forecast - windows.values[:, 5:]).square().mean()
    torch.testing.assert_close(closed_loop_loss(network, windows, 5, SQUARED)(), by_hand)


def of_lead(lead: int) -> Forecaster:
    """Return a network whose predictions need so many values before them."""
    torch.manual_seed(0)
    if lead == 3:
        network = LinearForecaster(CHANNELS, Lags((1, 2, 3), centred=False, joint=True))
        network.fit(noise((30,)))
        return network
    return RecurrentForecaster(CHANNELS, [5], layer="LSTM", difference=lead == 2).double()


@pytest.mark.parametrize(
    ("lengths", "window", "expected"),
    [
        ((60, 60), 60, [(30, 30), (30, 30)]),
        ((10, 10, 60), 60, [(5, 5), (5, 5)]),
        ((10, 60, 60), 20, [(10, 10), (10, 30)]),
        ((2, 2, 60), 60, [(2, 1), (2, 1)]),  # a step is forecast at least, of those that have one
    ],
)
def test_the_refinement_looks_as_far_as_half_of_a_panel_reaches(
    lengths: tuple[int, ...], window: int, expected: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def looked_at(network: Forecaster, windows: Windows, context: int, loss: Loss) -> Closure:
        assert windows.steps is None, "the closed loop ran beyond the end of a series"
        seen.append((context, windows.values.shape[1] - context))
        return closed_loop_loss(network, windows, context, loss)

    monkeypatch.setattr("wavesweep.training.refinement.closed_loop_loss", looked_at)
    stages = ("training.epochs=1", "training.refine_epochs=2", "training.refine_restart_every=1")
    sizes = ("model.hidden_sizes=[5]", "model.difference=true", "forecast.context=2", f"training.window={window}")
    series = [one.numpy() for one in noise([2 * length for length in lengths])]
    config = given_series(series, *stages, *sizes, split=(0.5, 0.25, 0.25), panel=True)
    subject = gradient_descent(prepare(config).config)
    assert all(np.isfinite(record.loss) for record in subject.run(lambda _: False))
    assert seen == expected


def test_networks_of_the_last_values_are_trained_on_windows_of_their_own() -> None:
    """Each memory's from the same origins, of series that are long enough alone; the losses are summed."""
    torch.manual_seed(0)
    series = noise((14, 9, 5))
    options: dict[str, Any] = {"horizon": 3, "beside": Start(Lags((1,))), "memory": 4, "memories": (2, 4), "members": 2}
    network = HighwayForecaster(CHANNELS, [4], **options).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    windows = draw_windows([one for one in series if len(one) >= 7], 7, 5)
    squared = [
        np.square((of_member - windows.values[:, 4:]).detach().numpy()).mean(axis=(1, 2, 3)).mean()
        for of_member in network.direct(windows.values[:, :4])
    ]
    assert direct_loss(network, windows, CHANNELS, SQUARED)().item() == pytest.approx(sum(squared), rel=1e-9)
    changed = replace(windows, values=windows.values.clone())
    changed.values[:, 0] += 1
    first = [direct[0] for direct in map(network.direct, (windows.values[:, :4], changed.values[:, :4]))]
    assert torch.equal(*first), "two values are all that it sees"


@pytest.mark.parametrize(("optimizer", "times"), [("adam", 30), ("adamw", 30), ("sgd", 1), ("rmsprop", 1)])
def test_networks_of_the_last_values_have_a_rate_of_their_own(optimizer: str, times: int) -> None:
    series = [one.numpy() for one in noise((94,))]
    asked = ("model.lags=[1,3]", "forecast.horizon=4", f"optimizer={optimizer}", "optimizer.lr=1e-3")
    config = prepare(given_series(series, *asked, "optimizer.schedule=constant", split=(45, 25, 24))).config
    main = gradient_descent(config).main
    others, direct = main.optimizer.param_groups
    assert direct["lr"] == pytest.approx(times * others["lr"])
    assert {*map(id, direct["params"])} == {*map(id, main.network.direct_parameters())}
    trained = [*others["params"], *direct["params"]]
    assert sorted(map(id, trained)) == sorted(map(id, main.network.parameters()))
