"""What Hydra refuses is said in words of ours, whatever its own are."""

import hydra
import pytest
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.hydra_releases import AS_IN_1_3
from wavesweep.config.composing import compose
from wavesweep.config.groups import conf_dir
from wavesweep.config.hydra_objections import explain

REFUSED_BY_HYDRA = {
    "datset=sine": "datset is not a key of this configuration; did you mean dataset?",
    "dataset.widht.x=3": "dataset.widht is not a key of this configuration; did you mean dataset.width?",
    "dataset.path=a.csv": "dataset.path is not a key of the dataset chosen here; leave it out, or choose dataset=csv",
    "training={epoch:3}": "training.epoch is not a key of this configuration; did you mean training.epochs?",
    "hydra.jobs=3": "hydra.jobs is not a key of Hydra's; wavesweep --cfg hydra shows them",
    "dataset=sin": "dataset=sin is not an option; did you mean sine?",
    "optimizer@training.refiner=lbfg": "optimizer@training.refiner=lbfg is not an option; did you mean lbfgs?",
    "seed=1,2": "seed=1,2 gives one run several values; add -m to sweep over them, or brackets for a list",
    "seed=range(1,3)": "seed=range(1,3) is a sweep, which needs -m",
    "+seed=5": "seed has a value already; leave out the +",
    "~trainin": "trainin is not a key of this configuration; did you mean training?",
}


@pytest.mark.parametrize("override", REFUSED_BY_HYDRA)
def test_what_is_said_does_not_hang_on_hydra_s_words(override: str) -> None:
    with (
        hydra.initialize_config_dir(str(conf_dir()), **AS_IN_1_3),
        pytest.raises((HydraException, OmegaConfBaseException)) as failure,
    ):
        hydra.compose("config", [override])
    key = override.lstrip("+~").partition("=")[0]
    failure.value.args = (f"{key}: in quite other words",)
    assert explain(failure.value, [override]) == REFUSED_BY_HYDRA[override]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("seed=1,2", REFUSED_BY_HYDRA["seed=1,2"]),
        ("training=null", "training must be one of its options, got null; choose from article, default"),
        (
            "dataset.path=Bäckerei.csv",
            "dataset.path=Bäckerei.csv can't be read as an override; give 'dataset.path=\"Bäckerei.csv\"'",
        ),
        ("seed=[", "seed=[ can't be read as an override; quote values with special characters"),
        ("=3", "=3 can't be read as an override; put a key before the ="),
        ("seed", "seed is neither KEY=VALUE nor a command, such as ui"),
        ("seed=${nope}", "seed: Interpolation key 'nope' not found; give it another value"),
        ("seed=???", "seed is missing; give it a value"),
    ],
)
def test_compose_refuses_it_in_the_same_words(override: str, said: str) -> None:
    with pytest.raises(Refused) as refusal:
        compose(override)
    assert str(refusal.value) == said


def test_what_nothing_is_known_of_is_told_by_hydra_s_first_line() -> None:
    assert explain(HydraException("first\nsecond"), []) == "first"
    assert explain(ValueError("first\nsecond"), []) == "ValueError: first; HYDRA_FULL_ERROR=1 shows where"
