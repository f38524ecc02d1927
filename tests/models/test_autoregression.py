"""Linear autoregression against an oracle, and its choice of lags where the answer is known."""

import numpy as np
import pytest
import torch
from statsmodels.tsa.ar_model import AutoReg

from tests.models.test_baselines import TEST, TRAIN, VAL, panel, windows
from wavesweep.models.autoregression import Lags, choose_lags, fit_weights, fitted, forecast, linear
from wavesweep.models.baseline import Windows
from wavesweep.models.linear_network import LinearForecaster

WALK = np.random.default_rng(0).normal(size=(300, 1)).cumsum(axis=0)


@pytest.mark.parametrize("lags", [(1, 2, 3), (1, 2, 12, 13)])
def test_least_squares_agree_with_statsmodels(lags: tuple[int, ...]) -> None:
    oracle = AutoReg(WALK[:, 0], lags=list(lags), trend="c").fit()
    weights = fit_weights([WALK], Lags(lags))
    np.testing.assert_allclose(weights[0, 0], [*oracle.params[1:], oracle.params[0]], rtol=1e-6)
    np.testing.assert_allclose(forecast(weights, Lags(lags), WALK[None], 20)[0, :, 0], oracle.forecast(20), rtol=1e-6)


def test_a_centred_fit_is_that_of_differences_to_the_last_value() -> None:
    lags = Lags((1, 2, 5), centred=True)
    target = WALK[5:, 0] - WALK[4:-1, 0]
    inputs = np.stack([WALK[5 - lag : -lag, 0] - WALK[4:-1, 0] for lag in (2, 5)] + [np.ones(295)], axis=1)
    second, fifth, constant = np.linalg.lstsq(inputs, target)[0]
    np.testing.assert_allclose(fit_weights([WALK], lags)[0, 0], [1 - second - fifth, second, fifth, constant])


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("centred", [False, True])
def test_the_network_is_the_same_autoregression(centred: bool, joint: bool) -> None:
    lags = Lags((1, 3, 4), centred, joint)
    train = [values[:97] for values in TRAIN]
    network = LinearForecaster(3, lags)
    network.fit([torch.from_numpy(values) for values in train])
    ahead = network.closed_loop(torch.from_numpy(TEST.context), torch.zeros(len(TEST.context)), 9)
    np.testing.assert_allclose(forecast(fit_weights(train, lags), lags, TEST.context, 9), ahead, rtol=1e-9, atol=1e-9)


def test_weights_stand_where_stored_ones_do() -> None:
    """The earliest value first, its channels beside each other, the intercept last: as in older versions."""
    train = torch.from_numpy(np.stack([values[:97] for values in TRAIN]))
    network = LinearForecaster(3, Lags((1, 2, 3, 4), joint=True))
    network.fit([*train])
    assert network.weights.shape == (13, 3)
    past = train.unfold(1, 4, 1)[:, :-1].transpose(2, 3).flatten(2)  # (series, step, lag · channel)
    expected = past @ network.weights[:-1] + network.weights[-1]
    torch.testing.assert_close(network.one_step(train, torch.zeros(2)), expected)
    design = np.concatenate([past.flatten(0, 1), np.ones((186, 1))], axis=1)
    solution = np.linalg.lstsq(design, train[:, 4:].flatten(0, 1))[0]
    np.testing.assert_allclose(network.weights, solution, rtol=1e-6)


def test_channels_are_fitted_apart_unless_jointly() -> None:
    changed = [values * [1, 1, 5] + [0, 0, 2] for values in TRAIN]
    for joint in (False, True):
        before, after = (fit_weights(train, Lags((1, 2), joint=joint)) for train in (TRAIN, changed))
        assert np.allclose(before.reshape(3, -1)[0], after.reshape(3, -1)[0]) != joint


def test_every_candidate_is_fitted_as_if_alone() -> None:
    """Up to the rows: of all candidates, only those before which the longest lag is known."""
    candidates = list(fitted([values[:60] for values in TRAIN], context=20, seasons=(7,), jointly=True))
    assert {lags.joint for lags, _ in candidates} == {lags.centred for lags, _ in candidates} == {False, True}
    assert len(candidates) == len({lags for lags, _ in candidates})
    longest = {joint: max(lags.lags[-1] for lags, _ in candidates if lags.joint == joint) for joint in (False, True)}
    assert longest == {False: 20, True: 8}
    for lags, weights in candidates:
        rows = [values[longest[lags.joint] - lags.lags[-1] : 60] for values in TRAIN]
        if sum(map(len, rows)) > 3 * weights.shape[2]:
            np.testing.assert_allclose(weights, fit_weights(rows, lags), rtol=1e-6, atol=1e-9)


def test_many_rows_are_thinned_without_a_bias_to_a_phase() -> None:
    season = np.tile([[0.0], [1.0], [5.0]], (900, 1))
    lags = Lags((3,))
    np.testing.assert_allclose(fit_weights([season, season[:600]], lags, most_rows=50)[0, 0], [1, 0], atol=1e-12)


def test_a_wave_is_forecast_to_rounding() -> None:
    time = np.arange(700)[:, None]
    waves = [np.sin((time + shift) / 20) * np.sqrt(2) for shift in (0, 7, 31, 50)]
    val = Windows(np.stack([wave[200:300] for wave in waves[2:3]]), np.stack([wave[300:] for wave in waves[2:3]]))
    chosen = linear([wave[:300] for wave in waves[:2]], val, ())
    assert np.abs(chosen.forecast(waves[3][None, 200:300], 400) - waves[3][None, 300:]).max() < 1e-10


def test_the_true_order_is_near() -> None:
    draws = np.random.default_rng(0)
    values = np.zeros((3000, 1))
    for step in range(24, len(values)):
        values[step] = 0.5 * values[step - 1] + 0.4 * values[step - 24] - 0.2 * values[step - 25] + draws.normal()
    values /= values.std()
    lags = choose_lags([values[:2000]], windows_of(values[2000:], 60), (24,))
    assert {1, 24, 25} <= set(lags.lags)
    assert len(lags.lags) < 12


def windows_of(values: np.ndarray, context: int) -> Windows:
    cut = np.lib.stride_tricks.sliding_window_view(values, context + 5, axis=0).swapaxes(1, 2)
    return Windows(cut[:, :context], cut[:, context:])


def test_lags_are_less_than_half_of_the_shortest_series_and_within_the_context() -> None:
    for steps, context, most in ((11, 40, 5), (97, 9, 9), (2, 40, 1)):
        found = [lags for lags, _ in fitted([panel()[0], panel()[1][:steps]], context, (3,), jointly=True)]
        assert max(lags.lags[-1] for lags in found) <= most


def test_of_many_channels_eight_choose_for_all() -> None:
    wide = [np.tile(values, 4) for values in TRAIN]
    chosen = linear(wide, Windows(np.tile(VAL.context, 4), np.tile(VAL.truth, 4)), (7,))
    assert "of all channels" not in chosen.note
    ahead = chosen.forecast(np.tile(TEST.context, 4), 6)
    np.testing.assert_allclose(ahead, np.tile(ahead[..., :3], 4))


def test_it_says_in_words_what_it_looks_at() -> None:
    assert str(Lags((1, 2, 3, 7, 12, 13), centred=True)) == "lags 1-3, 7, 12-13, centred"
    assert str(Lags((1,), joint=True)) == "lags 1, of all channels"


def test_what_explodes_is_not_chosen() -> None:
    growing = 1.5 ** np.arange(40.0)[:, None]
    chosen = choose_lags([growing / growing.std()], Windows(VAL.context[:, :, :1], VAL.truth[:, :, :1]), ())
    weights = fit_weights([growing / growing.std()], chosen)
    assert np.isfinite(forecast(weights, chosen, windows(panel()).context[..., :1], 5)).all()
