"""Which runs are replicates, and which configurations are the same."""

from collections.abc import Iterable

import pytest

from tests.support.parts import composed, prepared
from wavesweep.config.config import digest, dump
from wavesweep.config.replicates import config_hash
from wavesweep.models.recurrent import Recurrent


def config_hashes(*overrides: str, seeds: Iterable[int]) -> set[str]:
    """Return the hashes that runs with these seeds are tagged with."""
    return {config_hash(prepared(*overrides, f"seed={seed}").composed) for seed in seeds}


def hash_of(*overrides: str) -> str:
    return config_hash(composed(*overrides))


def test_replicates_whose_sizes_are_drawn_share_their_hash() -> None:
    article = "experiment=article/cos_sin_squared"
    assert len(config_hashes(article, seeds=range(5))) == 1
    sources = [prepared(article, f"seed={seed}").data.division.source for seed in range(5)]
    assert len({source.shape for source in sources}) == 5


def test_replicates_of_which_some_are_differenced_share_their_hash() -> None:
    line = ("dataset=linear_noise", "dataset.noise_per=step", "dataset.noise_std=6")
    assert len(config_hashes(*line, seeds=range(10))) == 1
    models = [prepared(*line, f"seed={seed}").config.model for seed in range(10)]
    assert {model.difference for model in models if isinstance(model, Recurrent)} == {True, False}


def test_replicates_of_a_noisy_line_share_their_hash() -> None:
    assert len(config_hashes("dataset=linear_noise", "dataset.noise_per=step", seeds=range(10))) == 1


def test_a_seed_of_the_data_that_is_given_tells_runs_apart() -> None:
    hashes = {hash_of(), hash_of("dataset.seed=0"), hash_of("dataset.seed=7")}
    assert len(hashes) == 3


@pytest.mark.parametrize(
    "override",
    ["runtime.dtype=float64", "runtime.threads=2", "runtime.device=auto", "training.epochs=4", "model=small",
     "optimizer=sgd", "dataset.width=3", "forecast.horizon=9", "forecast.coverage=0.8", "objective=val/one_step_mse",
     "training.loss=absolute", "training.refiner.max_iter=3", "optimizer@training.refiner=adam"],
)  # fmt: skip
def test_what_results_depend_on_tells_runs_apart(override: str) -> None:
    assert hash_of(override) != hash_of()


@pytest.mark.parametrize(
    "overrides",
    [("seed=5",), ("tracking.experiment=other",), ("tracking.uri=sqlite:///other.db",), ("tracking.required=true",),
     ("dataset=sine", "model=medium")],
    ids=" ".join,
)  # fmt: skip
def test_neither_seed_nor_tracking_nor_a_choice_that_is_the_default_tells_runs_apart(overrides: tuple[str]) -> None:
    assert hash_of(*overrides) == hash_of()


def test_a_number_is_the_same_however_it_is_written() -> None:
    assert len({hash_of(f"optimizer.lr={rate}") for rate in ("1", "1.0", "1e0", "10e-1")}) == 1
    assert hash_of("optimizer.lr=1") != hash_of("optimizer.lr=2")


def test_the_digest_of_a_configuration_counts_the_seed_but_not_tracking() -> None:
    assert digest(dump(composed("seed=1"))) != digest(dump(composed("seed=0")))
    assert digest(dump(composed("runtime.threads=2"))) != digest(dump(composed()))
    assert digest(dump(composed("tracking.experiment=other"))) == digest(dump(composed()))
    assert digest(dump(prepared().config)) != digest(dump(composed())), (
        "that of what a run used, not of what was left open"
    )
