"""What a sweep goes through, how its jobs are composed, handed out, proposed and given up."""

import itertools
import math
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import setup_globals
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from wavesweep.sweeps.queue import Queue

from hydra_plugins.wavesweep.sweeper import WavesweepSweeper
from tests.leaderboard.test_leaderboard import make
from tests.support.commands import SMALL, Command
from tests.support.sweeping import families, rows
from wavesweep.base.errors import Refused
from wavesweep.config.groups import conf_dir
from wavesweep.runs.directory import RunDirectory
from wavesweep.sweeps import sweeper
from wavesweep.sweeps.composition import (
    FOR_WORKERS,
    Composer,
    by_hydra,
    from_files,
    group_keys,
    parse,
    save,
    with_hydra,
)
from wavesweep.sweeps.space import Dimension, Interval, grid_overrides, grid_size, parse_dimensions
from wavesweep.sweeps.store import State, SweepDirectory, Trial
from wavesweep.sweeps.study import Study
from wavesweep.sweeps.worker import _outcome

OWN = {
    "experiment/nested/both.yaml": """# @package _global_
defaults:
  - override /dataset: cos_sin_squared
  - override /model: small
forecast:
  context: ${forecast.horizon}
seed: 5
""",
    "experiment/odd.yaml": r"""# @package _global_
notes:
  texts: ["1e-3", "on", "1_000", "~", "null", "2020-01-01", "0x1f", " a ", "\u00e9\n", "a: b", "=", "${seed}", ""]
  values: [1e-3, true, null, 1_000, .inf, [], {}]
  home: ${oc.env:HOME}
  again: ${.home}/x
training:
  window: ${training.epochs}
""",
    "experiment/typed.yaml": """# @package _global_
notes:
  home: ${oc.env:HOME}
  again: ${.home}/x
  number: ${oc.decode:${oc.env:NUMBER,"7"}}
training:
  window: ${training.epochs}
""",
    "model/mine.yaml": """defaults:
  - tiny
hidden_sizes: ["${dataset.num_series}", 4]
""",
    "experiment/swept.yaml": """# @package _global_
defaults:
  - override /model: linear
  - override /hydra/launcher: basic
hydra:
  sweeper:
    params:
      seed: range(2)
      model.order: 3,5
""",
}
"""A user's own folder of options."""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    for name, text in OWN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="module")
def loader(own: Path) -> ConfigLoaderImpl:
    setup_globals()
    version.setbase("1.3")  # as the command does
    path = create_config_search_path(str(conf_dir()))
    path.prepend("command-line", f"file://{own}", anchor=SearchPathQuery(provider="schema"))  # as Hydra does
    return ConfigLoaderImpl(path)


@pytest.fixture(scope="module")
def master(loader: ConfigLoaderImpl) -> DictConfig:
    """Return what Hydra gives a sweeper."""
    return loader.load_configuration("config", ["hydra.job.name=other"], RunMode.MULTIRUN)


# ---------------------------------------------------------------------------------------------------- composing

POOL = (
    "model=tiny,mine,small",
    "model=linear,mine",
    "dataset=sine,cos_sin_squared,linear_noise",
    "optimizer=adam,sgd",
    "training=default,article",
    "experiment=nested/both,odd,article/sine",
    "experiment=glob(article/*)",
    "experiment=odd",
    "forecast.horizon=3,5,null",
    "forecast.context=${forecast.horizon}",
    "seed=range(2)",
    "++seed=8,9",
    "seed=${forecast.horizon}",
    "training.epochs=7,1e3",
    "training.window=null,7",
    "training.window=${training.epochs},9",
    "model.hidden_sizes=[3],[5,4]",
    "+model.note=${model.kind}",
    "+extra.text='a,b','it\\'s',\"x = y\",''",
    "+extra={a:{b:1}},{a:{b:2}}",
    "++dataset.width=7,[8]",
    "dataset.split=[6,1,0],null",
    "~training.patience",
    "~optimizer.weight_decay",
    "~experiment",
    "+optimizer@second=sgd,lbfgs",
    "training={epochs:3,window:5}",
    "optimizer.lr=1e-3,0.1",
    "optimizer.unknown=3",
)


def attempt(work: Callable[[], Any]) -> Any:
    """Return what work gives, or how it fails."""
    try:
        return work()
    except (HydraException, OmegaConfBaseException) as error:
        return type(error), str(error)


def plain(config: DictConfig) -> Any:
    """Return all that a configuration says: as written, and resolved where that can be done."""
    return (
        OmegaConf.to_container(config, resolve=False),
        attempt(lambda: OmegaConf.to_container(config, resolve=True)),
    )


def without_hydra(config: DictConfig) -> DictConfig:
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


def stored(
    path: Path, dimensions: list[Dimension], groups: set[str], load: Any, jobs: list[list[str]]
) -> SweepDirectory:
    """Write the composed configurations of some jobs of a sweep, less tracking, and its plan."""
    sweep = make(path, dimensions, [])
    sweep.configs.mkdir()
    configs = {}
    for number, choice in enumerate({Composer(groups, load).choice(overrides): None for overrides in jobs}):
        config, choices = load(choice)
        save(config, sweep.configs / f"{number}.yaml", ("tracking",))
        configs[" ".join(choice)] = {"file": f"{number}.yaml", "choices": choices}
    sweep.write_plan(replace(sweep.read_plan(), groups=sorted(groups), configs=configs))
    return sweep


@pytest.mark.parametrize("seed", range(16))
def test_each_job_is_composed_as_hydra_would(
    seed: int, loader: ConfigLoaderImpl, master: DictConfig, tmp_path: Path
) -> None:
    """Once from conf/, and once from what a sweep has stored of it."""
    chance = random.Random(seed)
    arguments: list[str] = chance.sample(POOL, chance.randint(1, 5))
    if chance.random() < 0.5:
        arguments += ["experiment=nested/both,odd", "forecast.horizon=3,5"]
    dimensions = parse_dimensions(arguments, loader)
    groups, load = group_keys(dimensions, loader.repository), by_hydra(master, loader, [])
    numbers = chance.sample(range(grid_size(dimensions)), min(3, grid_size(dimensions)))
    jobs = [grid_overrides(dimensions, number) for number in numbers]
    composer, fine = Composer(groups, load), []
    worker = attempt(lambda: loader.load_sweep_config(master, [*grid_overrides(dimensions, 0), FOR_WORKERS]))
    for overrides in jobs:
        composed = attempt(lambda overrides=overrides: composer.compose(overrides))
        expected = attempt(lambda overrides=overrides: loader.load_sweep_config(master, overrides))
        if not isinstance(expected, DictConfig):
            assert composed == expected
            continue
        config, choices = composed
        assert plain(config) == plain(without_hydra(expected)), overrides
        assert choices == expected.hydra.runtime.choices
        fine.append((overrides, expected))
        hydra = (worker if isinstance(worker, DictConfig) else expected).hydra
        whole = with_hydra(config, hydra, "${hydra.job.num}", Trial(7, overrides), choices)
        assert whole.hydra.runtime.choices == expected.hydra.runtime.choices
        assert whole.hydra.overrides == expected.hydra.overrides
        assert whole.hydra.job.override_dirname == expected.hydra.job.override_dirname
        assert (whole.hydra.job.num, whole.hydra.job.id, whole.hydra.sweep.subdir) == (7, "7", "7")
        assert plain(without_hydra(whole)) == plain(config)

    if len(fine) < len(jobs):
        return
    sweep = stored(tmp_path / "sweep", dimensions, groups, load, jobs)
    here = OmegaConf.create({"tracking": {"uri": "here", "experiment": "e", "required": False}})
    composer = from_files(sweep, sweep.read_plan(), here, ("tracking",))
    for overrides, expected in fine:
        config, choices = composer.compose(overrides)
        expected.tracking = here.tracking
        assert plain(config)[1] == plain(without_hydra(expected))[1], overrides
        assert choices == expected.hydra.runtime.choices


def test_the_jobs_compared_have_all_that_matters(loader: ConfigLoaderImpl, master: DictConfig) -> None:
    """Of the pool, each composes alone, but for the one that is wrong."""
    for argument in POOL:
        [dimension] = parse_dimensions([argument], loader)
        found = attempt(
            lambda dimension=dimension: loader.load_sweep_config(master, [grid_overrides([dimension], 0)[0]])
        )
        assert isinstance(found, DictConfig) == (argument != "optimizer.unknown=3"), argument


@pytest.mark.parametrize("argument", ["model=tiny,{hidden_sizes:[3]}", "model={hidden_sizes:[3]},tiny"])
def test_a_dimension_of_both_values_and_options_is_refused(argument: str, loader: ConfigLoaderImpl) -> None:
    with pytest.raises(Refused, match="model is given both values and options of a group"):
        group_keys(parse_dimensions([argument], loader), loader.repository)


def test_what_depends_on_here_and_now_is_stored_as_it_was(
    loader: ConfigLoaderImpl, master: DictConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/then")
    dimensions = parse_dimensions(["experiment=typed", "training.epochs=3,4"], loader)
    groups = group_keys(dimensions, loader.repository)
    sweep = stored(tmp_path / "sweep", dimensions, groups, by_hydra(master, loader, []), [["experiment=typed"]])
    monkeypatch.setenv("HOME", "/now")
    monkeypatch.setenv("NUMBER", "8")
    composer = from_files(sweep, sweep.read_plan(), OmegaConf.create({}), ())
    config, _ = composer.compose(grid_overrides(dimensions, 1))
    assert (config.notes.home, config.notes.again, config.notes.number) == ("/then", "/then/x", 7)
    assert config.training.window == 4


def test_a_stored_configuration_that_asks_for_the_environment_is_refused(
    loader: ConfigLoaderImpl, master: DictConfig, tmp_path: Path
) -> None:
    dimensions = parse_dimensions(["seed=1,2"], loader)
    sweep = stored(tmp_path / "sweep", dimensions, set(), by_hydra(master, loader, []), [["seed=1"]])
    (sweep.configs / "0.yaml").write_text("seed: ${oc.env:SECRET}\n")
    with pytest.raises(Refused, match=r"must hold plain values, got .*oc\.env"):
        from_files(sweep, sweep.read_plan(), OmegaConf.create({}), ()).compose(["seed=1"])


# ---------------------------------------------------------------------------------------------------- dimensions


@pytest.mark.parametrize("seed", range(20))
def test_a_grid_has_hydras_order(seed: int, loader: ConfigLoaderImpl) -> None:
    chance = random.Random(seed)
    several = [
        "optimizer.lr=choice(0.1,0.01)",
        "training.window=shuffle(7,8,9)",
        "+extra.sorted=sort(3,1,2)",
        "dataset=glob(*)",
        "dataset=glob([s*,c*],exclude=*noise)",
        "training.epochs=range(3,10,3)",
        "+extra.real=range(0.5,2)",
        "+extra.cast=str([1,2]),float(3)",
    ]
    arguments = chance.sample([*POOL, *several], chance.randint(1, 4))
    arguments = [text for text in arguments if "article/*" not in text]  # Hydra's glob knows no folders
    random.seed(seed)
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(arguments)
    [expected] = BasicSweeper.split_arguments(overrides, max_batch_size=None)
    random.seed(seed)
    dimensions = parse_dimensions(arguments, loader)
    assert [grid_overrides(dimensions, number) for number in range(grid_size(dimensions))] == expected


@pytest.mark.parametrize(
    ("argument", "key", "values"),
    [
        ("seed=3", "seed", ["3"]),
        ("seed=range(3)", "seed", ["0", "1", "2"]),
        ("seed=range(4,0,-2)", "seed", ["4", "2"]),
        ("seed=range(0,1,0.5)", "seed", ["0.0", "0.5"]),
        ("seed=range(0.0,0.3,0.1)", "seed", ["0.0", "0.1", "0.2"]),
        ("seed=choice(1,2)", "seed", ["1", "2"]),
        ("seed=1,2,1", "seed", ["1", "2"]),
        ("seed=sort(3,1,2)", "seed", ["1", "2", "3"]),
        ("seed=sort(3,1,2,reverse=true)", "seed", ["3", "2", "1"]),
        ("seed=tag(a,choice(1,2))", "seed", ["1", "2"]),
        ("dataset=glob(*s*)", "dataset", ["cos_sin_squared", "linear_noise", "sine"]),
        ("dataset=glob(*,exclude=[*noise,csv])", "dataset", ["cos_sin_squared", "sine"]),
        (
            "experiment=glob(article/*)",
            "experiment",
            [f"article/{name}" for name in ("cos_sin_squared", "linear_noise", "minutes", "sine")],
        ),
        ("+a.b='x,y','z'", "+a.b", ["'x,y'", "'z'"]),
        ("++a='it\\'s',\"b c\"", "++a", ["'it\\'s'", '"b c"']),
        ("model.hidden_sizes=[64,32],[5]", "model.hidden_sizes", ["[64,32]", "[5]"]),
        ("a={b:1},{b:[2,3]}", "a", ["{b:1}", "{b:[2,3]}"]),
        ("a=null,true,1e-3,", "a", None),
        ("a=null,true,1e-3", "a", ["null", "True", "0.001"]),
        ("a=str([1,2])", "a", ["[1,2]"]),
        ("~seed", "~seed", ["null"]),
        ("seed=", "seed", [""]),
        ("model@other=tiny,small", "model@other", ["tiny", "small"]),
    ],
)
def test_values(argument: str, key: str, values: list[str] | None, loader: ConfigLoaderImpl) -> None:
    if values is None:
        with pytest.raises(HydraException):
            parse_dimensions([argument], loader)
        return
    [dimension] = parse_dimensions([argument], loader)
    assert (dimension.key, dimension.interval) == (key, None)
    assert list(dimension.values) == values
    assert dimension.ordered == ("range(" in argument)
    assert dimension.swept == (len(values) > 1)


def test_a_shuffle_keeps_all_values(loader: ConfigLoaderImpl) -> None:
    random.seed(0)
    found = [parse_dimensions(["seed=shuffle(range(20))"], loader)[0].values for _ in range(2)]
    assert found[0] != found[1]
    assert sorted(found[0], key=int) == sorted(found[1], key=int) == [str(number) for number in range(20)]


@pytest.mark.parametrize(
    ("argument", "interval"),
    [
        ("a=interval(0.5,2)", Interval(0.5, 2, integer=False, log=False)),
        ("a=interval(1,100)", Interval(1, 100, integer=False, log=False)),
        ("a=interval(-1,1)", Interval(-1, 1, integer=False, log=False)),
        ("a=tag(log,interval(1e-5,1e-1))", Interval(1e-5, 1e-1, integer=False, log=True)),
        ("a=int(interval(1,9))", Interval(1, 9, integer=True, log=False)),
        ("a=tag(int,interval(1,9))", Interval(1, 9, integer=True, log=False)),
        ("a=tag(int,log,interval(1,64))", Interval(1, 64, integer=True, log=True)),
        ("a=tag(log,int(interval(1,64)))", Interval(1, 64, integer=True, log=True)),
        ("a=float(interval(1,2))", Interval(1.0, 2.0, integer=False, log=False)),
    ],
)
def test_intervals(argument: str, interval: Interval, loader: ConfigLoaderImpl) -> None:
    [dimension] = parse_dimensions([argument], loader)
    assert dimension == Dimension("a", interval=interval)
    assert dimension.swept


@pytest.mark.parametrize(
    ("argument", "rule"),
    [
        ("seed=range(0)", "must give at least one value, got none"),
        ("seed=range(3,1)", "must give at least one value, got none"),
        ("dataset=glob(x*)", "must give at least one value, got none"),
        ("a=interval(2,1)", "an interval must go upwards, got 2 to 1"),
        ("a=interval(1,1)", "an interval must go upwards, got 1 to 1"),
        ("a=interval(0,inf)", "an interval must go upwards, got 0 to inf"),
        ("a=interval(nan,1)", "an interval must go upwards, got nan to 1"),
        ("a=tag(log,interval(0,1))", "a logarithmic interval must begin above 0, got 0"),
        ("a=tag(log,interval(-1,1))", "a logarithmic interval must begin above 0, got -1"),
        ("a=tag(int,interval(0.5,2))", "an interval of whole numbers must have whole bounds, got 0.5 and 2"),
        ("a=tag(logarithmic,interval(1,2))", "a tag of an interval must be log or int, got logarithmic"),
    ],
)
def test_what_gives_nothing_to_go_through_is_refused_in_one_line(
    argument: str, rule: str, loader: ConfigLoaderImpl
) -> None:
    with pytest.raises(Refused) as refused:
        parse_dimensions(["seed=1", argument], loader)
    assert rule in str(refused.value)
    assert argument in str(refused.value)
    assert "\n" not in str(refused.value)


def test_of_two_with_one_key_the_later_counts(loader: ConfigLoaderImpl) -> None:
    first, second = parse_dimensions(["seed=1,2", "training.epochs=3", "seed=4"], loader)
    assert (first, second) == (Dimension("seed", ("4",)), Dimension("training.epochs", ("3",)))


# ---------------------------------------------------------------------------------------------------- the queue

SEEDS = Dimension("seed", tuple(map(str, range(30))))


def work(queue: Queue, state: State = "finished") -> list[int]:
    """Take and end all that there is; return the numbers in their order."""
    taken = []
    while True:
        with queue.take() as trial:
            if trial is None:
                return taken
            taken.append(trial.number)
            queue.sweep.write_trial(replace(trial, state=state))


def take(sweep: SweepDirectory, launch: str) -> tuple[int, int]:
    """Take a trial, and be gone with the lock, as after a death; return its number and its deaths."""
    with Queue(sweep, launch, lambda _: []).take() as trial:
        assert trial
        return trial.number, trial.deaths


def test_each_trial_is_handed_out_once_to_whoever_asks(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [SEEDS], [])
    held, handed, twice, chance = set[int](), Counter[int](), list[int](), random.Random(0)

    def run() -> None:
        queue = Queue(sweep, "a", lambda _: [])
        while True:
            with queue.take() as trial:
                if trial is None:
                    return
                if trial.number in held:
                    twice.append(trial.number)
                held.add(trial.number)
                handed[trial.number] += 1
                assert trial.state == "running"
                assert sweep.read_trial(trial.number) == trial
                time.sleep(chance.uniform(0, 0.02))
                held.discard(trial.number)
                sweep.write_trial(replace(trial, state="finished", objective=1.0))

    workers = [threading.Thread(target=run) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert twice == []
    assert handed == Counter(range(30))
    trials = sweep.read_trials(sweep.read_plan())
    assert {(trial.state, trial.deaths) for trial in trials} == {("finished", 0)}
    assert [trial.overrides for trial in trials] == [[f"seed={number}"] for number in range(30)]


WORKER = """
import sys, time
from dataclasses import replace
from pathlib import Path
from wavesweep.sweeps.queue import Queue
from wavesweep.sweeps.store import SweepDirectory

queue = Queue(SweepDirectory(Path(sys.argv[1])), "a", lambda number: [f"seed={number}"])
while True:
    with queue.take() as trial:
        if trial is None:
            break
        print(trial.number, trial.deaths, *trial.overrides, flush=True)
        time.sleep(0.005)
        queue.sweep.write_trial(replace(trial, state="finished"))
"""


@pytest.mark.parametrize("dimension", [SEEDS, Dimension("seed", interval=Interval(0, 9, integer=True, log=False))])
def test_each_trial_is_handed_out_once_to_processes(dimension: Dimension, tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [dimension], [], total=30)
    line = [sys.executable, "-c", WORKER, str(sweep.path)]
    workers = [subprocess.Popen(line, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    handed = [worker.communicate(timeout=60)[0].splitlines() for worker in workers]
    assert sorted(itertools.chain(*handed), key=lambda text: int(text.split()[0])) == [
        f"{n} 0 seed={n}" for n in range(30)
    ]
    assert sum(map(bool, handed)) > 1, "one has done all"


def test_proposals_are_made_one_by_one_each_with_all_before_it_recorded(tmp_path: Path) -> None:
    sweep = make(
        tmp_path / "sweep", [Dimension("seed", interval=Interval(0, 9, integer=True, log=False))], [], total=20
    )
    at_work, wrong = threading.Lock(), list[int]()

    def propose(number: int) -> list[str]:
        recorded = {int(path.stem) for path in sweep.trials.glob("*.json")}
        if not at_work.acquire(blocking=False) or recorded != set(range(number)):
            wrong.append(number)
            return []
        time.sleep(0.005)
        at_work.release()
        return [f"seed={number}"]

    workers = [threading.Thread(target=lambda: work(Queue(sweep, "a", propose))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []
    assert [trial.overrides for trial in sweep.read_trials(sweep.read_plan())] == [[f"seed={n}"] for n in range(20)]


def test_what_is_held_is_not_handed_out(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [Dimension("seed", ("0", "1"))], [])
    first, second, third = (Queue(sweep, "a", lambda _: []) for _ in range(3))
    with first.take() as one, second.take() as other, third.take() as none:
        assert one
        assert other
        assert (one.number, other.number, none) == (0, 1, None)
        sweep.write_trial(replace(one, state="finished"))
        sweep.write_trial(replace(other, state="interrupted"))
    assert work(third) == [1]
    assert work(first) == work(second) == []


def test_what_was_interrupted_is_there_again_and_costs_nothing(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [Dimension("seed", ("0", "1"))], [])
    queue = Queue(sweep, "a", lambda _: [])
    for _ in range(5):
        with queue.take() as trial:
            assert trial
            assert (trial.number, trial.deaths) == (0, 0)
            sweep.write_trial(replace(trial, state="interrupted", marks={"a": 1.0}, directory="d", seconds=3.0))
    with queue.take() as trial:
        assert trial
        assert (trial.marks, trial.directory, trial.seconds) == ({"a": 1.0}, "d", 3.0)


def test_deaths_are_charged_to_the_trial_that_was_held_within_one_start(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [Dimension("seed", ("0", "1"))], [])
    assert take(sweep, "a") == (0, 0)
    assert take(sweep, "a") == (0, 1)
    assert take(sweep, "b") == (0, 1), "the start before was killed whole"
    assert take(sweep, "b") == (0, 2)
    assert take(sweep, "c") == (0, 2)
    assert take(sweep, "c") == (1, 0), "three are too many"
    failed = sweep.read_trial(0)
    assert failed
    assert (failed.state, failed.deaths, failed.reason[:23]) == ("failed", 3, "its worker died 3 times")
    assert work(Queue(sweep, "d", lambda _: [])) == [1]


@pytest.mark.parametrize("state", ["finished", "diverged", "pruned", "failed"])
def test_what_has_ended_is_not_handed_out_again(state: State, tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [Dimension("seed", ("0", "1", "2"))], [state])
    assert work(Queue(sweep, "a", lambda _: []), state) == [1, 2]
    assert work(Queue(sweep, "b", lambda _: [])) == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_job_whose_objective_is_not_finite_has_diverged(value: float) -> None:
    assert _outcome(value) == {"state": "diverged"}


# ---------------------------------------------------------------------------------------------------- proposals

RATE = Dimension("optimizer.lr", interval=Interval(1e-5, 1e-1, integer=False, log=True))
ORDER = Dimension("+model.order", interval=Interval(2, 90, integer=True, log=True))
WIDTH = Dimension("dataset.width", interval=Interval(-3, 3, integer=True, log=False))
SHARE = Dimension("model.dropout", interval=Interval(0.0, 0.5, integer=False, log=False))
SIZES = Dimension("model.hidden_sizes", ("[64,32]", "[5]", "a\\,b"))
EPOCHS = Dimension("training.epochs", ("10", "20", "40"), ordered=True)
FIXED = Dimension("model", ("tiny",))
ALL = [RATE, FIXED, ORDER, WIDTH, SHARE, SIZES, EPOCHS]


def outcome(overrides: list[str], number: int) -> dict[str, Any]:
    """Return how a job ended: the better, the nearer the learning rate is to 1e-2; some don't finish."""
    rate = next(float(text.split("=")[1]) for text in overrides if text.startswith("optimizer.lr="))
    ends: list[State] = ["failed", "diverged", "pruned"]
    if number % 7 == 3:
        return {"state": ends[number % 3]}
    return {"state": "finished", "objective": abs(math.log10(rate) + 2)}


def propose(sweep: SweepDirectory, count: int, fresh: bool) -> list[list[str]]:
    """Propose trials and end them, by one study or by a fresh one for each."""
    plan = sweep.read_plan()
    study = Study(sweep, plan, lambda _: {})
    for number in range(len(list(sweep.trials.glob("*.json"))), count):
        overrides = (Study(sweep, plan, lambda _: {}) if fresh else study).propose(number)
        sweep.write_trial(Trial(number, overrides, "running"))
        sweep.write_trial(Trial(number, overrides, **outcome(overrides, number)))
    return [trial.overrides for trial in sweep.read_trials(plan)]


def test_proposals_lie_within_bounds_and_are_what_they_should_be(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", ALL, [], total=40)
    proposed = propose(sweep, 40, fresh=False)
    columns = {one.key: [] for one in ALL}
    for overrides in proposed:
        assert [text.split("=", 1)[0] for text in overrides] == [one.key for one in ALL]
        for one, text, override in zip(ALL, overrides, parse(overrides), strict=True):
            columns[one.key].append(override.value())
            if one.interval is None:
                assert text.split("=", 1)[1] in one.values
            else:
                assert one.interval.low <= override.value() <= one.interval.high  # type: ignore[operator]
                assert type(override.value()) is (int if one.interval.integer else float)
    assert {len(set(map(str, columns[one.key]))) for one in (SIZES, EPOCHS)} == {3}
    assert len(set(columns["dataset.width"])) == 7
    assert 2 <= sum(rate < 1e-3 for rate in columns["optimizer.lr"][:10]) <= 8
    assert 2 <= sum(order < 13 for order in columns["+model.order"][:10]) <= 8, "half of 2 to 90 on a log scale"
    near = [abs(math.log10(rate) + 2) for rate in columns["optimizer.lr"]]
    assert sorted(near[20:])[10] < sorted(near[:10])[5], "it learns nothing"


def test_a_proposal_depends_on_the_trials_before_it_alone(tmp_path: Path) -> None:
    """Not on which process makes it, nor on what that has seen."""
    sweeps = [make(tmp_path / name, ALL, [], total=20) for name in "abc"]
    propose(sweeps[2], 13, fresh=False)
    found = [propose(sweep, 20, fresh) for sweep, fresh in zip(sweeps, (True, False, False), strict=True)]
    assert found[0] == found[1] == found[2]
    assert len({tuple(overrides) for overrides in found[0]}) == 20


def test_another_seed_proposes_otherwise(tmp_path: Path) -> None:
    first, second = (make(tmp_path / name, ALL, [], total=12) for name in ("first", "second"))
    second.write_plan(replace(second.read_plan(), seed=1))
    pairs = zip(propose(first, 12, fresh=False), propose(second, 12, fresh=False), strict=True)
    assert not any(one[0] == other[0] for one, other in pairs)


# ---------------------------------------------------------------------------------------------------- pruning

STEPS = 40
BASES = (1.0, 3.0, 2.0, 1.5, 2.5, 1.2, 4.0, 2.2, 0.5, 3.5, 1.1, 2.7)
"""Of as many jobs, lower is better; the ninth is the best."""


def prune(path: Path, pruner: str | None, bases: list[float]) -> list[int]:
    """Run jobs one after the other, `BASES` by one worker and others by another; return how many steps each did."""
    dimension = Dimension("seed", tuple(str(number) for number in range(len(bases))))
    sweep = make(path, [dimension], [])
    plan = replace(sweep.read_plan(), pruner=pruner)
    reported: dict[str, dict[int, float]] = {}
    studies = [Study(sweep, plan, lambda directory: reported.get(directory.name, {})) for _ in range(2)]
    for number, base in enumerate(bases):
        trial = Trial(number, grid_overrides([dimension], number), "running", directory=str(number))
        sweep.write_trial(trial)
        mine, state = reported.setdefault(str(number), {}), "finished"
        for step in range(1, STEPS + 1):
            pruned, marks = studies[number >= len(BASES)].give_up(trial, step, value := base * (1 + 1 / step), STEPS)
            mine[step] = value
            if marks != trial.marks:
                trial = replace(trial, marks=marks)
                sweep.write_trial(trial)
            if pruned:
                state = "pruned"
                break
        objective = min(mine.values()) if state == "finished" else None
        sweep.write_trial(replace(trial, state=state, objective=objective))
    return [len(mine) for mine in reported.values()]


@pytest.mark.parametrize("pruner", ["median", "successive_halving", "hyperband"])
def test_a_pruner_gives_up_what_is_clearly_worse_and_never_the_best(pruner: str, tmp_path: Path) -> None:
    lengths = prune(tmp_path / "sweep", pruner, [*BASES, *[100.0] * 6])
    assert lengths[8] == STEPS, "the best was given up"
    assert lengths[0] == STEPS, "nothing was there to be worse than"
    bad = lengths[len(BASES) :]
    assert min(bad) < STEPS / 2
    if pruner != "hyperband":  # some of whose brackets give up nothing
        assert max(bad) < STEPS


def test_no_pruner_gives_up_nothing(tmp_path: Path) -> None:
    assert set(prune(tmp_path / "sweep", None, [*BASES, 1e9])) == {STEPS}


# ---------------------------------------------------------------------------------------------------- workers


@pytest.mark.parametrize(("idle", "given_up"), [((2, 2, 2), False), ((2, 3), True)])
def test_workers_are_given_up_after_three_idle_starts_in_a_row(
    idle: tuple[int, ...],
    given_up: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    left = [[(number, 0)] * (len(idle) - turn) for turn, number in enumerate(idle) for _ in range(number + 1)]
    looks = iter([*left, []])
    monkeypatch.setattr(sweeper, "_left", lambda *_: next(looks))
    monkeypatch.setattr(sweeper, "_launch_once", lambda *_: [])
    monkeypatch.setattr(sweeper, "SECONDS_TO_WAIT", 0.0)
    caplog.set_level("ERROR")
    given: Any = None
    assert (
        sweeper._launch(cast("Any", SimpleNamespace(directory=given)), cast("Any", SimpleNamespace(plan=given)), given)
        == []
    )
    assert ("workers end before they get anywhere" in caplog.text) == given_up


def test_an_error_within_our_own_task_makes_it_no_other_applications() -> None:
    class Task:
        @property
        def in_sweeps(self) -> None:
            raise AttributeError("a package lacks something")

    config = OmegaConf.create({"hydra": {"sweep": {"dir": "sweep"}}})
    with pytest.raises(AttributeError, match="lacks"):
        WavesweepSweeper().setup(hydra_context=cast("Any", None), task_function=cast("Any", Task()), config=config)


# ---------------------------------------------------------------------------------------------------- the command

DRY = ("hydra.sweeper.dry_run=true",)


def listed(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """Return the jobs that a dry run lists."""
    assert done.returncode == 0, done.stderr
    *jobs, last = done.stdout.splitlines()
    assert last == f"{len(jobs)} jobs; nothing was run"
    return [line.split(maxsplit=1)[1] for line in jobs]


def test_parameters_of_the_sweeper_come_before_the_command_line_which_counts(
    wavesweep: Command, own: Path, tmp_path: Path
) -> None:
    typed = wavesweep("-m", "+hydra.sweeper.params={seed:'0,1',model:linear}", "training.epochs=1,2", *DRY)
    assert listed(typed) == [f"seed={n} model=linear training.epochs={m}" for n in (0, 1) for m in (1, 2)]
    chosen = wavesweep("-m", "--config-dir", str(own), "experiment=swept", "model.order=4", *DRY)
    assert listed(chosen) == [f"seed={n} model.order=4 experiment=swept" for n in (0, 1)]
    assert not (tmp_path / "outputs").exists()


def test_an_experiment_may_choose_the_launcher(wavesweep: Command, own: Path, tmp_path: Path) -> None:
    done = wavesweep(
        "-m", "--config-dir", str(own), *SMALL, "experiment=swept", "model.order=4", "seed=3", "hydra.sweep.dir=sweep"
    )
    assert done.returncode == 0, done.stderr
    sweep = SweepDirectory(tmp_path / "sweep")
    plan = sweep.read_plan()
    assert [trial.state for trial in sweep.read_trials(plan)] == ["finished"]
    assert "hydra/launcher=basic" in plan.launcher
    assert plan.configs["experiment=swept"]["choices"]["hydra/launcher"] == "basic"


def test_a_pruned_run_is_marked_so_everywhere_and_is_no_failure(wavesweep: Command, tmp_path: Path) -> None:
    jobs = ("model=tiny", "training.epochs=1,6", "optimizer=adam", "optimizer.lr=1e-2,1e-6,1e-7,1e-8")
    how = ("hydra.sweeper.pruner=successive_halving", "hydra/launcher=basic", "hydra.sweep.dir=sweep")
    done = wavesweep("-m", *SMALL, *jobs, "training.refine_epochs=0", *how)
    assert done.returncode == 0, done.stderr
    sweep = SweepDirectory(tmp_path / "sweep")
    trials = sweep.read_trials(sweep.read_plan())
    assert {trial.state for trial in trials[:4]} == {"finished"}, "what was done was given up"
    pruned = [trial for trial in trials if trial.state == "pruned"]
    assert pruned
    ranks = {row["trials"]: row["rank"] for row in rows(sweep.path)}
    assert not any(ranks[str(trial.number)] for trial in pruned)
    [(_, runs)] = families(tmp_path / "outputs" / "mlflow.db")
    found = {run.data.tags["wavesweep.run_key"]: (run.info.status, run.data.tags["wavesweep.status"]) for run in runs}
    assert len(found) == 8
    for trial in pruned:
        run = RunDirectory(sweep.path / trial.directory)
        assert found[run.read_info().run_key] == ("KILLED", "pruned")
        assert 2 <= len(run.read_objectives()) < 6
        assert "Traceback" not in (run.path / "wavesweep.log").read_text()


@pytest.mark.slow
def test_all_launchers_give_one_leaderboard(wavesweep: Command, tmp_path: Path) -> None:
    found = {}
    for launcher in ("wavesweep", "basic", "joblib", "submitit_local"):
        jobs = (
            *SMALL,
            "model=tiny,linear",
            "seed=range(3)",
            f"hydra/launcher={launcher}",
            f"hydra.sweep.dir={launcher}",
        )
        done = wavesweep(
            "-m", *jobs, "hydra.sweeper.n_workers=2", OMP_NUM_THREADS=os.environ.get("OMP_NUM_THREADS", "1")
        )
        assert done.returncode == 0, f"{launcher}: {done.stderr}"
        found[launcher] = rows(tmp_path / launcher)
    assert found["wavesweep"] == found["basic"] == found["joblib"] == found["submitit_local"]
