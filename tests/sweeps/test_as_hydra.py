"""What strangers' programs rely on is as with Hydra's own sweeper: each program here has what one of them has."""

import csv
import io
import re
import runpy
import subprocess
import sys
import textwrap
from pathlib import Path

import optuna
import pytest
import yaml
from optuna.storages.journal import JournalFileBackend

from hydra_queue_sweeper.cli.export import export
from hydra_queue_sweeper.cli.plots import plot
from hydra_queue_sweeper.leaderboard.columns import to_csv
from hydra_queue_sweeper.leaderboard.ranking import rank
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from tests.support.commands import Done, environment
from tests.support.commands import call as called
from tests.support.programs import for_this_hydra
from tests.support.sweeping import states, trials
from wavesweep.base.streams import guard_streams

QUEUE = ("hydra/sweeper=queue", "hydra/launcher=processes", "hydra.sweeper.n_workers=1", "hydra.sweep.dir=sweep")
HERE = ("hydra/sweeper=queue", "hydra/launcher=basic", "hydra.sweep.dir=sweep")
BASIC = ("hydra/sweeper=basic", "hydra/launcher=basic", "hydra.sweep.dir=sweep")
SLOW = pytest.mark.slow
BOTH = pytest.mark.parametrize("sweeper", [QUEUE, pytest.param(BASIC, marks=SLOW)], ids=["queue", "basic"])
SAID = re.compile(r"^JOB (.*)$", re.MULTILINE)

TYPED = """
    import hydra
    from dataclasses import dataclass, field
    from enum import Enum
    from pathlib import Path
    from hydra.core.config_store import ConfigStore
    from hydra_queue_sweeper.base.hydra_releases import register_resolver
    from omegaconf import MISSING, OmegaConf

    class Colour(Enum):
        RED = 1
        BLUE = 2

    @dataclass
    class Database:
        name: str
        port: float = 3

    @dataclass
    class Kind:
        needed: Path

    @dataclass
    class One(Kind):
        one: int = 1

    @dataclass
    class Two(Kind):
        two: int = 2

    @dataclass
    class Config:
        defaults: list = field(default_factory=lambda: ["_self_", {"kind": "one"}])
        kind: Kind = MISSING
        database: Database = field(default_factory=lambda: Database(MISSING))
        colour: Colour = Colour.RED
        where: Path = Path("/a/b")
        x: int = 1
        key: str = "${oc.env:SECRET}"
        twice: int = "${mul:${x},2}"

    register_resolver("mul", lambda one, other: one * other)
    store = ConfigStore.instance()
    store.store("config", Config)
    store.store("one", One, group="kind")
    store.store("two", Two, group="kind")

    @hydra.main(version_base="1.3", config_path=None, config_name="config")
    def job(config):
        made = OmegaConf.to_object(config)
        assert isinstance(made, Config), made
        assert isinstance(made.database, Database), made
        assert (made.kind.needed, made.database.name) == (Path("a"), "b")
        assert isinstance(made.kind, (One, Two))
        told = made.database.port, type(made.kind).__name__, made.colour, type(made.where).__name__
        print("JOB", *told, made.x, made.key, made.twice)

    if __name__ == "__main__":
        job()
"""

OF_OPTIONS = """
    import logging, os, sys
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.experimental.callback import Callback

    class Count(Callback):
        def on_job_start(self, config, **_):
            with open(config.count, "a") as file:
                file.write(f"start {config.hydra.job.num}\\n")

        def on_job_end(self, config, job_return, **_):
            with open(config.count, "a") as file:
                file.write(f"end {config.hydra.job.num} {job_return.status.name}\\n")

    @hydra.main(version_base="1.3", config_path="conf", config_name="config")
    def job(config):
        logging.getLogger("job").info("a line of %s", config.x)
        own = HydraConfig.get()
        variables = sorted(name for name in os.environ if name.startswith("OF_"))
        print("JOB", config.name, config.x, os.path.basename(os.getcwd()), variables, own.job.num, own.job.id,
              own.job.override_dirname, dict(own.runtime.choices)["option"], own.overrides.task)
        return config.x

    if __name__ == "__main__":
        job()
"""
CONF = {
    "config.yaml": """
        defaults: [{option: "???"}, _self_]
        x: 1
        count: ???
        hydra: {callbacks: {count: {_target_: __main__.Count}}}
    """,
    "option/a.yaml": """
        # @package _global_
        name: a
        hydra: {job: {chdir: true, env_set: {OF_A: "1"}}}
    """,
    "option/b.yaml": """
        # @package _global_
        name: b
        hydra: {job: {chdir: false, env_set: {OF_B: "1"}}}
    """,
}

OBJECTIVE = """
    import hydra

    def clash(config, trial):
        trial.suggest_int("+x", 1, 2)

    def seeds(config, trial):
        trial.suggest_int("+seed", 1, 2)

    def late(config, trial):
        assert trial.number < 1, "no more"

    @hydra.main(version_base="1.3", config_path=None)
    def job(config):
        value = (config.x - 3) ** 2
        kinds = {"number": value, "dict": {"loss": value, "other": 1}, "none": None, "list": [value]}
        return kinds[config.get("as", "number")]

    if __name__ == "__main__":
        job()
"""


def program(place: Path, text: str, conf: dict[str, str] | None = None) -> Path:
    """Write a program, and its options."""
    place.mkdir(exist_ok=True)
    (place / "program.py").write_text(for_this_hydra(textwrap.dedent(text)))
    for name, content in (conf or {}).items():
        path = place / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content).lstrip())
    return place


def call(place: Path, *arguments: str, code: int = 0) -> Done:
    """Call the program in its folder: it runs in this process, as its jobs do if their launcher is Hydra's own."""

    def main() -> None:
        guard_streams()
        sys.modules.pop("program", None)  # that of another test
        runpy.run_path("program.py", run_name="__main__")
        sys.exit(0)

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(place)
        done = called("-m", *arguments, cwd=place, program=main)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Warning" not in done.stderr
    return done


def run(place: Path, *arguments: str, code: int = 0, **variables: str) -> Done:
    """Run the program in its folder, as a process whose jobs run in others."""
    command = [sys.executable, "program.py", "-m", *arguments]
    done = subprocess.run(command, cwd=place, env=environment(**variables), capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Warning" not in done.stderr
    return done


@BOTH
def test_types_references_and_resolvers_reach_the_job_and_no_secret_a_file(
    sweeper: tuple[str, ...], tmp_path: Path
) -> None:
    place = program(tmp_path / "place", TYPED)
    swept = (
        "kind.needed=a",
        "database.name=b",
        "x=1,2",
        "kind=one,two",
        "colour=RED,BLUE",
        "database.port=5",
        'twice="${mul:${x},3}"',
    )
    done = run(place, *sweeper, *swept, SECRET="a8f3secret")  # noqa: S106
    colours = ("Colour.RED", "Colour.BLUE")
    chosen = [(x, kind, colour) for x in (1, 2) for kind in ("One", "Two") for colour in colours]
    expected = [f"5.0 {kind} {colour} PosixPath {x} a8f3secret {3 * x}" for x, kind, colour in chosen]
    assert SAID.findall(done.stdout) == expected
    written = [path for path in (place / "sweep").rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if b"a8f3secret" in path.read_bytes()]


@BOTH
def test_what_options_ask_for_their_job_does_not_reach_the_next(sweeper: tuple[str, ...], tmp_path: Path) -> None:
    """Nor does a worker call the callbacks of jobs."""
    place = program(tmp_path / "place", OF_OPTIONS, CONF)
    count = place / "count"
    swept = ("option=a,b", "x=1,2", f"count={count}", "hydra.sweep.subdir=${oc.env:NAME}_${hydra.job.num}")
    done = run(place, *sweeper, *swept, NAME="of")
    said = SAID.findall(done.stdout)
    task = [[f"option={name}", f"x={x}", f"count={count}"] for name in "ab" for x in (1, 2)]
    where = ["of_0", "of_1", "place", "place"]
    for number, (name, x) in enumerate((name, x) for name in "ab" for x in (1, 2)):
        dirname = ",".join(sorted(task[number]))
        own = f"['OF_{name.upper()}'] {number} {number} {dirname} {name} {task[number]}"
        assert said[number] == f"{name} {x} {where[number]} {own}"
    lines = [f"{what} {number}{end}" for number in range(4) for what, end in (("start", ""), ("end", " COMPLETED"))]
    assert count.read_text().splitlines() == lines
    assert (done.stdout + done.stderr).count("a line of ") == 4, "jobs are heard on the console"
    assert sorted(path.name for path in (place / "sweep").glob("of_*")) == ["of_0", "of_1", "of_2", "of_3"]


@pytest.mark.parametrize("launcher", ["processes", pytest.param("basic", marks=SLOW)])
def test_workers_are_not_announced_and_libraries_not_verbose(launcher: str, tmp_path: Path) -> None:
    place = program(tmp_path / "place", OBJECTIVE)
    done = run(place, *QUEUE[:1], f"hydra/launcher={launcher}", *QUEUE[2:], "+x=1,2", "hydra.verbose=true")
    assert not re.search("filelock|acquire|#0|Launching", done.stdout + done.stderr)


def test_nothing_of_the_working_directory_is_imported_by_workers(tmp_path: Path) -> None:
    """What lies there may bear the name of a module."""
    place = program(tmp_path / "place", OBJECTIVE)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("warnings", "signal", "threading", "hydra", "pickle", "cloudpickle"):
        (elsewhere / f"{name}.py").write_text(f"open({str(tmp_path / 'struck')!r}, 'w')\nraise SystemExit(9)\n")
    command = [sys.executable, str(place / "program.py"), "-m", *QUEUE, "+x=1,2"]
    done = subprocess.run(command, cwd=elsewhere, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "struck").exists()


WHAT_JOBS_DO = {
    "a pool of its own functions": """
        import multiprocessing
        with multiprocessing.Pool(2) as pool:
            return sum(pool.map(twice, [1, config.x]))
    """,
    "a process with a function that lives there": """
        import multiprocessing
        process = multiprocessing.Process(target=lambda: None)
        process.start()
        process.join()
        assert process.exitcode == 0
        return config.x
    """,
    "a pool that is left open": """
        from joblib import Parallel, delayed
        return sum(Parallel(2)(delayed(twice)(one) for one in (1, config.x)))
    """,
    "a child that it ends": """
        import multiprocessing, time
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        child.start()
        child.terminate()
        child.join(10)
        assert child.exitcode == -15, child.exitcode
        return config.x
    """,
    "a pickle of its own class": """
        import pickle
        kept = pickle.loads(pickle.dumps(Kept(config.x)))
        assert isinstance(kept, Kept) and isinstance(instantiate({"_target_": "__main__.Kept", "x": 1}), Kept)
        return kept.x
    """,
    "a structured configuration": """
        return OmegaConf.merge(OmegaConf.structured(Kept), {"x": config.x}).x
    """,
    "a start method": """
        import multiprocessing
        if multiprocessing.get_start_method(allow_none=True) is None:
            multiprocessing.set_start_method("spawn")
        return config.x
    """,
    "an exit without an error": """
        import sys
        sys.exit(0)
    """,
    "an array": """
        import numpy
        return numpy.ones(3)
    """,
    "a link": """
        import os
        from hydra.core.hydra_config import HydraConfig
        os.symlink("nowhere", HydraConfig.get().runtime.output_dir + "/latest")
        return config.x
    """,
}
DOING = """
    import hydra
    from dataclasses import dataclass, field
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    @dataclass
    class Kept:
        x: int
        more: list[int] = field(default_factory=list)

    def twice(number):
        return 2 * number

    @hydra.main(version_base="1.3", config_path=None)
    def job(config):
        BODY

    if __name__ == "__main__":
        job()
"""


@pytest.mark.parametrize(
    "what", [*list(WHAT_JOBS_DO)[:1], *(pytest.param(one, marks=SLOW) for one in [*WHAT_JOBS_DO][1:])]
)
def test_a_job_may_do_what_it_does_under_hydra_s_own_sweeper(what: str, tmp_path: Path) -> None:
    body = textwrap.indent(textwrap.dedent(WHAT_JOBS_DO[what]).strip(), " " * 8).strip()
    place = program(tmp_path / "place", DOING.replace("BODY", body))
    run(place, *QUEUE, "+x=2,3", "hydra.job.env_copy=[HOME]")
    assert states(place / "sweep") == ["finished"] * 2
    run(place, *QUEUE, "+x=2,3,4", "hydra.sweeper.resume=true")
    assert states(place / "sweep") == ["finished"] * 3


@SLOW
def test_a_job_that_fails_leaves_its_traceback_in_its_log(tmp_path: Path) -> None:
    place = program(tmp_path / "place", DOING.replace("BODY", "raise ValueError('bad')"))
    done = run(place, *QUEUE, "+x=2", code=1)
    assert "job 0 failed" in done.stdout
    log = (place / "sweep" / "0" / "program.log").read_text()
    assert "Traceback" in log
    assert "ValueError: bad" in log


# ------------------------------------------------------------------------------------------------ refusals, going on


def test_a_refusal_leaves_nothing_and_the_mended_command_runs(tmp_path: Path) -> None:
    place = program(tmp_path / "place", OF_OPTIONS, CONF)
    for wrong in (["option=a", "y=1"], ["option=a,c"]):
        call(place, *HERE, "count=/dev/null", *wrong, code=1)
        assert not (place / "sweep").exists()
    call(place, *HERE, "count=/dev/null", "option=a")


def test_the_same_command_says_how_the_sweep_goes_on(tmp_path: Path) -> None:
    place = program(tmp_path / "place", OBJECTIVE)
    call(place, *HERE, "+x=1,2", "hydra.sweeper.timeout=0")
    assert states(place / "sweep") == ["waiting"] * 2
    refused = call(place, *HERE, "+x=1,2", code=1)
    assert "hydra.sweeper.resume=true goes on with it, or choose another hydra.sweep.dir" in refused.stderr
    done = call(place, *HERE, "+x=1,2", "hydra.sweeper.resume=true")
    assert "best: 1 by job 1: +x=2, in sweep/1" in done.stdout
    old = call(place, *HERE, "+x=1,2", "hydra.sweeper.resume=exactly", code=1)
    assert "hydra.sweeper.resume must be true, or force, got exactly" in old.stderr


@SLOW
def test_options_that_were_edited_are_refused_unless_that_is_forced(tmp_path: Path) -> None:
    place = program(tmp_path / "place", OF_OPTIONS, CONF)
    line = (*QUEUE, "count=/dev/null", "option=b", "x=1,2")
    run(place, *line, "hydra.sweeper.timeout=0")
    path = place / "conf" / "option" / "b.yaml"
    path.write_text(path.read_text().replace("name: b", "name: c"))
    refused = run(place, *line, "hydra.sweeper.resume=true", code=1)
    assert "was begun otherwise: 1 option changed, as name; undo that" in refused.stderr
    done = run(place, *line, "hydra.sweeper.resume=force")
    assert [said.split()[0] for said in SAID.findall(done.stdout)] == ["c", "c"]
    assert run(place, *line, "hydra.sweeper.resume=true").returncode == 0, "from then on, that is what it is"


# ------------------------------------------------------------------------------------------------ Optuna's words


def test_what_a_user_of_the_optuna_sweeper_writes_works(tmp_path: Path) -> None:
    """As lightning-hydra-template has it, less the class of the sweeper."""
    conf = {
        "config.yaml": """
            defaults: [{override hydra/sweeper: queue}, {override hydra/launcher: processes}, _self_]
            x: 0
            y: 1
            as: number
            hydra:
              mode: MULTIRUN
              sweep: {dir: sweep}
              sweeper:
                storage: sqlite:///study.db
                study_name: mine
                n_jobs: 1
                direction: maximize
                n_trials: 6
                sampler: {_target_: optuna.samplers.TPESampler, seed: 1234, n_startup_trials: 3}
                params:
                  x: interval(0.0, 10.0)
                  y: choice(1, 2, 3)
        """
    }
    text = OBJECTIVE.replace("config_path=None", 'config_path="conf", config_name="config"')
    place = program(tmp_path / "place", text, conf)
    done = run(place)
    assert states(place / "sweep") == ["finished"] * 6
    returned = [-trial.objective for trial in trials(place / "sweep") if trial.objective is not None]
    assert f"best: {max(returned):.6g} by job {returned.index(max(returned))}: " in done.stdout
    assert "hydra.sweeper.storage=sqlite:///study.db has no effect" in done.stdout
    assert "hydra.sweeper.study_name=mine has no effect" in done.stdout
    results = yaml.safe_load((place / "sweep" / "optimization_results.yaml").read_text())
    assert results["name"] == "optuna"
    assert results["best_value"] == max(returned)
    assert results["best_params"].keys() == {"x", "y"}
    best = results["best_params"]
    assert (best["x"] - 3) ** 2 == pytest.approx(max(returned))

    again = program(tmp_path / "again", text, conf)
    call(again, "hydra/launcher=basic", "hydra/sweeper/sampler=tpe")
    assert [one.overrides for one in trials(again / "sweep")] == [one.overrides for one in trials(place / "sweep")]


@SLOW
def test_lists_may_be_sampled_each_configuration_once(tmp_path: Path) -> None:
    place = program(tmp_path / "place", OBJECTIVE)
    run(place, *QUEUE, "+x=range(8)", "+y=1,2", "hydra.sweeper.n_trials=15", "hydra/sweeper/sampler=random")
    found = [tuple(trial.overrides) for trial in trials(place / "sweep")]
    assert len(found) == len(set(found)) == 15
    assert found[:8] != [(f"+x={x}", f"+y={y}") for x in range(4) for y in (1, 2)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("+as=dict", "hydra.sweeper.objective=loss"), "best: 0 by job 1: +x=3 +as=dict"),
        (("+as=none",), "none is the best: jobs return no number"),
        (("+as=list",), "none is the best: jobs return no number"),
        (("hydra.sweeper.direction=maximize", "hydra.sweeper.target=4"), "best: 4 by job 0: +x=1, in sweep/0"),
    ],
)
def test_what_jobs_return(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    place = program(tmp_path / "place", OBJECTIVE)
    done = call(place, *HERE, "+x=1,3", *arguments)
    assert said in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("+as=none", "+x=interval(1,3)"), "the job must return a number, which the sweep goes by, got None"),
        (("+as=dict", "+x=1,2", "hydra.sweeper.pruner=median"), "got a dict with loss, other"),
        (("+as=dict", "+x=1,2", "hydra.sweeper.objective=gain"), "a dict with gain, which hydra.sweeper.objective"),
        (("+x=1,2", "hydra.sweeper.direction=[minimize,maximize]"), "direction must be one, got 2"),
        (("+x=1,2", "hydra.sweeper.direction=up"), "direction must be minimize or maximize, got up"),
        (("+x=1,2", "hydra.sweeper.sampler=tpo"), "sampler=tpo is not there; did you mean tpe?"),
        (("+x=1,2", "+hydra.sweeper.sampler.n_startups=3"), "no setting of tpe; did you mean n_startup_trials?"),
    ],
)
def test_what_can_t_be_gone_by_is_said(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    place = program(tmp_path / "place", OBJECTIVE)
    assert said in call(place, *HERE, *arguments, "hydra.sweeper.n_trials=2", code=1).stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("absent", "must name a function"),
        ("clash", "fails: ValueError: +x is swept already; mend it"),
        (
            "seeds",
            "fails: ValueError: each configuration runs on all seeds, so they are listed",
        ),
        ("late", "fails: AssertionError: no more; mend it"),
    ],
)
def test_a_search_space_that_fails_is_told_in_a_line(name: str, said: str, tmp_path: Path) -> None:
    place = program(tmp_path / "place", OBJECTIVE)
    space = f"hydra.sweeper.custom_search_space=program.{name}"
    done = call(place, *HERE, "+x=1,2", space, "hydra.sweeper.n_trials=2", code=1)
    assert f"{space} {said}" in done.stderr
    assert "Traceback" not in done.stderr


SPACE_OF_ITS_OWN = """
    import hydra

    def configure(config, trial):
        assert config.bound == 8
        assert trial.params["+flag"] in (True, False)
        kind = trial.suggest_categorical("+kind", ["plain", "of several words", None])
        assert kind == trial.suggest_categorical("+kind", ["plain", "of several words", None])
        if trial.params["+flag"]:
            trial.suggest_int("+units", 2, config.bound, step=2)
        else:
            trial.suggest_float("+rate", 1e-4, 1e-1, log=True)

    @hydra.main(version_base="1.3", config_path="conf", config_name="config")
    def main(config):
        assert ("units" in config) == config.flag
        assert ("rate" in config) != config.flag
        assert config.kind in ("plain", "of several words", None)
        return config.units if config.flag else config.rate

    if __name__ == "__main__":
        main()
"""


def test_a_program_adds_dimensions_that_depend_on_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As with Optuna's own plugin: the function is named in the options, and gets configuration and trial."""
    options = """
        bound: 8
        defaults: [_self_, override hydra/sweeper: queue, override hydra/launcher: processes]
        hydra: {sweep: {dir: sweep}, sweeper: {custom_search_space: program.configure, n_workers: 1}}
    """
    place = program(tmp_path / "place", SPACE_OF_ITS_OWN, {"config.yaml": options})
    swept = ("+flag=true,false", "+seed=1,2")
    run(place, *swept, "hydra.sweeper.n_trials=4")
    run(place, "hydra.sweeper.n_trials=6", "hydra.sweeper.resume=true")
    grown = trials(place / "sweep")
    assert [trial.state for trial in grown] == ["finished"] * 12
    for first, second in zip(grown[::2], grown[1::2], strict=True):
        assert first.configuration == second.configuration, "replicates share what was added"
    once = program(tmp_path / "once", SPACE_OF_ITS_OWN, {"config.yaml": options})
    call(once, "hydra/launcher=basic", *swept, "hydra.sweeper.n_trials=6")
    assert [trial.overrides for trial in trials(once / "sweep")] == [trial.overrides for trial in grown]

    board = rank(SweepDirectory(place / "sweep"))
    rows = [*csv.DictReader(io.StringIO(to_csv(board)))]
    assert {row["flag"].lower(): (bool(row["units"]), bool(row["rate"])) for row in rows} == {
        "true": (True, False),
        "false": (False, True),
    }
    assert {row["units"] for row in rows} <= {"", "2", "4", "6", "8"}
    assert {row["kind"] for row in rows} <= {"plain", "'of several words'", "null"}
    results = yaml.safe_load((place / "sweep" / "optimization_results.yaml").read_text())
    assert results["best_params"].keys() == {"flag", "kind", "rate"}
    assert export(SweepDirectory(place / "sweep"), str(tmp_path / "study.log"), "mine") == 12
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(tmp_path / "study.log")))
    study = optuna.load_study(study_name="mine", storage=storage)
    assert {len(trial.params) for trial in study.trials} == {3}
    plot(SweepDirectory(place / "sweep"))
    [line] = [line for line in capsys.readouterr().out.splitlines() if "left out" in line]
    assert set(line.partition(": ")[2].split(", ")) == {"units", "rate"}

    changed = "hydra.sweeper.custom_search_space=null"
    said = call(place, "hydra/launcher=basic", changed, "hydra.sweeper.resume=true", code=1).stderr
    assert "custom_search_space must stay program.configure, got null" in said


def test_failures_beyond_a_share_end_the_sweep(tmp_path: Path) -> None:
    place = program(tmp_path / "place", OBJECTIVE.replace("value = ", "assert config.x > 4\n        value = "))
    done = call(place, *HERE, "+x=range(10)", "hydra.sweeper.max_failure_rate=0.2", code=1)
    assert states(place / "sweep") == ["failed"] * 3 + ["waiting"] * 7
    assert "7 of 10 jobs are left, since too many have failed" in done.stdout
    call(place, *HERE, "+x=range(10)", "hydra.sweeper.max_failure_rate=1", "hydra.sweeper.resume=true", code=1)
    assert states(place / "sweep") == ["failed"] * 5 + ["finished"] * 5
