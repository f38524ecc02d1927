"""Sweeps whose processes are killed, whose jobs fail, and whose server is away, end as if nothing had happened."""

import json
import os
import random
import re
import signal
import socket
import time
from pathlib import Path

import pytest
import yaml

from hydra_queue_sweeper.sweeps.queue import MOST_DEATHS
from tests.support.commands import SMALL, Command
from tests.support.records import on_disk
from tests.support.sweeping import (
    QUICK,
    STEADY,
    Started,
    advanced,
    families,
    held,
    is_whole,
    keys,
    num_ended,
    rows,
    shell,
    started,
    starts,
    states,
    trials,
)
from tests.support.trees import gone
from wavesweep.config.composing import compose
from wavesweep.trackers.mlflow.store import connect
from wavesweep.workspace.directory import RunDirectory

HERE = "hydra.sweep.dir=sweep"
TWO = "hydra.sweeper.n_workers=2"
ONE = "hydra.sweeper.n_workers=1"
BASIC = "hydra/launcher=basic"
"""In the process that sweeps."""
NOBODY = "tracking.uri=http://127.0.0.1:9"
DIVERGING = ("optimizer=sgd", "optimizer.schedule=constant", "training.clip_norm=0")
"""With a learning rate of 1e30."""


# ---------------------------------------------------------------------------------------------------- killed


@pytest.mark.slow
def test_a_sweep_whose_processes_are_all_killed_again_and_again_ends_as_if_left_alone(
    wavesweep: Command, tmp_path: Path
) -> None:
    jobs = (*STEADY, "model=tiny,small,linear", "seed=range(4)", TWO)
    straight, sweep = tmp_path / "straight", tmp_path / "sweep"
    line = ("-m", *jobs, "hydra.sweep.dir=straight", NOBODY, BASIC)
    assert wavesweep(*line, pictures=True).returncode == 4

    chance = random.Random(6)
    line, known, ended, kills = ("-m", *jobs, HERE), {}, {}, 0
    while kills < 3:
        with started(tmp_path, *line) as command:
            if kills != 1:  # at which it is struck while it starts
                command.wait_until(lambda ended=ended: num_ended(sweep) > len(ended))
            time.sleep(chance.uniform(0.2, 1.5))
            assert command.kill() == -signal.SIGKILL, "the sweep must take longer"
        kills += 1
        print(f"killed with {num_ended(sweep)} of 12 ended")
        assert keys(sweep) | known == keys(sweep), "a run that had begun was begun anew"
        now = {trial.number: trial for trial in trials(sweep) if trial.ended}
        assert now | ended == now, "a trial that had ended was changed"
        known, ended = keys(sweep), now
        line = ("resume", "sweep", TWO)
    assert 0 < num_ended(sweep) < 12
    with started(tmp_path, *line) as command:
        assert command.end() == 0, command.err.read_text()

    assert keys(sweep) | known == keys(sweep)
    assert sorted(map(int, keys(sweep))) == list(range(12))
    assert len(set(keys(sweep).values())) == 12
    assert states(sweep) == ["finished"] * 12
    assert {trial.deaths for trial in trials(sweep)} == {0}, "who kills all charges none"
    assert rows(sweep) == rows(straight)
    for number in map(str, range(12)):
        config = (sweep / number / "config.yaml").read_bytes()  # which names another store
        left = on_disk(straight / number)
        assert on_disk(sweep / number) == left | {"config": config, "files": on_disk(sweep / number)["files"]}
    is_whole(tmp_path, sweep)


@pytest.mark.slow
def test_pictures_of_jobs_that_have_ended_are_drawn_after_a_kill(wavesweep: Command, tmp_path: Path) -> None:
    """Those of a job may be drawn while the next one goes on: what draws them is killed with all else."""
    sweep = tmp_path / "sweep"
    with started(tmp_path, "-m", *QUICK, "seed=range(4)", HERE, ONE) as command:
        command.wait_until(command.drawers)
        drawers = command.drawers()
        for pid in drawers:
            os.kill(pid, signal.SIGSTOP)
        command.wait_until(lambda: num_ended(sweep) >= 1)
        assert command.kill() == -signal.SIGKILL
        for pid in drawers:  # which have a group of their own
            os.kill(pid, signal.SIGKILL)
    first = RunDirectory(sweep / "0")
    assert first.lacks_pictures()
    assert wavesweep("sync", ".").returncode == 0
    done = wavesweep("resume", "sweep", BASIC, pictures=True)
    assert done.returncode == 0, done.stderr
    assert not any(RunDirectory(path.parent).lacks_pictures() for path in sweep.glob("*/run.json"))
    is_whole(tmp_path, sweep)


@pytest.mark.slow
def test_a_killed_worker_costs_no_other_trial_than_the_one_it_held(tmp_path: Path) -> None:
    """The first job lasts longer than the others together, so that one worker is busy while the other dies, twice."""
    sweep, struck, kills, num_jobs = tmp_path / "sweep", [], 2, 5
    epochs = ",".join(map(str, (800 * kills, *(100 + number for number in range(1, num_jobs)))))
    with started(tmp_path, "-m", *STEADY, f"training.epochs={epochs}", HERE, TWO, NOBODY) as command:
        command.wait_until(
            lambda: len(pids := command.workers()) == 2 and all(advanced(sweep, pid) is not None for pid in pids)
        )
        victim, spared = sorted(command.workers(), key=lambda pid: held(sweep, pid) == 0)
        while len(struck) < kills:
            command.wait_until(lambda victim=victim: advanced(sweep, victim) not in {None, *struck})
            struck.append(held(sweep, victim))
            os.kill(victim, signal.SIGKILL)
            command.wait_until(lambda victim=victim: victim not in command.workers())
            command.wait_until(lambda: len(command.workers()) == 2)
            assert spared in command.workers()
            [victim] = set(command.workers()) - {spared}
        assert command.end() == 4
        assert "Traceback" not in command.err.read_text()
    assert states(sweep) == ["finished"] * num_jobs
    assert {trial.number: trial.deaths for trial in trials(sweep) if trial.deaths} == dict.fromkeys(struck, 1)
    began = {trial.number: starts(sweep / str(trial.number)) for trial in trials(sweep)}
    assert began == {number: 2 if number in struck else 1 for number in range(num_jobs)}
    for number in map(str, range(num_jobs)):
        recorded = [row["epoch"] for row in RunDirectory(sweep / number).read_metrics() if "epoch" in row]
        assert recorded == list(range(1, len(recorded) + 1))


@pytest.mark.slow
def test_a_trial_that_costs_three_workers_fails_alone_and_runs_again_when_resumed(
    wavesweep: Command, tmp_path: Path
) -> None:
    sweep = tmp_path / "sweep"
    with started(tmp_path, "-m", *STEADY, "training.epochs=300", "seed=range(3)", HERE, TWO) as command:
        for death in range(MOST_DEATHS):
            command.wait_until(
                lambda death=death: (
                    any(advanced(sweep, pid) == 0 for pid in command.workers()) and trials(sweep)[0].deaths == death
                )
            )
            [victim] = [pid for pid in command.workers() if held(sweep, pid) == 0]
            os.kill(victim, signal.SIGKILL)
            command.wait_until(lambda victim=victim: victim not in command.workers())
        assert command.end() == 1
        said, shown = command.err.read_text(), command.out.read_text()
    assert states(sweep) == ["failed", "finished", "finished"]
    assert [trial.deaths for trial in trials(sweep)] == [3, 0, 0]
    assert "failed" in said
    assert "its worker died 3 times" in said
    assert "failed: trial 0 (seed=0): its worker died 3 times" in shown
    assert "Traceback" not in said

    before = [trial for trial in trials(sweep) if trial.state == "finished"]
    done = wavesweep("resume", "sweep", BASIC)
    assert done.returncode == 0, done.stderr
    assert states(sweep) == ["finished"] * 3
    assert trials(sweep)[1:] == before
    assert trials(sweep)[0].deaths == 0
    is_whole(tmp_path, sweep)


# ---------------------------------------------------------------------------------------------------- failing


@pytest.mark.slow
def test_one_job_fails_and_one_diverges_and_the_others_finish(wavesweep: Command, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    line = ("-m", *QUICK, *DIVERGING, "optimizer.lr=0.0001,1e+30,0.001,0.01", HERE, ONE, NOBODY)
    assert wavesweep(*line, "hydra.sweeper.timeout=0").returncode == 4
    (sweep / "0").mkdir()
    (sweep / "0" / "plots").write_text("a file where a folder belongs")
    done = wavesweep("resume", "sweep", ONE, NOBODY)
    assert done.returncode == 1
    assert states(sweep) == ["failed", "diverged", "finished", "finished"]
    reason = "sweep/0/plots: File exists"
    assert f"failed: trial 0 (optimizer.lr=0.0001): {reason}" in done.stdout.splitlines()
    assert "diverged: trial 1 (optimizer.lr=1e+30)" in done.stdout
    assert "4 jobs: 2 finished, 1 diverged, 1 failed" in done.stdout
    assert re.search(rf"failed +job 0 +lr=0\.0001 .*  {reason}\n", done.stderr), "not said at once"
    assert re.search(r"diverged +job 1 +lr=1e\+30 ", done.stderr)
    assert "Traceback" not in done.stderr + done.stdout
    logs = {trial.number: (sweep / trial.directory / "wavesweep.log").read_text() for trial in trials(sweep)}
    assert [number for number, log in logs.items() if "Traceback" in log] == [0]
    table = {row["optimizer.lr"]: row for row in rows(sweep)}
    assert (table["0.0001"]["state"], table["0.0001"]["reason"]) == ("failed", reason)
    assert (table["1e+30"]["state"], table["1e+30"]["objective"], table["1e+30"]["rank"]) == ("diverged", "", "")
    best = min(("0.001", "0.01"), key=lambda rate: float(table[rate]["objective"]))
    assert (rows(sweep)[0]["optimizer.lr"], rows(sweep)[0]["rank"]) == (best, "1")


# ---------------------------------------------------------------------------------------------------- signals


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signum", "group", "code"),
    [
        (signal.SIGINT, True, 130),
        (signal.SIGTERM, False, 143),
    ],
)
def test_after_a_signal_the_command_that_it_prints_goes_on(
    signum: signal.Signals, group: bool, code: int, tmp_path: Path
) -> None:
    """From a place whose name a shell would take apart, into a store that is not the default."""
    sweep = tmp_path / "my 'own' sweep"
    stored = (signum, group) != (signal.SIGINT, True)
    store = f"tracking.uri=sqlite:///{tmp_path}/outputs/other.db" if stored else NOBODY
    place = "hydra.sweep.dir=\"my 'own' sweep\""
    with started(tmp_path, "-m", *STEADY, "seed=range(5)", TWO, place, store) as command:
        command.wait_until(
            lambda: num_ended(sweep) and all(advanced(sweep, pid) is not None for pid in command.workers())
        )
        workers, tree, began = command.workers(), command.tree(), time.monotonic()
        os.kill(-command.process.pid if group else command.process.pid, signum)
        assert command.end() == code
        took = time.monotonic() - began
        assert gone(workers, 0.5), "a worker outlives it"
        assert gone(tree, 5), "what delivers outlives it by more than 5 s"
        said, shown = command.err.read_text(), command.out.read_text()
    assert took < 10
    assert "Traceback" not in said
    ended = {trial.number: trial for trial in trials(sweep) if trial.ended}
    assert 0 < len(ended) < 5
    assert {trial.state for trial in trials(sweep)} == {"finished", "interrupted", "waiting"}
    assert [trial.deaths for trial in trials(sweep)] == [0] * 5
    assert f"5 jobs: {len(ended)} finished" in shown
    known = keys(sweep)

    [line] = re.findall(r"^\d of 5 jobs are left; (wavesweep resume .*) goes on with them$", said, re.MULTILINE)
    assert shell(tmp_path, line) == (0 if stored else 4), (tmp_path / "err").read_text()
    assert states(sweep) == ["finished"] * 5
    assert [trial.deaths for trial in trials(sweep)] == [0] * 5
    assert {trial.number: trial for trial in trials(sweep) if trial.number in ended} == ended
    assert keys(sweep) | known == keys(sweep)
    assert not (tmp_path / "outputs" / "mlflow.db").exists()
    if stored:
        [(parent, found)] = families(tmp_path / "outputs" / "other.db")
        assert [parent.info.status, *(run.info.status for run in found)] == ["FINISHED"] * 6


@pytest.mark.slow
@pytest.mark.parametrize("delay", [1.0, 3.0])
def test_a_signal_while_a_sweep_starts_leaves_no_child(delay: float, wavesweep: Command, tmp_path: Path) -> None:
    with started(tmp_path, "-m", *STEADY, "seed=range(2)", TWO, HERE, NOBODY) as command:
        time.sleep(delay)
        workers, tree = command.workers(), command.tree()
        os.kill(-command.process.pid, signal.SIGINT)
        assert command.end(10) in (130, -signal.SIGINT)
        assert gone(workers, 0.5), "a worker outlives it"
        assert gone(tree, 5), "what delivers outlives it by more than 5 s"
        assert "Traceback" not in command.err.read_text()
    if (tmp_path / "sweep" / "sweep.json").exists():
        assert {trial.deaths for trial in trials(tmp_path / "sweep")} == {0}
        assert wavesweep("resume", "sweep", BASIC).returncode == 4
        assert states(tmp_path / "sweep") == ["finished"] * 2


@pytest.mark.slow
def test_no_worker_outlives_a_main_process_that_is_killed(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    with started(tmp_path, "-m", *STEADY, "training.epochs=5000", "seed=range(3)", TWO, HERE, NOBODY) as command:
        command.wait_until(
            lambda: [advanced(sweep, pid) is not None for pid in command.workers()] == [True, True],
        )
        tree = command.tree()
        command.process.kill()
        assert gone(tree, 5), "a child outlives it by more than 5 s"
    assert [trial.deaths for trial in trials(sweep)] == [0, 0, 0]


# ---------------------------------------------------------------------------------------------------- at once


@pytest.mark.slow
def test_three_sweeps_that_start_at_once_share_nothing_but_the_store(tmp_path: Path) -> None:
    commands = [Started(tmp_path, ("-m", *SMALL, "model=linear", f"seed={10 * n},{10 * n + 1}", ONE)) for n in range(3)]
    try:
        assert [command.end() for command in commands] == [0, 0, 0], (tmp_path / "err").read_text()
    finally:
        for command in commands:
            command.kill()
    sweeps = list((tmp_path / "outputs" / "sweeps").iterdir())
    assert len(sweeps) == 3
    assert sorted(trial.overrides[-1] for sweep in sweeps for trial in trials(sweep)) == sorted(
        f"seed={10 * n + m}" for n in range(3) for m in range(2)
    )
    found = families(tmp_path / "outputs" / "mlflow.db")
    assert sorted(parent.data.tags["wavesweep.sweep_id"] for parent, _ in found) == sorted(path.name for path in sweeps)
    for parent, runs in found:
        assert [parent.info.status, *(run.info.status for run in runs)] == ["FINISHED"] * 3
        assert {run.data.tags["wavesweep.sweep_id"] for run in runs} == {parent.data.tags["wavesweep.sweep_id"]}


# ---------------------------------------------------------------------------------------------------- proposed

SIZES = "model.hidden_sizes=[3],[5],[8]"
DRAWN = ("optimizer.lr=tag(log,interval(1e-4,1e-1))", SIZES, "dataset.seed=int(interval(0,9))")
FEW = ("training.epochs=2", "training.refine_epochs=0")


def proposals(sweep: Path) -> list[list[str]]:
    return [trial.overrides for trial in trials(sweep)]


@pytest.mark.slow
def test_a_sampled_sweep_that_is_killed_ends_with_as_many_trials_and_keeps_those_that_had_finished(
    tmp_path: Path,
) -> None:
    sweep, chance, known, ended = tmp_path / "sweep", random.Random(7), {}, {}
    line = ("-m", *STEADY, "training.epochs=50", *DRAWN, "hydra.sweeper.n_trials=12", HERE, TWO)
    for _ in range(2):
        with started(tmp_path, *line) as command:
            before = num_ended(sweep)
            command.wait_until(lambda before=before: num_ended(sweep) > before)
            time.sleep(chance.uniform(0, 1))
            assert command.kill() == -signal.SIGKILL
        assert keys(sweep) | known == keys(sweep)
        now = {trial.number: trial for trial in trials(sweep) if trial.ended}
        assert now | ended == now, "a trial that had ended was changed"
        known, ended, line = keys(sweep), now, ("resume", "sweep", TWO)
    begun = proposals(sweep)
    assert len(begun) < 12
    with started(tmp_path, *line) as command:
        assert command.end() == 0, command.err.read_text()
    assert states(sweep) == ["finished"] * 12
    assert proposals(sweep)[: len(begun)] == begun
    assert {number: trial for number, trial in enumerate(trials(sweep)) if number in ended} == ended
    is_whole(tmp_path, sweep)


@pytest.mark.slow
def test_one_worker_and_one_seed_propose_the_same_again_though_killed_between(
    wavesweep: Command, tmp_path: Path
) -> None:
    jobs = ("-m", *QUICK, *FEW, *DRAWN, "hydra.sweeper.n_trials=13", ONE, NOBODY)
    for name, seed in (("first", 3), ("other", 4)):
        line = (*jobs, f"hydra.sweeper.seed={seed}", f"hydra.sweep.dir={name}", BASIC)
        assert wavesweep(*line).returncode == 4
    with started(tmp_path, *jobs, "hydra.sweeper.seed=3", "hydra.sweep.dir=second") as command:
        command.wait_until(lambda: num_ended(tmp_path / "second") >= 11)  # ten are drawn at random
        assert command.kill() == -signal.SIGKILL
    assert num_ended(tmp_path / "second") < 13
    assert wavesweep("resume", "second", BASIC).returncode == 4
    first, second, other = (proposals(tmp_path / name) for name in ("first", "second", "other"))
    assert first == second
    assert not [proposal for proposal in first if proposal in other]
    assert len({tuple(proposal) for proposal in first}) == 13
    assert [trial.objective for trial in trials(tmp_path / "first")] == [
        trial.objective for trial in trials(tmp_path / "second")
    ]


# ---------------------------------------------------------------------------------------------------- resuming


@pytest.mark.slow
def test_resume_refuses_what_runs_and_what_was_begun_on_other_code_unless_forced(
    wavesweep: Command, tmp_path: Path
) -> None:
    sweep = tmp_path / "sweep"
    with started(tmp_path, "-m", *STEADY, "training.epochs=300", "seed=range(4)", HERE, TWO, NOBODY) as command:
        command.wait_until(lambda: num_ended(sweep))
        taken = wavesweep("resume", "sweep")
        assert command.kill() == -signal.SIGKILL, "the sweep must take longer"
    line = "wavesweep: sweep is being run by another process; wait for its end, or stop it\n"
    assert (taken.returncode, taken.stderr, taken.stdout) == (2, line, "")

    plan = json.loads((sweep / "sweep.json").read_text())
    for part in ("code", "data"):
        changed = plan | {"fingerprint": plan["fingerprint"] | {part: "what it was before"}}
        (sweep / "sweep.json").write_text(json.dumps(changed))
        before = trials(sweep)
        refused = wavesweep("resume", "sweep")
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1), refused.stderr
        assert f"sweep was begun otherwise: {part} was what it was before, is " in refused.stderr
        assert "wavesweep resume sweep --force" in refused.stderr
        assert trials(sweep) == before
    forced = wavesweep("resume", "sweep", "--force", BASIC)
    assert forced.returncode == 4, forced.stderr
    assert states(sweep) == ["finished"] * 4
    again = wavesweep("resume", "sweep", "--force", BASIC)
    assert again.returncode == 4, again.stderr


@pytest.mark.slow
def test_later_edits_of_ones_own_options_are_refused_and_named(wavesweep: Command, tmp_path: Path) -> None:
    """While the sweep runs, by the jobs that begin after them; and as it is resumed."""
    sweep, own = tmp_path / "sweep", tmp_path / "own"
    for folder, text in (("model", "hidden_sizes: [4]"), ("experiment", "forecast:\n  horizon: 5")):
        (own / folder).mkdir(parents=True)
        head = "defaults: [tiny]" if folder == "model" else "# @package _global_"
        (own / folder / "mine.yaml").write_text(f"{head}\n{text}\n")
    options = ("model=tiny,mine", "experiment=mine", "seed=range(2)")
    model = (own / "model" / "mine.yaml").read_text()
    with started(tmp_path, "-m", "--config-dir", "own", *STEADY, *options, HERE, ONE, NOBODY) as command:
        command.wait_until(lambda: num_ended(sweep) == 1)
        (own / "model" / "mine.yaml").write_text("defaults: [tiny]\nhidden_sizes: [9]\n")
        assert command.end() == 1, command.err.read_text()
    assert states(sweep) == ["finished"] * 2 + ["failed"] * 2
    assert "model.hidden_sizes was edited since the sweep began" in trials(sweep)[2].reason

    for folder, said in (
        (["--config-dir", "own"], "was begun otherwise: 1 option changed, as model.hidden_sizes; undo that"),
        ([], "was begun with options that are gone: experiment=mine is not an option"),
    ):
        done = wavesweep("resume", "sweep", *folder)
        assert done.returncode == 2
        assert said in done.stderr
    (own / "model" / "mine.yaml").write_text(model)
    done = wavesweep("resume", "sweep", "--config-dir", "own", NOBODY, BASIC)
    assert done.returncode == 4, done.stderr
    configs = [yaml.safe_load((sweep / str(number) / "config.yaml").read_text()) for number in range(4)]
    assert [config["model"]["hidden_sizes"] for config in configs] == [[15]] * 2 + [[4]] * 2
    assert [config["forecast"]["horizon"] for config in configs] == [5] * 4
    assert [config["seed"] for config in configs] == [0, 1, 0, 1]


# ---------------------------------------------------------------------------------------------------- no server


@pytest.mark.slow
def test_a_sweep_without_a_server_is_delivered_by_sync_the_parent_first(wavesweep: Command, tmp_path: Path) -> None:
    sweep = tmp_path / "outputs" / "sweeps" / "mine"
    done = wavesweep("-m", *QUICK, "seed=range(3)", f"hydra.sweep.dir={sweep}", TWO, NOBODY, pictures=True)
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert states(sweep) == ["finished"] * 3
    store = f"tracking.uri=sqlite:///{tmp_path}/outputs/mlflow.db"
    for _ in range(2):
        synced = wavesweep("sync", store)
        assert synced.returncode == 0, synced.stderr
    is_whole(tmp_path, sweep)
    [(parent, found)] = families(tmp_path / "outputs" / "mlflow.db")
    assert parent.info.start_time <= min(run.info.start_time for run in found)
    client, _ = connect(compose(store).tracking)
    assert "3 jobs: 3 finished" in parent.data.tags["mlflow.note.content"]
    artifacts = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert {"leaderboard.csv", "plots"} <= artifacts


@pytest.mark.slow
def test_a_sweep_that_has_finished_is_ours_when_it_is_resumed(wavesweep: Command) -> None:
    sweep = "outputs/sweeps/sweep"
    line = ("-m", *SMALL, "model=linear", "seed=0,1", f"hydra.sweep.dir={sweep}", BASIC)
    first, again = wavesweep(*line), wavesweep("resume", sweep, BASIC)
    assert [first.returncode, again.returncode] == [0, 0]
    assert again.stderr == ""
    assert "compare its runs" in again.stdout


@pytest.mark.slow
def test_a_server_that_hangs_does_not_keep_a_sweep_from_ending(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        store = f"tracking.uri=http://127.0.0.1:{silent.getsockname()[1]}"
        with started(tmp_path, "-m", *STEADY, "training.epochs=5000", "seed=range(3)", TWO, HERE, store) as command:
            command.wait_until(lambda: any(advanced(sweep, pid) is not None for pid in command.workers()))
            tree, began = command.tree(), time.monotonic()
            os.kill(-command.process.pid, signal.SIGINT)
            assert command.end() == 130
            assert time.monotonic() - began < 10
            assert gone(tree, 5.5)  # the follower may end the request that it is at
    assert {trial.deaths for trial in trials(sweep)} == {0}
