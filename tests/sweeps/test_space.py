"""The dimensions of a sweep: Hydra's grammar, lists, intervals, and the order of a grid."""

import random

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.search.space import Dimension, Interval, grid_jobs
from hydra_queue_sweeper.sweeps.dimensions import parse_dimensions
from tests.support.hydra_internals import BasicSweeper, ConfigLoaderImpl
from tests.support.options import POOL


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
    assert [*grid_jobs(dimensions)] == expected


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
        ("dataset=glob(*s*)", "dataset", ["cos_sin_squared", "csv", "linear_noise", "sine"]),
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


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (("1e-4", "1e-3", "1e-2"), "log"),
        (("0.001", "0.01"), "values"),
        (("0", "100"), "values"),
        (("tiny", "small"), "values"),
        (("1", "[1,100]"), "values"),
    ],
)
def test_a_list_over_decades_is_drawn_along_a_logarithmic_axis(values: tuple[str, ...], kind: str) -> None:
    assert Dimension("optimizer.lr", values).kind == kind
    assert Dimension("seed", values).kind == "values"


@pytest.mark.parametrize(("log", "kind"), [(True, "log"), (False, "interval")])
def test_an_interval_is_drawn_along_its_axis(log: bool, kind: str) -> None:
    assert Dimension("optimizer.lr", interval=Interval(0.1, 0.2, integer=False, log=log)).kind == kind
