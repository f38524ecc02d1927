"""A stored run, run again: equal to the last bit, or what differs is found and named."""

import math
import re
import shlex
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

import wavesweep as ws
from hydra_queue_sweeper.base.signals import Interrupted
from tests.support.commands import SMALL, Command, Done, call, run_process
from tests.support.following import Listener, carry_out
from wavesweep.cli.resume import finish
from wavesweep.config import tag_names as names
from wavesweep.config.composing import compose
from wavesweep.experiment.preparation import prepare
from wavesweep.reproduction.comparison import compare
from wavesweep.reproduction.report import diff, verdict
from wavesweep.reproduction.stored import StoredRun, from_directory
from wavesweep.runs.execute import to_the_end
from wavesweep.workspace.directory import RunDirectory
from wavesweep.workspace.info import RunInfo

TINY = (*SMALL, "model.hidden_sizes=[5]")
EQUAL = r"equal to the last bit: \d+ values of \d+ epochs? and the weights; {again} reproduces {stored}\n"
STORE = "sqlite:///outputs/mlflow.db"


def new_run(place: Path, before: set[Path]) -> RunDirectory:
    """Return the one run below outputs/runs that was not there before."""
    [path] = set((place / "outputs" / "runs").iterdir()) - before
    return RunDirectory(path)


def reproduce(place: Path, run: str, *more: str, command: Command = call) -> tuple[Done, RunDirectory]:
    """Reproduce a run; return how the command ended, and the new run."""
    runs = place / "outputs" / "runs"
    before = set(runs.iterdir()) if runs.exists() else set()
    done = command("reproduce", run, *more, cwd=place)
    return done, new_run(place, before)


def check_equal(place: Path, run: str, *more: str, command: Command = call) -> RunDirectory:
    """Make sure that a run is reproduced to the last bit, and that this is one line."""
    done, again = reproduce(place, run, *more, command=command)
    assert done.returncode == 0, done.stdout + done.stderr
    path = again.path.relative_to(place)
    assert re.fullmatch(EQUAL.format(again=path, stored=f"{run}.*"), done.stdout), done.stdout
    assert re.match(re.escape(run), again.read_info().tags[names.REPRODUCES])
    return again


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a run, `outputs/run`, and its store; the tests leave these as they are."""
    place = tmp_path_factory.mktemp("place")
    done = call(*TINY, "seed=3", "hydra.run.dir=outputs/run", cwd=place, pictures=True)
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture
def stored(place: Path) -> StoredRun:
    return from_directory(RunDirectory(place / "outputs" / "run"))


@pytest.fixture
def copied(place: Path, tmp_path: Path) -> RunDirectory:
    """Return a copy of the run, to be changed."""
    return RunDirectory(Path(shutil.copytree(place / "outputs" / "run", tmp_path / "copy")))


SINE = (*SMALL, "model.hidden_sizes=[5]", "dataset=sine")
LINE = (*(text for text in TINY if "width" not in text), "dataset=linear_noise")
SQUARED = (*TINY, "dataset=cos_sin_squared")
DRAWN = ("experiment=article/cos_sin_squared", "training.epochs=1", "optimizer.max_iter=1", "model.hidden_sizes=[3]")
NOISY = ("optimizer=adam", "model.dropout=0.3", "training.noise_start=0.1", "training.noise_end=0.01")
SYSTEMS = {
    "dropout and noise": (*SINE, *NOISY),
    "a noisy line": (*LINE, "optimizer=lbfgs"),
    "sine, lbfgs": (*SINE, "optimizer=lbfgs"),
    "cos(sin²), adam": (*SQUARED, "optimizer=adam"),
    "no gradient": (*SMALL, "model=linear"),
    "drawn sizes": DRAWN,
}
QUICK, *SLOW = SYSTEMS


@pytest.mark.parametrize("name", [QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_a_fresh_process_reproduces_a_run_to_the_last_bit(name: str, wavesweep: Command, tmp_path: Path) -> None:
    done = wavesweep(*SYSTEMS[name], "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    again = check_equal(tmp_path, "run", command=run_process)
    assert again.read_info().name == "again run"


def test_a_process_that_has_run_it_does_so_too(wavesweep: Command, tmp_path: Path) -> None:
    assert wavesweep(*SYSTEMS["a noisy line"], "hydra.run.dir=run").returncode == 0
    check_equal(tmp_path, "run")


@pytest.mark.slow
def test_a_run_that_was_resumed_three_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    composed = compose(*TINY, "optimizer=adam", "training.epochs=8")
    directory = RunDirectory(tmp_path / "run")
    directory.path.mkdir()
    ends = iter((2, 5, 8))

    def stop(epoch: int, *_: object, end: int = next(ends)) -> None:
        if epoch == end:
            raise Interrupted(15)

    with pytest.raises(Interrupted):
        carry_out(prepare(composed), directory, RunInfo([], {}, None, "stored"), stop)
    for end in ends:
        monkeypatch.setattr("wavesweep.cli.resume.show", _stopping_at(end))
        with pytest.raises(Interrupted):
            finish(directory, composed, [])
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert finish(directory, composed, []) == 0
    check_equal(tmp_path, "run")


def _stopping_at(end: int) -> Callable[..., int]:
    def stop(epoch: int, *_: object) -> None:
        if epoch == end:
            raise Interrupted(15)

    return lambda _, __, begin: to_the_end(begin([Listener(stop)]))


@pytest.mark.slow
def test_a_pruned_run_stops_where_it_stopped(wavesweep: Command, tmp_path: Path) -> None:
    jobs = ("model=tiny", "training.epochs=6", "training.refine_epochs=0", "optimizer.lr=1e-2,1e-6,1e-7,1e-8")
    how = ("hydra.sweeper.pruner=successive_halving", "hydra/launcher=basic", "hydra.sweep.dir=sweep")
    assert wavesweep("-m", *SMALL, *jobs, *how).returncode == 0
    runs = [RunDirectory(tmp_path / "sweep" / str(number)) for number in range(4)]
    pruned = next(run for run in runs if run.read_info().status == "pruned")
    again = check_equal_without_weights(tmp_path, f"sweep/{pruned.path.name}")
    assert again.read_info().status == "pruned"
    assert again.read_objectives() == pruned.read_objectives()
    assert len(pruned.read_objectives()) < 6
    finished = next(run for run in runs if run.read_info().status == "finished")
    assert check_equal(tmp_path, f"sweep/{finished.path.name}").read_info().sweep_id is None


def check_equal_without_weights(place: Path, run: str) -> RunDirectory:
    done, again = reproduce(place, run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("equal to the last bit: ")
    assert "weights" not in done.stdout
    return again


def test_a_diverged_run_is_reproduced(wavesweep: Command, tmp_path: Path) -> None:
    diverging = ("optimizer=sgd", "optimizer.lr=1e30", "training.clip_norm=0", "training.refine_epochs=0")
    assert wavesweep(*TINY, *diverging, "hydra.run.dir=run").returncode == 3
    again = check_equal(tmp_path, "run")
    assert again.read_info().status == "diverged"


@pytest.mark.slow
def test_a_run_that_lives_in_a_server_alone(server: str, wavesweep: Command, tmp_path: Path) -> None:
    tracking = (f"tracking.uri={server}", "tracking.experiment=alone")
    done = wavesweep(*TINY, *tracking, "seed=4", pictures=True)
    run_id = re.findall("MLflow run: ([0-9a-f]{32})", done.stdout)[0]
    shutil.rmtree(tmp_path / "outputs")
    check_equal(tmp_path, run_id[:12], *tracking)
    client = MlflowClient(server)
    [again] = client.search_runs([client.get_run(run_id).info.experiment_id], f"tags.`{names.REPRODUCES}` = '{run_id}'")
    assert again.info.status == "FINISHED"
    assert again.info.run_name == f"again {run_id[:4]}"
    text = "wavesweep.configuration"
    assert again.data.tags[text] == client.get_run(run_id).data.tags[text]
    said = wavesweep("diff", run_id, again.info.run_id, *tracking).stdout
    assert said == "nothing differs: configuration, data, code, versions, machine and final metrics are the same\n"
    note = client.get_run(run_id).data.tags["mlflow.note.content"]
    [line] = re.findall("`(wavesweep reproduce .*)` runs it again", note)
    assert wavesweep(*shlex.split(line)[1:]).returncode == 0


def test_a_run_of_another_format_is_refused_in_a_line(copied: RunDirectory, wavesweep: Command) -> None:
    copied.config.write_text(copied.config.read_text().replace("format_version: 4", "format_version: 3"))
    done = wavesweep("reproduce", "copy")
    rule = "format_version must be 4, got 3; this configuration needs an older wavesweep"
    assert (done.returncode, done.stderr) == (2, f"wavesweep: copy/config.yaml: {rule}\n")


def test_a_run_that_recorded_nothing_equals_none(copied: RunDirectory, tmp_path: Path, wavesweep: Command) -> None:
    copied.metrics.write_text("")
    done = wavesweep("reproduce", "copy")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "wavesweep: copy recorded nothing to compare with; run its config.yaml, or vary it\n"
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_neither_an_experiment_nor_a_folder_of_options_is_needed(wavesweep: Command, tmp_path: Path) -> None:
    own = tmp_path / "mine"
    (own / "experiment").mkdir(parents=True)
    (own / "experiment" / "quick.yaml").write_text("# @package _global_\ntraining: {batch_size: 3}\n")
    assert wavesweep("--config-dir", "mine", *TINY, "experiment=quick", "hydra.run.dir=run").returncode == 0
    shutil.rmtree(own)
    check_equal(tmp_path, "run")


def test_the_latest_run_and_python_too(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    again = ws.open_run("outputs/run").reproduce()
    assert again.equal
    assert re.fullmatch(EQUAL.format(again=".*", stored="outputs/run").removesuffix("\\n"), again.report)
    assert again.run.metrics.equals(ws.open_run("outputs/run").metrics)
    done, _ = reproduce(place, "latest")
    assert str(again.run.path.relative_to(place)) in done.stdout


class TestDifferences:
    def test_a_unit_in_the_last_place(self, stored: StoredRun, copied: RunDirectory) -> None:
        row = stored.records[2]
        row["val/one_step_mse"] = math.nextafter(row["val/one_step_mse"], 1)
        comparison = compare(stored, from_directory(copied))
        assert list(comparison.metrics) == [(2, "val/one_step_mse")]
        said = verdict(stored, from_directory(copied), comparison)
        assert ", from epoch 2 on\n" in said
        assert repr(row["val/one_step_mse"]) in said
        nothing = "Nothing else differs that is known: neither configuration, data, code, versions nor machine."
        assert said.endswith(nothing)
        assert compare(stored, from_directory(copied), rtol=1e-15).equal

    def test_it_in_the_store(self, place: Path, tmp_path: Path) -> None:
        shutil.copytree(place / "outputs", tmp_path / "outputs")
        client = MlflowClient(f"sqlite:///{tmp_path}/outputs/mlflow.db")
        key = RunDirectory(place / "outputs" / "run").read_info().run_key
        [run] = client.search_runs(["1"], f"tags.`{names.RUN_KEY}` = '{key}'")
        value = client.get_metric_history(run.info.run_id, "train/loss")[0].value
        with sqlite3.connect(tmp_path / "outputs" / "mlflow.db") as database:
            database.execute(
                "UPDATE metrics SET value = ? WHERE run_uuid = ? AND key = 'train/loss' AND step = 1",
                (math.nextafter(value, 1), run.info.run_id),
            )
        done, _ = reproduce(tmp_path, run.info.run_id[:8])
        assert done.returncode == 1
        assert re.search(rf"\n1 +train/loss +{math.nextafter(value, 1)!r} +{value!r}\n", done.stdout), done.stdout
        assert "Traceback" not in done.stderr

    def test_a_flipped_bit_of_the_weights(self, copied: RunDirectory, stored: StoredRun) -> None:
        content = bytearray(copied.weights.read_bytes())
        content[-9] ^= 1
        copied.weights.write_bytes(content)
        damaged = from_directory(copied)
        comparison = compare(damaged, stored)
        assert [one.what for one in comparison.ending] == ["weights"]
        said = verdict(damaged, stored, comparison)
        assert said.endswith(f"The weights of {damaged.place} are not those whose digest it recorded: "
                             "its file was changed.")  # fmt: skip

    @pytest.mark.slow  # on a machine that has other things to do, two threads wait for each other
    def test_another_number_of_threads(self, stored: StoredRun) -> None:
        """On which sums may depend: here it is told of a loss that is another."""
        runtime = stored.config.runtime.model_copy(update={"threads": 2})
        config = stored.config.model_copy(update={"runtime": runtime})
        again = replace(stored, config=config, records={**stored.records, 1: {"train/loss": 1.0}})
        said = verdict(stored, again, compare(stored, again))
        assert re.search(r"the likely cause first +stored +again\nruntime.threads +1 +2\n", f"{said}\n")

    @pytest.mark.parametrize(
        ("tag", "value", "what"),
        [
            (names.SOURCE_DIGEST, "0123456789ab", "source"),
            (names.VERSIONS, "wavesweep 0.1.0, torch 2.0.0", "torch"),
            (names.PROCESSOR, "another", "processor"),
        ],
    )
    def test_what_it_ran_on(self, tag: str, value: str, what: str, stored: StoredRun) -> None:
        other = replace(stored, tags=stored.tags | {tag: value}, records={**stored.records, 1: {"train/loss": 1.0}})
        comparison = compare(other, stored)
        assert comparison.causes[0].what == what
        assert f"\n{what} " in verdict(other, stored, comparison)

    def test_other_data(self, stored: StoredRun) -> None:
        other = replace(stored, data=stored.data | {"training": "0" * 16}, tags=stored.tags | {names.PROCESSOR: "x"})
        assert [one.what for one in compare(other, stored).causes] == ["data: training", "processor"]

    def test_what_was_never_recorded_is_no_difference_and_what_is_gone_is(self, stored: StoredRun) -> None:
        losses = {epoch: {"train/loss": row["train/loss"]} for epoch, row in stored.records.items() if epoch}
        less = replace(stored, records=losses)
        assert compare(less, stored).equal
        assert not compare(stored, less).equal
        assert not compare(stored, replace(stored, status="diverged")).equal


class TestVariations:
    def test_what_was_derived_is_derived_anew_and_what_was_set_stays(self, place: Path) -> None:
        done, again = reproduce(place, "outputs/run", "dataset.length=60", "model.dropout=0.1")
        assert done.returncode == 0, done.stderr
        values = again.read_config()
        expected = {"horizon": 60, "context": 60, "stride": 60, "coverage": 0.9, "quantiles": [], "refit": "none"}
        assert values["forecast"] == expected
        assert (values["training"]["window"], values["training"]["washout"]) == (60, 18)
        assert (values["model"]["hidden_sizes"], values["seed"], values["training"]["batch_size"]) == ([5], 3, 4)
        info = again.read_info()
        assert info.name == "run length=60 dropout=0.1"
        assert info.tags[names.BASED_ON] == "outputs/run"
        assert names.REPRODUCES not in info.tags
        assert info.choices["model"] == "medium", "the nearest option, since `stored` tells nothing"
        assert "equal" not in done.stdout

    def test_an_option_replaces_its_part(self, place: Path) -> None:
        _, again = reproduce(place, "outputs/run", "model=linear", "seed=1")
        assert again.read_config()["model"]["kind"] == "linear"
        assert again.read_config()["dataset"]["seed"] == 1, "it was derived from the seed"

    @pytest.mark.slow
    def test_a_sweep_around_it(self, place: Path, tmp_path: Path) -> None:
        shutil.copytree(place / "outputs", tmp_path / "outputs")
        swept = ("-m", "seed=1,2", "optimizer.lr=1e-3", "hydra/launcher=basic", "hydra.sweep.dir=sweep")
        done = call("reproduce", "outputs/run", *swept, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        client = MlflowClient(f"sqlite:///{tmp_path}/outputs/mlflow.db")
        wanted = f"tags.`{names.BASED_ON}` = 'outputs/run' and tags.`{names.SWEEP_ID}` = 'sweep'"
        based = client.search_runs(["1"], wanted)
        assert len(based) == 3, "both, and their parent"
        configs = [RunDirectory(tmp_path / "sweep" / number).read_config() for number in "01"]
        assert [one["seed"] for one in configs] == [1, 2]
        assert [one["model"]["hidden_sizes"] for one in configs] == [[5], [5]]
        again = check_equal(tmp_path, "sweep/1")
        assert again.read_config()["seed"] == 2

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("swept", "key", "values"),
        [
            (("runtime.dtype=float32,float64", "hydra/launcher=basic"), ("runtime", "dtype"), ["float32", "float64"]),
            (("model=tiny,linear", "hydra.sweeper.n_workers=2"), ("model", "kind"), ["lstm", "linear"]),
        ],
        ids=["what it runs on", "by workers of their own"],
    )
    def test_a_sweep_around_it_varies(
        self, swept: tuple[str, ...], key: tuple[str, str], values: list[str], place: Path, tmp_path: Path
    ) -> None:
        shutil.copytree(place / "outputs", tmp_path / "outputs")
        done = call("reproduce", "outputs/run", "-m", *swept, "hydra.sweep.dir=sweep", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        configs = [RunDirectory(tmp_path / "sweep" / number).read_config() for number in "01"]
        assert [one[key[0]][key[1]] for one in configs] == values
        assert {one["dataset"]["length"] for one in configs} == {40}
        for number in "01":
            check_equal(tmp_path, f"sweep/{number}")

    @pytest.mark.slow
    def test_a_bare_configuration_is_run_and_compared_with_nothing(self, place: Path, tmp_path: Path) -> None:
        config = tmp_path / "mine.yaml"
        shutil.copy(place / "outputs" / "run" / "config.yaml", config)
        done, again = reproduce(tmp_path, "mine.yaml")
        assert done.returncode == 0
        assert "mine.yaml is a configuration, no run: it is run, and compared with nothing\n" in done.stderr
        first, second = (yaml.safe_load(path.read_text()) for path in (config, again.config))
        assert first | {"tracking": None} == second | {"tracking": None}
        config.write_text(call("--cfg", "job", *TINY, cwd=tmp_path).stdout)
        assert "${public:" in config.read_text(), "the address, which belongs to here and now"
        _, varied = reproduce(tmp_path, "mine.yaml", "seed=9")
        assert varied.read_config()["seed"] == 9
        assert varied.read_info().tags[names.BASED_ON] == "mine.yaml"


def test_diff_shows_what_differs_alone(stored: StoredRun) -> None:
    assert diff(stored, stored).startswith("nothing differs")
    config = stored.config.model_copy(update={"seed": 7})
    scores = {**stored.records, 0: stored.records[0] | {"test/one_step_mse": 0.125, "time/train_seconds": 1e6}}
    said = diff(stored, replace(stored, config=config, records=scores, place="b")).splitlines()
    assert [line.split()[0] for line in said] == ["what", "seed", "final", "test/one_step_mse"]
    assert said[1].split() == ["seed", "3", "7"]


REFUSED = {
    ("reproduce",): "reproduce takes one run, got 0; name MLflow ids, directories, or latest",
    ("reproduce", "a", "b"): "reproduce takes one run, got 2",
    ("reproduce", "latest"): "latest names the run begun last below outputs, but there is none; name another",
    ("reproduce", "abcd"): "abcd must be a run, but sqlite:///outputs/mlflow.db is not there; give another tracking.",
    ("reproduce", "abcd", f"model.hidden_sizes=[{'1,' * 200}1]"): "abcd must be a run, but sqlite:///outputs/mlflow.db",
    ("reproduce", "."): ". must be a run's directory or id, or latest, got none of them; name another",
    ("reproduce", "a", "--rtol", "x"): "reproduce: --rtol: invalid float value: 'x'; wavesweep reproduce --help shows",
    ("reproduce", "a", "--rtol", "-1"): "rtol must be from 0 to 1, got -1; leave it out to compare every bit",
    ("reproduce", "a", "--fast"): "--fast is not a flag of reproduce; wavesweep reproduce --help shows what it takes",
    ("reproduce", "a", "-m"): "reproduce a is to vary, but nothing changes; give KEY=VALUE",
    ("reproduce", "a", "tracking.uri=http://me:secret@host"): "tracking.uri must not hold a password",
    ("diff", "latest"): "diff takes two runs, got 1",
    ("diff", "a", "b", "seed=1"): "diff takes tracking.* and runtime.* overrides, got seed=1; leave it out",
}


@pytest.mark.parametrize("arguments", REFUSED, ids=" ".join)
def test_a_refusal_is_one_line_and_leaves_nothing(
    arguments: tuple[str, ...], wavesweep: Command, tmp_path: Path
) -> None:
    done = wavesweep(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"wavesweep: {REFUSED[arguments]}")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_place_may_look_like_an_override(wavesweep: Command, tmp_path: Path) -> None:
    (tmp_path / "seed=1").mkdir()
    assert wavesweep("forecast", "seed=1").stderr.startswith("wavesweep: seed=1 must be a run's directory")


def test_an_id_that_names_no_run_or_several(place: Path) -> None:
    for beginning, reason in (("", "reproduce takes one run"), ("zz", "has none; name another")):
        done = call("reproduce", *([beginning] if beginning else []), cwd=place)
        assert done.returncode == 2
        assert reason in done.stderr
    done = call("reproduce", "outputs/run", "model.hidden_size=[3]", cwd=place)
    assert done.returncode == 2
    assert "model.hidden_size is not a key of the model chosen here" in done.stderr
