"""The training loop: what it records, what it draws, and that it can go on exactly."""

import io
import math
import time
from functools import cache

import numpy as np
import pytest
import torch

from hydra_queue_sweeper.base import signals
from tests.support.parts import composed, config, gradient_descent, losses, small, train, trainer
from wavesweep.config.groups import options
from wavesweep.config.resolve import outline
from wavesweep.evaluation.forecasting import forecast_part
from wavesweep.experiment.preparation import load_data
from wavesweep.models.forecaster import Forecaster
from wavesweep.models.losses import Loss
from wavesweep.models.pointwise_network import PointwiseForecaster
from wavesweep.training.closures import Closure, closed_loop_loss
from wavesweep.training.optimizers import LBFGS
from wavesweep.training.steps import SECONDS_TO_FINISH
from wavesweep.training.windows import Windows

OPTIMIZERS = [
    ("optimizer=lbfgs",),
    ("optimizer=adam",),
    ("optimizer=adamw", "optimizer.schedule=cosine"),
    ("optimizer=sgd", "optimizer.momentum=0.9"),
    ("optimizer=rmsprop", "optimizer.schedule=constant"),
]


@pytest.mark.parametrize("overrides", OPTIMIZERS, ids=" ".join)
class TestEveryOptimizer:
    def test_learns(self, overrides: tuple[str, ...]) -> None:
        records = train(
            trainer(small(*overrides, "dataset.length=20", "training.epochs=30", "training.refine_epochs=0"))
        )
        assert len(records) == 30
        assert records[-1].loss < 0.7 * records[0].loss

    def test_goes_on_exactly_from_its_state(self, overrides: tuple[str, ...]) -> None:
        resolved = small(
            *overrides,
            "dataset.length=12",
            "training.epochs=3",
            "training.refine_epochs=2",
            "model.dropout=0.2",
            "model.normalization=batch",
        )
        data = load_data(resolved)
        straight = trainer(resolved)
        expected, states = [], []
        for record in straight.run(lambda _: False):
            forecast_part(straight.network, data.scaler, data.val)  # as a run does, and to no effect
            saved = io.BytesIO()
            torch.save(straight.state(), saved)
            expected.append(record)
            states.append(saved.getvalue())
        for stop, state in enumerate(states, start=1):
            torch.manual_seed(999)
            second = trainer(resolved)
            second.restore(torch.load(io.BytesIO(state), weights_only=True))
            assert losses(train(second)) == losses(expected[stop:])
            assert (second.spent.steps, second.spent.evaluations) == (straight.spent.steps, straight.spent.evaluations)
            for name, value in straight.network.state_dict().items():
                assert torch.equal(value, second.network.state_dict()[name]), name


def test_it_records_the_first_epoch_the_multiples_and_the_last() -> None:
    resolved = small("training.epochs=10", "training.record_every=4", "training.refine_epochs=0")
    assert [record.epoch for record in train(trainer(resolved))] == [1, 4, 8, 10]


def test_an_epoch_is_as_many_windows_as_cover_the_training_part_once() -> None:
    resolved = small("training.window=15", "training.refine_epochs=0", "training.epochs=2")
    subject = gradient_descent(resolved)  # on 5 series of 40 steps: 3 windows cover each
    assert subject.main.batches == [4, 4, 4, 3]
    train(subject)
    assert subject.spent.evaluations == 2 * 4


def test_least_squares_take_one_epoch() -> None:
    [record] = train(trainer(small("model=linear", "model.order=4")))
    assert record.epoch == 1
    assert record.loss < 1e-20


def test_a_loss_that_is_not_finite_ends_the_training() -> None:
    resolved = small("optimizer=sgd", "optimizer.lr=1e30", "optimizer.schedule=constant", "training.clip_norm=0")
    records = train(trainer(resolved))
    assert not math.isfinite(records[-1].loss)
    assert records[-1].epoch < 4


def test_a_step_that_goes_on_after_a_signal_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Left alone, a line search looks at the loss a dozen times."""
    subject = gradient_descent(small("optimizer=lbfgs", "training.epochs=1"))
    loss = subject.main.fixed_loss
    assert loss
    looks = 0

    def slow() -> torch.Tensor:
        nonlocal looks
        looks += 1
        time.sleep(SECONDS_TO_FINISH)
        return loss()

    monkeypatch.setattr(subject.main, "fixed_loss", slow)
    with signals.asking_to_end(), pytest.raises(signals.Interrupted):
        subject.main.train_epoch()
    assert looks == 1


def test_noise_fades_geometrically_from_start_to_end() -> None:
    noise = ("training.noise_start=0.03", "training.noise_end=0.003")
    subject = gradient_descent(small("training.epochs=5", "training.refine_epochs=0", "optimizer=lbfgs", *noise))
    seen = [subject.main._noise(), *(subject.main._noise() for _ in subject.run(lambda _: False))]
    np.testing.assert_allclose(seen[:5], np.geomspace(0.03, 0.003, 5))


def test_refinement_lowers_the_closed_loop_loss() -> None:
    resolved = small("training.epochs=60", "training.refine_epochs=3")
    records = train(trainer(resolved))
    assert records[-1].loss < records[-3].loss


def test_each_round_of_the_refinement_starts_afresh_on_new_windows() -> None:
    rounds = ("training.epochs=1", "training.refine_epochs=4", "training.refine_restart_every=2", "training.window=15")
    subject = gradient_descent(small(*rounds))
    optimizers, minimised = [], []
    for record in subject.run(lambda _: False):
        if record.epoch > 1:
            optimizers.append(subject.refinement.optimizer)
            minimised.append(subject.refinement.loss)
    assert optimizers[0] is optimizers[1] is not optimizers[2] is optimizers[3]
    assert minimised[0] is minimised[1] is not minimised[2] is minimised[3]
    with torch.no_grad():
        assert minimised[1]() != minimised[2]()


def test_the_refinement_looks_further_ahead_in_its_second_half(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = ("training.window=10", "training.epochs=2", "training.refine_epochs=4", "training.refine_restart_every=1")
    lengths = []

    def looked_at(network: Forecaster, windows: Windows, context: int, loss: Loss) -> Closure:
        lengths.append((context, windows.values.shape[1] - context))
        return closed_loop_loss(network, windows, context, loss)

    monkeypatch.setattr("wavesweep.training.refinement.closed_loop_loss", looked_at)
    train(trainer(small(*rounds)))
    assert lengths == [(5, 5), (5, 5), (5, 15), (5, 15)]


@pytest.mark.parametrize(("faults", "retries"), [(1, 1), (3, 3), (4, 3)])
def test_a_step_without_a_finite_loss_is_taken_back_and_made_smaller(
    faults: int, retries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = gradient_descent(small("training.epochs=1", "training.refine_epochs=1"))
    step, starts = subject.refinement._take_step, []

    def faulty() -> float:
        starts.append(subject.network.state_dict()["head.bias"].clone())
        loss = step()
        return math.nan if len(starts) <= faults else loss

    monkeypatch.setattr(subject.refinement, "_take_step", faulty)
    *_, last = train(subject)
    assert math.isfinite(last.loss) == (faults <= 3)
    assert subject.refinement.optimizer.param_groups[0]["lr"] == 1 / 4**retries
    assert all(torch.equal(start, starts[0]) for start in starts)


@pytest.mark.parametrize(
    ("overrides", "epochs"),
    [
        (("dataset=linear_noise",), 60),  # 80 windows, 16 a step
        (("dataset=sine",), 12),  # 80 series of 5 windows
        (("dataset.num_series=1", "training.window=0"), 300),
        (("optimizer=lbfgs", "optimizer.max_iter=7"), 43),
        (("model=linear",), 1),
    ],
)
def test_by_default_the_main_stage_takes_300_steps(overrides: tuple[str, ...], epochs: int) -> None:
    assert outline(composed(*overrides)).training.epochs == epochs


def test_weight_decay_shrinks_weights() -> None:
    def norm(*overrides: str) -> float:
        subject = trainer(small("training.epochs=20", "training.refine_epochs=0", *overrides))
        train(subject)
        return sum(float(p.detach().square().sum()) for p in subject.network.parameters())

    assert norm("optimizer=adamw", "optimizer.weight_decay=1.0") < norm("optimizer=adamw", "optimizer.weight_decay=0.0")


def test_lbfgs_at_its_defaults_is_torch_lbfgs() -> None:
    resolved = config("experiment=article/sine").optimizer
    assert isinstance(resolved, LBFGS)
    theirs = torch.optim.LBFGS([torch.nn.Parameter(torch.zeros(1))], lr=0.08)
    ours = resolved.build([torch.nn.Parameter(torch.zeros(1))])
    assert ours.defaults == theirs.defaults


def test_the_article_trains_on_raw_units_without_washout() -> None:
    resolved = config("experiment=article/linear_noise")
    subject = gradient_descent(resolved)
    for series, raw in zip(subject.main.series, load_data(resolved).train, strict=True):
        assert torch.equal(series, torch.from_numpy(raw).float())
    assert subject.main.fixed_windows is not None
    assert subject.main.fixed_windows.values.shape == (95, 11, 1)
    assert resolved.training.washout == 0
    next(subject.run(lambda _: False))
    assert subject.spent.evaluations == 20


def test_refining_changes_nothing_before_it() -> None:
    few, many = (train(trainer(small(f"training.refine_epochs={number}"))) for number in (0, 2))
    assert losses(few) == losses(many)[:3]


def test_evaluation_leaves_every_module_in_its_mode() -> None:
    subject = gradient_descent(small("model.dropout=0.2", "training.refine_epochs=1"))
    data = load_data(small())
    for record in subject.run(lambda _: False):
        before = [module.training for module in subject.network.modules()]
        forecast_part(subject.network, data.scaler, data.val)
        assert [module.training for module in subject.network.modules()] == before
        assert all(before) == (record.epoch <= 3), "dropout acts in the main stage alone"


def test_the_article_s_pointwise_network_is_trained_as_a_bare_loop_trains_it() -> None:
    resolved = config("experiment=article/minutes", "training.epochs=200")
    subject, bare = gradient_descent(resolved), gradient_descent(resolved)
    *_, last = train(subject)
    assert isinstance(bare.network, PointwiseForecaster)
    network, games = bare.network.network, bare.main.series[0]
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    loss = torch.tensor(math.nan)
    for _ in range(200):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(network(torch.arange(9.0)[:, None]), games)
        loss.backward()
        optimizer.step()
    assert last.loss == loss.item()


class TestTheRefiner:
    STAGES = ("training.epochs=4", "training.refine_epochs=6", "training.refine_restart_every=6")

    def test_it_is_the_option_lbfgs_whatever_drives_the_main_stage(self) -> None:
        option = composed("optimizer=lbfgs").optimizer
        for overrides in (("optimizer=sgd",), ("optimizer=lbfgs", "optimizer.lr=0.3", "optimizer.line_search=none")):
            resolved = small(*overrides)
            assert resolved.training.refiner == option != resolved.optimizer

    @pytest.mark.parametrize("option", options("optimizer"))
    def test_any_optimizer_can_be_one(self, option: str) -> None:
        """It lowers the loss of the closed loop, from where the main stage has come to."""
        resolved = small(f"optimizer@training.refiner={option}", *self.STAGES)
        assert resolved.training.refiner.kind == option
        before, after = self.by_default(), losses(train(trainer(resolved)))
        assert before[:4] == after[:4], "it is another stage's"
        assert (before[4:] == after[4:]) == (option == "lbfgs")
        assert after[9] < after[4]

    @classmethod
    @cache
    def by_default(cls) -> list[float]:
        """Return the losses where no refiner is chosen."""
        return losses(train(trainer(small(*cls.STAGES))))

    def test_its_open_rate_is_that_of_the_main_stage(self) -> None:
        for highway, rate in (("false", 1e-2), ("true", 3e-3)):
            beside = (f"model.highway={highway}", "forecast.horizon=3")
            refiner = small("optimizer@training.refiner=adamw", "training.refiner.lr=null", *beside).training.refiner
            assert refiner.lr == rate

    def test_its_values_count(self) -> None:
        stages = ("training.epochs=1", "training.refine_epochs=1")
        subject, usual = gradient_descent(small("training.refiner.max_iter=3", *stages)), trainer(small(*stages))
        assert losses(train(subject)) != losses(train(usual))
        assert subject.spent.evaluations < usual.spent.evaluations
        [used] = subject.refinement.optimizer.param_groups
        assert used["max_iter"] == 3
