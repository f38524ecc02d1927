"""What isn't ours is not touched, what was typed is not ignored in silence: it is refused, and nothing written."""

from pathlib import Path

import pytest

from tests.cli.test_refusals import Case, check, content
from tests.support.commands import SMALL, Command, light_command

HOME = (
    ("config.yaml", "mine: 1\n"),
    ("configs/0.yaml", "mine: 2\n"),
    ("leaderboard.csv", "mine\n"),
    ("thesis.part", "chapter"),
    ("results/notes.txt", "notes"),
    ("empty/", ""),
)
"""What a user's directory may hold."""
RUN, SWEEP = (("outputs/runs/mine/run.json", "{}"),), (("outputs/sweeps/mine/parent.json", "{}"),)
LSTM = "kind: lstm\nhidden_sizes: [5]\n"
OWN = (("own/model/small.yaml", LSTM),)
ODD = (("own/experiment/odd.yaml", "# @package _global_\n5: 6\n"),)
ABOVE = "can't be a run's or sweep's own directory: all others lie below it; name a new one"
TAKEN = "must be new or empty, got {} entries such as {}; name another"
SAME = "own/model/small.yaml has the name of an option of this package, which would be taken; rename it"
ALONE = "is for a sweep; add -m, or leave it out"
COMMANDS = "diff, forecast, reproduce, resume, summary, sync, ui"

PLACES = [
    *(
        Case(f"{flags}={place}", f"{place} {said}", HOME)
        for flags in ("hydra.run.dir", "-m hydra.sweep.dir", "-m hydra/sweeper=basic hydra.sweep.dir")
        for place, said in (
            (".", ABOVE),
            ("..", ABOVE),
            ("outputs", ABOVE),
            ("configs", TAKEN.format(1, "0.yaml")),
            ("results", TAKEN.format(1, "notes.txt")),
        )
    ),
    *(
        Case(f"{flags}={place}/x", f"{place}/x must not lie within {what} (PLACE/{place}); name another", files)
        for flags in ("hydra.run.dir", "-m hydra.sweep.dir")
        for place, files in (
            ("outputs/runs/mine", RUN),
            ("outputs/sweeps/mine", SWEEP),
            ("outputs/mlartifacts", ()),
        )
        for what in ["another run, sweep or MLflow's files"]
    ),
    Case("hydra.run.dir=outputs/sweeps/mine/5", "outputs/sweeps/mine/5 must not lie within another run, sweep or "
         "MLflow's files (PLACE/outputs/sweeps/mine); name another", SWEEP),
    Case("hydra.run.dir=results/new hydra.output_subdir=../..", "../.. must name a place within results/new"),
    Case("hydra.run.dir=results/new hydra.job.name=../../thesis",
         "../../thesis.log must name a place within results/new"),
]  # fmt: skip

IGNORED = [
    *(Case(f"--config-dir own {typed}", SAME, OWN) for typed in ("model=small", "-m model=small,tiny", "--cfg job")),
    Case("hydra.searchpath=[file://PLACE/own]", f"PLACE/{SAME}", OWN),
    Case("-m hydra.searchpath=[file://PLACE/own] seed=0,1", f"PLACE/{SAME}", OWN),
    Case("--cfg job hydra.searchpath=[file://PLACE/none]",
         "hydra.searchpath must name directories, got PLACE/none, which is not there; leave it out"),
    Case("--config-dir own experiment=odd", "5 Keys should be strings, got 5", ODD),
    Case("-m --config-dir own experiment=odd seed=0,1", "5 Keys should be strings, got 5", ODD),
    *(
        Case(text, f"{text} {ALONE}")
        for text in ("hydra.sweeper.n_trials=3", "hydra.sweep.dir=x", "hydra/launcher=basic", "hydra/sweeper=basic",
                     "hydra.launcher.n_jobs=2")
    ),
    Case("-m hydra.run.dir=x", "hydra.run.dir=x is for a single run; hydra.sweep.dir names the directory of a sweep"),
    Case("-m model=smal,tiny", "model=smal is not an option; did you mean small?"),
    Case("finish", f"finish is neither KEY=VALUE nor a command; choose from {COMMANDS}"),
    Case("resum latest", "resum is neither KEY=VALUE nor a command; did you mean resume?"),
    Case("--config-path nothing",
         "--config-path=wavesweep.cli.nothing is not there; --config-dir adds a folder of options"),
    Case("-m seed=0,1 hydra.sweeper.enqueue=no.csv",
         "hydra.sweeper.enqueue=no.csv can't be read (No such file or directory); name a CSV file"),
    Case("forecast latest --data no.csv",
         "latest names the run begun last below outputs, but there is none; name another"),
]  # fmt: skip

WHERE = "must be a path without ? and %, which MLflow reads as something else, got"
STORES = [
    Case("""tracking.uri='"sqlite:///a?b=c"'""", f"tracking.uri {WHERE} PLACE/a?b=c"),
    Case("tracking.uri=sqlite:///a%41.db", f"tracking.uri {WHERE} PLACE/a%41.db"),
]


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


@pytest.mark.parametrize("name", ["what?", "w%41?d", "${oc.env:HOME}"])
@pytest.mark.parametrize("typed", ["seed=1", "-m seed=0,1", "sync", "resume"])
def test_a_working_directory_with_a_name_that_others_read_otherwise(tmp_path: Path, name: str, typed: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "outputs").mkdir()
    said = "can't be the working directory" if "$" in name else f"{WHERE} {tmp_path}/{name}/outputs/mlflow.db"
    done = light_command(*typed.split(), cwd=tmp_path / name)
    [line] = done.stderr.splitlines()
    assert said in line
    assert done.returncode == 2
    assert [path.name for path in tmp_path.rglob("*")] == [name, "outputs"]
