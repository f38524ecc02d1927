"""What networks start from: linear forecasts, combined."""

import numpy as np
import pytest
import torch

from hydra_queue_sweeper.base.errors import Refused
from tests.support.baselines import errors_by, fit_baselines
from tests.support.parts import given, resolved_model
from wavesweep.config.resolve import outline
from wavesweep.evaluation.beside_baselines import forecast_by
from wavesweep.evaluation.forecasting import forecast_part
from wavesweep.experiment.experiment import make_trainer
from wavesweep.experiment.preparation import prepare
from wavesweep.models import autoregression, ridge, start
from wavesweep.models.autoregression import Lags, fit_weights
from wavesweep.models.baseline import Baseline, Windows
from wavesweep.models.baseline_names import BASELINES
from wavesweep.models.highway_network import HighwayForecaster
from wavesweep.models.recurrent import ResolvedRecurrent
from wavesweep.models.ridge import Ridge, fit_ridge
from wavesweep.models.smoothing import Smoothing
from wavesweep.models.start import Start, combined, shares_of

CHANNELS, HORIZON = 2, 4
SERIES = [*np.random.default_rng(0).normal(size=(2, 70, CHANNELS)).cumsum(axis=1) / 5]
SMOOTHING = Smoothing(level=0.3, slope=0.5, trend=0.1, damping=0.9, seasonal=0.2, season=3, span=7)
CONTEXT = np.random.default_rng(1).normal(size=(6, 12, CHANNELS))


@pytest.mark.parametrize("lags", [Lags((1, 2, 5)), Lags((1, 2), joint=True), Lags((1, 3), centred=True, joint=True)])
@pytest.mark.parametrize("order", [3, 9])
@pytest.mark.parametrize("shares", [(0.0, 0.0), (0.4, 0.0), (0.3, 0.6), (0.0, 0.7), (0.2, 0.8), (1.0, 0.0), (0.0, 1.0)])
def test_a_network_begins_at_the_mean_of_all(lags: Lags, order: int, shares: tuple[float, float]) -> None:
    regression = Ridge(order, centred=False, penalty=0.1)
    start = Start.mixed(lags, regression, SMOOTHING, shares)
    network = HighwayForecaster(CHANNELS, [3], horizon=HORIZON, beside=start, memory=4).double()
    network.adapt([torch.from_numpy(one) for one in SERIES])
    found = network.closed_loop(torch.from_numpy(CONTEXT), torch.zeros(6), HORIZON).detach().numpy()
    closed_loop = autoregression.forecast(fit_weights(SERIES, lags), lags, CONTEXT, HORIZON)
    direct = ridge.forecast(fit_ridge(SERIES, regression, HORIZON), CONTEXT)
    smoothed = SMOOTHING.forecast(CONTEXT, HORIZON)
    mean = (1 - sum(shares)) * closed_loop + shares[0] * direct + shares[1] * smoothed
    np.testing.assert_allclose(found, mean, rtol=1e-9, atol=1e-9)


def test_what_has_no_share_is_not_there() -> None:
    """Else it would bound what can be trained on, and a forecast that explodes would count."""
    lags, regression = Lags((1, 5)), Ridge(2, centred=False, penalty=1.0)

    def mixed(*shares: float) -> Start:
        return Start.mixed(lags, regression, SMOOTHING, (shares[0], shares[1]))

    assert mixed(1.0, 0.0) == Start(None, regression, shares=(1.0, 0.0))
    assert mixed(0.0, 1.0) == Start(None, smoothing=SMOOTHING, shares=(0.0, 1.0))
    assert mixed(0.0, 0.0) == Start(lags)
    assert [mixed(*one).lead for one in ((1.0, 0.0), (0.5, 0.0), (0.9, 0.1), (0.0, 0.0))] == [2, 5, 7, 5]
    assert [mixed(*one).name for one in ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (0.7, 0.3))] == [
        "ridge", "smoothing", "linear", "combined"
    ]  # fmt: skip
    assert mixed(0.7, 0.3).lags is None
    assert mixed(0.7, 0.1 + 0.2).lags is None, "by rounding alone"


def share_of(other: float, error: float) -> float:
    return shares_of([other, error])[1]


def test_shares_go_by_the_fourth_power_of_errors() -> None:
    assert share_of(0.3, 0.3) == 0.5
    assert share_of(2.0, 1.0) == pytest.approx(16 / 17)
    assert share_of(1.0, 2.0) == pytest.approx(1 / 17)
    assert share_of(1.0, 3.0) == 0.0, "what is much worse is left out"
    assert share_of(3.0, 1.0) == 1.0
    assert share_of(2e-300, 1e-300) == pytest.approx(16 / 17)
    assert (share_of(np.inf, 1.0), share_of(1.0, np.inf)) == (1.0, 0.0)
    assert (share_of(0.0, 1.0), share_of(1.0, 0.0)) == (0.0, 1.0)


def constant(level: float) -> Baseline:
    """Return what forecasts a level, and one higher by ten once it is fitted again."""
    return Baseline(
        lambda context, horizon: np.full((len(context), horizon, 1), level), "", lambda _: constant(level + 10)
    )


def test_what_is_combined_is_fitted_again_each_by_itself() -> None:
    val = Windows(np.zeros((3, 4, 1)), np.zeros((3, 2, 1)))
    both, share = combined({"one": constant(1.2), "other": constant(1.0)}, val), share_of(1.44, 1.0)
    assert both.fit
    for one, level in ((both, 0.0), (both.fit([]), 10.0)):
        found = one.forecast(val.context, 2)
        np.testing.assert_allclose(found, level + (1 - share) * 1.2 + share, rtol=1e-12)
    assert both.fit([]).note == both.note == "19% one, 81% other"


def test_what_explodes_spoils_nothing_that_it_has_no_share_in() -> None:
    val = Windows(np.zeros((3, 4, 1)), np.zeros((3, 2, 1)))
    for pair in ((constant(np.inf), constant(1.0)), (constant(1.0), constant(np.inf))):
        one, other = pair
        assert (combined({"one": one, "other": other}, val).forecast(val.context, 2) == 1).all()


def noisy(num_channels: int = 1) -> np.ndarray:
    """Return a season in noise, (time, channel)."""
    draws = np.random.default_rng(2).normal(size=(320, num_channels))
    return np.sin(np.arange(320)[:, None] * np.pi / 6) + 0.4 * draws


@pytest.mark.parametrize("num_channels", [1, 2])
@pytest.mark.parametrize("start", ["combined", "ridge", "autoregression", "smoothing"])
def test_it_is_the_baseline_of_the_same_name(start: str, num_channels: int) -> None:
    asked = ("model.hidden_sizes=[3]", "model.members=1", "runtime.dtype=float64", f"model.start={start}")
    prepared = prepare(given([noisy(num_channels)], "forecast.horizon=12", *asked))
    model, data = prepared.config.model, prepared.data
    assert isinstance(model, ResolvedRecurrent)
    network = make_trainer(prepared.config, data).network
    name = {"autoregression": "linear"}.get(start, start)
    baseline = fit_baselines(data)[name]
    assert data.test
    found = forecast_part(network, data.scaler, data.test).closed_loop
    np.testing.assert_allclose(found, forecast_by(baseline, data, data.test), rtol=1e-6, atol=1e-8)
    assert (0 < model.ridge.share < 1) == (start == "combined")
    assert model.forecasts_by(0) == BASELINES[name]
    told = {
        "combined": "autoregression (lags",
        "ridge": "ridge regression (the",
        "autoregression": "linear autoregr",
        "smoothing": "exponential smoothing (level",
    }
    networks = "networks of the last 2, 8 and 24 values, and one that learns"
    assert prepared.decided.startswith(f"{networks} what {told[start]}")
    assert prepared.decided.endswith(" leaves")


def test_what_is_resolved_stays_so() -> None:
    prepared = prepare(given([noisy()], "forecast.horizon=12", "model.hidden_sizes=[3]"))
    again = outline(prepared.config)
    assert again.model.resolve(again.facts(prepared.data)) == prepared.config.model


def test_a_regression_that_is_given_is_taken() -> None:
    asked = ("model.highway=true", "model.lags=[1,2]", "model.ridge={order:7,centred:true,penalty:0.5,share:0.25}")
    model = prepare(given([noisy()], "forecast.horizon=12", *asked)).config.model
    assert isinstance(model, ResolvedRecurrent)
    assert model.ridge.model_dump() == {"order": 7, "centred": True, "penalty": 0.5, "share": 0.25}


def test_a_regression_that_is_given_must_fit_into_context_and_series() -> None:
    asked = ("model.highway=true", "model.lags=[1,2]", "forecast.horizon=5", "forecast.context=30")
    for order, said in (
        (31, "at most forecast.context = 30, got 31"),
        (224, "less than the 224 training steps, got 224"),
    ):
        given_one = f"model.ridge={{order:{order},centred:true,penalty:0.5,share:0.25}}"
        with pytest.raises(Refused, match=f"^model.ridge.order must be {said}$"):
            prepare(given([noisy()], *asked, given_one))


def test_alone_it_has_no_lags_whatever_share_was_given() -> None:
    asked = ("model.highway=true", "model.start=ridge", "model.ridge={order:7,centred:true,penalty:0.5,share:0.25}")
    model = prepare(given([noisy()], "forecast.horizon=12", "model.lags=[1,20]", *asked)).config.model
    assert isinstance(model, ResolvedRecurrent)
    assert (model.lags, model.ridge.share, model.forecasts_by(0)) == ((), 1, "ridge regression")
    assert model.without_effect().keys() == {"model.smoothing", "model.lags", "model.centred", "model.joint"}


def test_alone_it_takes_series_that_are_long_enough() -> None:
    asked = ("model.highway=true", "model.start=ridge", "forecast.horizon=11")
    with pytest.raises(Refused) as refused:
        prepare(given([noisy()[:44]], *asked, split=(22, 11, 11)))
    rule = "model.start=ridge takes 23 training steps and a context of 4, got 22 and 22"
    assert str(refused.value) == f"{rule}; give model.start=autoregression"
    longer = prepare(given([noisy()[:45]], *asked, split=(23, 11, 11))).config.model
    assert isinstance(longer, ResolvedRecurrent)
    assert longer.ridge.order == 4


def test_of_short_series_there_is_no_regression() -> None:
    asked = ("model.highway=true", "model.lags=[1,2]", "forecast.horizon=11")
    model = prepare(given([noisy()[:44]], *asked, split=(22, 11, 11))).config.model
    assert isinstance(model, ResolvedRecurrent)
    assert model.ridge.share == 0 < model.smoothing.share


def test_generated_series_have_none() -> None:
    model = resolved_model(np.ones((3, 20, 1)), 5)
    assert isinstance(model, ResolvedRecurrent)
    assert model.ridge.share == 0


def test_the_best_is_one_alone() -> None:
    asked = ("forecast.horizon=12", "model.hidden_sizes=[3]", "model.start=best")
    prepared = prepare(given([noisy()], *asked))
    model = prepared.config.model
    assert isinstance(model, ResolvedRecurrent)
    data = prepared.data
    errors = {name: one.mean for name, one in errors_by(fit_baselines(data), data, data.val).items()}
    best = min(("linear", "ridge", "smoothing"), key=lambda name: errors[name])
    assert model.forecasts_by(0) == BASELINES[best]
    assert sorted([1 - model.ridge.share - model.smoothing.share, model.ridge.share, model.smoothing.share]) == [
        0,
        0,
        1,
    ]


SMOOTHED = "model.smoothing={{level:0.5,slope:0,trend:0,damping:1,seasonal:0.1,season:{},span:{},share:{}}}"


@pytest.mark.parametrize(
    ("smoothing", "said"),
    [
        ((5, 4, 0.5), "model.smoothing.span must be at least model.smoothing.season=5, got 4"),
        ((1, 31, 0.5), "model.smoothing.span must be at most forecast.context = 30, got 31"),
        (
            (1, 4, 0.8),
            "model.ridge.share and model.smoothing.share must add up to 1 at most, got 0.25 + 0.8; lower one",
        ),
    ],
)
def test_smoothing_that_is_given_must_fit_in(smoothing: tuple[float, float, float], said: str) -> None:
    asked = ("model.highway=true", "model.lags=[1,2]", "forecast.horizon=5", "forecast.context=30")
    regression = "model.ridge={order:7,centred:true,penalty:0.5,share:0.25}"
    with pytest.raises(Refused) as refused:
        prepare(given([noisy()], *asked, regression, SMOOTHED.format(*smoothing)))
    assert str(refused.value) == said


def test_where_much_trains_smoothing_takes_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    for most, there in ((224, True), (223, False)):
        monkeypatch.setattr(start, "MOST_STEPS", most)
        prepared = prepare(given([noisy()], "forecast.horizon=12"))
        model = prepared.config.model
        assert isinstance(model, ResolvedRecurrent)
        assert (model.smoothing.share > 0) == there
        baselines = fit_baselines(prepared.data)
        assert (BASELINES["smoothing"] in baselines["combined"].note) == there
        assert "smoothing" in baselines


def test_what_is_given_beside_nothing_leaves_the_other_out() -> None:
    asked = ("model.highway=true", "model.lags=[1,2]", "forecast.horizon=12")
    model = prepare(given([noisy()], *asked, SMOOTHED.format(1, 9, 0.25))).config.model
    assert isinstance(model, ResolvedRecurrent)
    assert (model.lags, model.ridge.share, model.smoothing.share) == ((1, 2), 0, 0.25)
