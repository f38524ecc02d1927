"""Names and tags of the user's own, and what they mean to MLflow: on real stores, and a real server."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.utils.validation import _validate_tag

from hydra_queue_sweeper.base.errors import Refused
from tests.support.commands import SMALL, Command
from tests.support.parts import composed, with_values
from wavesweep.config.composing import compose
from wavesweep.config.config import Tracking, dump, parse
from wavesweep.trackers.mlflow.store import KIND, MACHINE_LEARNING, connect
from wavesweep.workspace.directory import RunDirectory

QUICK = (*SMALL, "model=tiny", "training.epochs=1", "training.refine_epochs=0")
BASIC = "hydra/launcher=basic"
OWN = {"team": "a", "phase": "2", "done": "true", "a.b": "0.5"}
TYPED = "tracking.tags={team:a,phase:2,done:true,a.b:0.5}"


def runs(place: Path, uri: str = "", experiment: str = "wavesweep") -> list[Run]:
    client = MlflowClient(uri or f"sqlite:///{place}/outputs/mlflow.db")
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return client.search_runs([found.experiment_id], order_by=["attributes.start_time"])


def own_tags(run: Run) -> dict[str, str]:
    return {key: value for key, value in run.data.tags.items() if not key.startswith(("mlflow.", "wavesweep."))}


def half_done(wavesweep: Command, place: Path, *more: str) -> None:
    """Leave a sweep of two jobs, of which one has failed and would not again."""
    waiting = ("-m", *QUICK, "seed=0,1", "hydra.sweep.dir=sweep", "hydra.sweeper.timeout=0", BASIC, *more)
    assert wavesweep(*waiting).returncode == 0
    (place / "sweep" / "1" / "checkpoint.pt").mkdir(parents=True)  # a folder where a file belongs
    assert wavesweep("resume", "sweep", BASIC).returncode == 1
    (place / "sweep" / "1" / "checkpoint.previous.pt").rmdir()


@pytest.mark.parametrize("typed", ["tracking.tags.team=a +tracking.tags.phase=2", "tracking.tags={team:a,phase:2}"])
def test_tags_are_typed_as_people_expect(typed: str) -> None:
    assert compose(*typed.split()).tracking.tags == {"team": "a", "phase": 2}


def test_a_run_has_its_name_and_tags_and_keeps_them(wavesweep: Command, tmp_path: Path) -> None:
    done = wavesweep(*QUICK, "tracking.run_name=my first", TYPED, "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    assert "\nmy first\n" in f"\n{done.stdout}"
    [run] = runs(tmp_path)
    assert run.info.run_name == "my first"
    assert own_tags(run) == OWN
    other = f"sqlite:///{tmp_path}/outputs/other.db"
    assert wavesweep("sync", "run", f"tracking.uri={other}", "tracking.tags.team=b").returncode == 0
    [copy] = runs(tmp_path, other)
    assert (copy.info.run_name, own_tags(copy)) == ("my first", OWN | {"team": "b"})
    assert wavesweep("reproduce", "run", "tracking.tags.why=check").returncode == 0
    again = runs(tmp_path)[-1]
    assert (again.info.run_name, own_tags(again)) == ("again run", {"why": "check"})
    assert again.data.tags["wavesweep.configuration"] == run.data.tags["wavesweep.configuration"]


def test_a_run_from_a_file_or_a_run_is_named_after_it(wavesweep: Command, tmp_path: Path) -> None:
    assert wavesweep(*QUICK, "tracking.run_name=theirs", TYPED, "hydra.run.dir=run").returncode == 0
    assert wavesweep("reproduce", "run/config.yaml").returncode == 0
    assert wavesweep("reproduce", "run", "optimizer.lr=3e-3", "seed=2").returncode == 0
    names = {run.info.run_name: own_tags(run) for run in runs(tmp_path)}
    assert names == {"theirs": OWN, "config.yaml": {}, "run lr=0.003 s=2": {}}


def test_a_sweep_gives_name_and_tags_to_its_parent_and_tags_to_its_jobs(wavesweep: Command, tmp_path: Path) -> None:
    swept = ("optimizer.lr=0.0012345678,1e-2", "seed=0,1", "hydra.sweep.dir=sweep", BASIC)
    assert wavesweep("-m", *QUICK, *swept, "tracking.run_name=all", TYPED).returncode == 0
    parent, *jobs = sorted(runs(tmp_path), key=lambda run: "mlflow.parentRunId" in run.data.tags)
    assert parent.info.run_name == "all"
    assert {run.info.run_name for run in jobs} == {
        "0 lr=0.001235 s=0",
        "1 lr=0.001235 s=1",
        "2 lr=0.01 s=0",
        "3 lr=0.01 s=1",
    }
    assert all(own_tags(run) == OWN for run in (parent, *jobs))
    texts = {(run.data.tags["wavesweep.config_hash"], run.data.tags["wavesweep.configuration"]) for run in jobs}
    assert {text.split()[1] for _, text in texts} == {"lr=0.00123457", "lr=0.01"}
    assert len(texts) == len({hashed for hashed, _ in texts}) == 2


@pytest.mark.slow
def test_a_sweep_keeps_its_tags_when_it_goes_on(wavesweep: Command, tmp_path: Path) -> None:
    half_done(wavesweep, tmp_path, TYPED, "tracking.run_name=it")
    assert wavesweep("resume", "sweep", BASIC).returncode == 0
    by_name = {run.info.run_name: (run.info.status, own_tags(run)) for run in runs(tmp_path)}
    assert by_name == dict.fromkeys(("it", "0 s=0", "1 s=1"), ("FINISHED", OWN))


def test_another_sweeper_names_its_jobs_too(wavesweep: Command, tmp_path: Path) -> None:
    done = wavesweep("-m", *QUICK, "seed=0,1", "hydra/sweeper=basic", BASIC)
    assert done.returncode == 0, done.stderr
    assert {str(run.info.run_name).split()[0] for run in runs(tmp_path)} >= {"0", "1"}


def test_a_wrong_tag_is_refused_before_anything_is_written(wavesweep: Command, tmp_path: Path) -> None:
    for mode in ((), ("-m", "seed=0,1")):
        done = wavesweep(*mode, *QUICK, "tracking.tags.mlflow.user=me")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        done = wavesweep(*mode, *QUICK, "tracking.tags.url=http://me:secret@host")
        assert done.returncode == 2
        assert "secret" not in done.stdout + done.stderr
    assert [*tmp_path.iterdir()] == []


KEYS = st.text(max_size=5) | st.from_regex(r"[\w./ :-]{1,6}", fullmatch=True)


@given(st.dictionaries(KEYS, st.text(), min_size=1, max_size=2))
@settings(deadline=None)  # of the first, which composes
def test_mlflow_takes_each_tag_that_is_accepted(tags: dict[str, str]) -> None:
    try:
        accepted = parse(with_values(dump(composed()), {"tracking.tags": tags})).tracking.tags
    except Refused:
        return
    for key, value in accepted.items():
        _validate_tag(key, value)


def test_the_experiment_is_named_by_mlflow_s_variable(wavesweep: Command) -> None:
    shown = ("--cfg", "job", "--resolve", "-p", "tracking")
    for name, chosen in (("theirs", "theirs"), ("", "wavesweep")):
        done = wavesweep(*shown, MLFLOW_EXPERIMENT_NAME=name)
        assert yaml.safe_load(done.stdout)["experiment"] == chosen
    done = wavesweep(*shown, "tracking.experiment=own", MLFLOW_EXPERIMENT_NAME="theirs")
    assert yaml.safe_load(done.stdout)["experiment"] == "own"


def test_a_data_set_is_named_by_the_option_chosen(wavesweep: Command, tmp_path: Path) -> None:
    (tmp_path / "mine" / "dataset").mkdir(parents=True)
    (tmp_path / "mine" / "dataset" / "my_wave.yaml").write_text("defaults: [sine, _self_]\nwidth: 3\n")
    done = wavesweep("--config-dir", "mine", "dataset=my_wave", *QUICK, "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    directory = RunDirectory(tmp_path / "run")
    assert {part["name"] for part in directory.read_info().inputs} == {"my_wave"}
    info = directory.read_info()
    directory.write_info(replace(info, inputs=[part | {"name": "sine"} for part in info.inputs]))
    assert wavesweep("reproduce", "run").returncode == 0, "what data is called changes none of it"


def kind_of(tracking: Tracking) -> str | None:
    client, experiment = connect(tracking)
    return client.get_experiment(experiment).tags.get(KIND)


def check_kinds(uri: str, name: str) -> None:
    """Make sure that our experiments are known to train models, and that what a person set stays."""
    tracking = Tracking(followers=("mlflow",), uri=uri, experiment=name, required=False, tags={})
    assert kind_of(tracking) == MACHINE_LEARNING
    client, experiment = connect(tracking)
    client.set_experiment_tag(experiment, KIND, "genai_development")
    assert kind_of(tracking) == "genai_development"
    there = client.create_experiment(f"{name} of before")
    assert kind_of(tracking.model_copy(update={"experiment": f"{name} of before"})) == MACHINE_LEARNING
    assert client.get_experiment(there).lifecycle_stage == "active"


def test_an_experiment_leads_to_the_pages_for_training(tmp_path: Path) -> None:
    check_kinds(f"sqlite:///{tmp_path}/mlflow.db", "kinds")


@pytest.mark.slow
def test_a_server_gets_names_tags_and_kind(server: str, wavesweep: Command, tmp_path: Path) -> None:
    check_kinds(server, "kinds")
    place = (f"tracking.uri={server}", "tracking.experiment=tagged")
    done = wavesweep("-m", *QUICK, "seed=0,1", BASIC, TYPED, *place)
    assert done.returncode == 0, done.stderr
    found = {run.info.run_name: own_tags(run) for run in runs(tmp_path, server, "tagged")}
    assert found == dict.fromkeys(("0 s=0", "1 s=1", "sweep of seed"), OWN)
