"""What isn't ours is not touched, what was typed is not ignored in silence: it is refused, and nothing written."""

from pathlib import Path

import pytest

from tests.cli.test_refusals import EACH_FIFTH, Case, check, check_imports, content
from tests.support.commands import SMALL, Command, call

HOME = (
    ("config.yaml", "mine: 1\n"),
    ("configs/0.yaml", "mine: 2\n"),
    ("leaderboard.csv", "mine\n"),
    ("thesis.part", "chapter"),
    ("results/notes.txt", "notes"),
    ("run.json", "{}"),
    ("empty/", ""),
)
"""What a user's directory may hold."""
RUN, SWEEP = (("outputs/runs/mine/run.json", "{}"),), (("outputs/sweeps/mine/parent.json", "{}"),)
LSTM = "kind: lstm\nhidden_sizes: [5]\n"
OWN = (("own/model/small.yaml", LSTM),)
ODD = (("own/experiment/odd.yaml", "# @package _global_\n5: 6\n"),)
ABOVE = "can't be a run's or sweep's own directory: all others lie below it; name a new one"
TAKEN = "must be new or empty, got {} files or folders, as {}; name another"
INSIDE = "must name a place within the run's own directory"
SAME = "own/{} has the name of a file of this package, which would be taken; rename it"
SMALLER = SAME.format("model/small.yaml")
LONG = "a" * 241
ALONE = "is for a sweep; add -m, or leave it out"
COMMANDS = "diff, draw, forecast, reproduce, resume, summary, sync, ui, work"

PLACES = [
    *(
        Case(f"hydra.run.dir={place}", f"{place} {said}", HOME)
        for place, said in (
            (".", ABOVE),
            ("outputs", ABOVE),
            ("outputs/runs", ABOVE),
            ("outputs/sweeps", ABOVE),
            ("outputs/mlartifacts", ABOVE),
            ("configs", TAKEN.format(1, "0.yaml")),
            ("results", TAKEN.format(1, "notes.txt")),
        )
    ),
    *(  # what looks at it is no callback of the configuration, which could be taken away
        Case(f"{mode} {spelling} hydra.{key}.dir=results", f"results {TAKEN.format(1, 'notes.txt')}", HOME)
        for mode, key in (("", "run"), ("-m hydra/sweeper=basic", "sweep"))
        for spelling in ("+hydra.callbacks.guard=null", "+hydra={callbacks:{guard:null}}")
    ),
    *(
        Case(f"-m {sweeper} hydra.sweep.dir={place}", f"{place} {said}", HOME)
        for sweeper in ("hydra/sweeper=queue", "hydra/sweeper=basic")
        for place, said in ((".", ABOVE), ("outputs/sweeps", ABOVE), ("results", TAKEN.format(1, "notes.txt")))
    ),
    *(
        Case(f"{typed}={around}/x", f"{around}/x must not lie within another run, sweep or MLflow's files "
             f"(PLACE/{around}); name another", files)
        for typed, around, files in (
            ("hydra.run.dir", "outputs/runs/mine", RUN),
            ("hydra.run.dir", "outputs/sweeps/mine", SWEEP),
            ("hydra.run.dir", "outputs/mlartifacts", ()),
            ("-m hydra.sweep.dir", "outputs/runs/mine", RUN),
            ("-m hydra.sweep.dir", "outputs/sweeps/mine", SWEEP),
        )
    ),
    *(
        Case(f"{typed}=here", f"here {TAKEN.format(number, name)}",
             (("here/.lock", lock), ("here/wavesweep.log", "mine")))
        for typed in ("hydra.run.dir", "-m seed=0,1 hydra.sweep.dir")
        for lock, number, name in (("mine", 2, ".lock"), ("", 1, "wavesweep.log"))
    ),
    *(
        Case(f"{typed}={LONG}", f"{LONG[:57]}... must have names of at most 240 bytes, got one of 241; "
             "name a shorter one")
        for typed in ("hydra.run.dir", "-m seed=0,1 hydra.sweep.dir", "-m hydra/sweeper=basic hydra.sweep.dir",
                      "hydra.job.name", "hydra.output_subdir")
    ),
    *(
        Case(f"{typed}={name}", f"{key} {INSIDE}, got {name}; leave it out", HOME)
        for typed, key in (
            ("hydra.output_subdir", "hydra.output_subdir"),
            ("hydra.job.name", "hydra.job.name"),
            ("-m hydra/sweeper=basic hydra.sweep.subdir", "hydra.sweep.subdir"),
        )
        for name in ("../results", "/results")
    ),
]  # fmt: skip

IGNORED = [
    *(Case(f"--config-dir own {typed}", SMALLER, OWN) for typed in ("model=small", "-m model=small,tiny", "--cfg job")),
    Case("hydra.searchpath=[file://PLACE/own]", f"PLACE/{SMALLER}", OWN),
    Case("-m hydra.searchpath=[file://PLACE/own] seed=0,1", f"PLACE/{SMALLER}", OWN),
    Case("--cfg job hydra.searchpath=[file://PLACE/none]",
         "hydra.searchpath must name directories, got PLACE/none, which is not there; leave it out"),
    Case("--config-dir own experiment=odd", "5 must be text, as all keys are; leave it out", ODD),
    Case("-m --config-dir own experiment=odd seed=0,1", "5 must be text, as all keys are; leave it out", ODD),
    *(
        Case(text, f"{text} {ALONE}")
        for text in ("hydra.sweeper.n_trials=3", "hydra.sweeper={n_trials:3}",
                     "hydra.sweep.dir=x", "hydra/launcher=basic", "hydra/sweeper=basic",
                     "hydra.launcher.n_jobs=2")
    ),
    Case("--config-dir own model=small", SAME.format("model/small.yml"), (("own/model/small.yml", LSTM),)),
    Case("--config-dir own experiment=odd",
         "an option of experiment must begin with the line # @package _global_; add it",
         (("own/experiment/odd.yaml", "seed: 5\n"),)),
    Case("--config-dir own experiment=odd",
         "Incompatible key type 'NoneType'",
         (("own/experiment/odd.yaml", "# @package _global_\nnull: 3\n"),)),
    Case("hydra.mode=RUN hydra.sweeper.n_trials=3", f"hydra.sweeper.n_trials=3 {ALONE}"),
    Case("--config-dir own --config-name config", SAME.format("config.yaml"), (("own/config.yaml", "seed: 7"),)),
    Case("-m hydra.run.dir=x", "hydra.run.dir=x is for a single run; hydra.sweep.dir names the directory of a sweep"),
    Case("-m model=smal,tiny", "model=smal is not an option; did you mean small?"),
    Case("finish", f"finish is neither KEY=VALUE nor a command; choose from {COMMANDS}"),
    Case("resum latest", "resum is neither KEY=VALUE nor a command; did you mean resume?"),
    Case("--config-path nothing",
         "--config-path=nothing is not there; --config-dir adds a folder of options"),
    *(
        Case(f"--cfg {what} --package nothere",
             f"--package must be a key of the configuration, got nothere; wavesweep --cfg {shown} shows all keys")
        for what, shown in (("job", "job"), ("hydra", "hydra"), ("all", "job"))
    ),
    *(
        Case(typed, f"an argument must be one line, got '{said}'; leave out what ends it")
        for typed, said in (("'seed=1\nx=2'", "seed=1\\nx=2"), ("resume 'a\nb'", "a\\nb"))
    ),
    *(
        Case(f"--config-name '{name}'",
             f"--config-name must name a file of conf/ or --config-dir, got {name or 'nothing'}; leave it out")
        for name in ("", "../../etc/passwd", "/etc/passwd")
    ),
    Case("--config-name dataset/sine",
         "--config-name must name a whole configuration, got an option; give dataset=sine"),
    Case("--hydra-help seed=1", "--hydra-help must have overrides of hydra alone, got seed=1; leave it out"),
    Case("--version x", "--version must stand alone, got x after it; leave that out"),
    Case("-m seed=0,1 model=tiny,small hydra.sweeper.enqueue=e.csv",
         "e.csv, line 1: a column must be there once, got model twice; leave one out",
         (("e.csv", "model,model\ntiny,small\n"),)),
    Case("-m seed=0,1 hydra.sweeper.enqueue=no.csv",
         "hydra.sweeper.enqueue=no.csv can't be read (No such file or directory); name a CSV file"),
    Case("forecast latest --data no.csv",
         "latest names the run begun last below outputs, but there is none; name another"),
]  # fmt: skip

WHERE = "must be a path without ? and %, which MLflow reads as something else, got"
STORES = [
    Case("""tracking.uri='"sqlite:///a?b=c"'""", f"tracking.uri {WHERE} PLACE/a?b=c"),
    Case("tracking.uri=sqlite:///a%41.db", f"tracking.uri {WHERE} PLACE/a%41.db"),
    Case(
        "tracking.uri=http://h:99999",
        "tracking.uri must be an address, got http://h:99999 (Port out of range 0-65535)",
    ),
]


@pytest.mark.slow
def test_a_home_is_as_it_was_but_for_outputs(wavesweep: Command, tmp_path: Path) -> None:
    for name, text in (*HOME, ("mlflow.db", "mine"), ("mlruns/0/meta.yaml", "mine"), ("model/small.yaml", LSTM)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).write_text(text)
    before = content(tmp_path)
    assert wavesweep(*SMALL, "model=tiny").returncode == 0
    assert wavesweep("-m", *SMALL, "model=tiny", "seed=0,1", "hydra/launcher=basic").returncode == 0
    assert wavesweep("resume").returncode == 0
    assert wavesweep("sync").stdout == "4 up to date\n"
    assert wavesweep("forecast", "latest").returncode == 0
    outputs = str(tmp_path / "outputs")
    assert {path: text for path, text in content(tmp_path).items() if not path.startswith(outputs)} == before


@pytest.mark.parametrize("case", PLACES + IGNORED + STORES, ids=lambda case: case.typed)
def test_it_is_refused_and_all_stays_as_it_was(tmp_path: Path, case: Case) -> None:
    check(case, tmp_path)


@EACH_FIFTH
def test_to_refuse_it_nothing_heavy_is_imported(step: int, tmp_path: Path) -> None:
    check_imports((PLACES + IGNORED + STORES)[::step], tmp_path)


@pytest.mark.parametrize(
    ("name", "typed"), [("what?", "seed=1"), ("w%41?d", "sync"), ("${oc.env:HOME}", "-m seed=0,1")]
)
def test_a_working_directory_with_a_name_that_others_read_otherwise(tmp_path: Path, name: str, typed: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "outputs").mkdir()
    said = "can't be the working directory" if "$" in name else f"{WHERE} {tmp_path}/{name}/outputs/mlflow.db"
    done = call(*typed.split(), cwd=tmp_path / name)
    [line] = done.stderr.splitlines()
    assert said in line
    assert done.returncode == 2
    assert [path.name for path in tmp_path.rglob("*")] == [name, "outputs"]


def test_what_can_be_told_from_the_mode_that_hydra_chose(wavesweep: Command) -> None:
    done = wavesweep("++hydra.mode=MULTIRUN", *SMALL, "seed=0,1", "hydra.sweeper.dry_run=true")
    assert (done.returncode, done.stderr) == (0, "")
    own = "hydra.sweep.subdir=trials/${hydra.job.num}"
    done = wavesweep("-m", *SMALL, "seed=0,1", own, "hydra.sweeper.dry_run=true")
    assert (done.returncode, done.stderr) == (0, "")
    done = wavesweep("--cfg", "job", "hydra.sweeper.n_trials=3")
    assert (done.returncode, done.stderr) == (0, "")
