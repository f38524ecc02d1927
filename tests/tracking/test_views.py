"""Saved views of MLflow's UI, on a real store."""

import base64
import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.support.parts import small
from wavesweep.trackers.mlflow.store import connect
from wavesweep.trackers.mlflow.views import (
    MOST_CHARACTERS,
    MOST_SWEEPS,
    TAG,
    View,
    of_sweep,
    publish,
    runs_view,
    sweep_view,
    sweeps_view,
)
from wavesweep.workspace.info import RunInfo

SWEEP = RunInfo(
    ["model=tiny,small"],
    {},
    "2026-11-26_12-00-00_ab12",
    "sweep of model × lr",
    started=1_700_000_000_000,
    varied={"model": "values", "optimizer.lr": "log", "training.batch_size": "interval", "seed": "values"},
)


@pytest.fixture
def store(tmp_path: Path) -> tuple[MlflowClient, str]:
    return connect(small(f"tracking.uri=sqlite:///{tmp_path}/mlflow.db").tracking)


def tags(store: tuple[MlflowClient, str]) -> dict[str, str]:
    """Return all views by their ids."""
    client, experiment_id = store
    found = client.get_experiment(experiment_id).tags
    return {key.removeprefix(TAG): value for key, value in found.items() if key.startswith(TAG)}


def state(text: str) -> dict[str, Any]:
    """Read the state of a page as MLflow does."""
    kind, _, packed = json.loads(text)["state"].partition(";")
    assert kind == "deflate"
    return json.loads(zlib.decompress(base64.b64decode(packed)))


@pytest.mark.parametrize(
    "view", [sweep_view(SWEEP, in_digits=True), runs_view(), sweeps_view()], ids=lambda view: view.id
)
def test_a_view_is_what_mlflow_reads(view: View, store: tuple[MlflowClient, str]) -> None:
    publish(*store, [view])
    [(name, text)] = tags(store).items()
    content = json.loads(text)
    assert name == view.id
    assert isinstance(content["name"], str)
    assert {type(content["createdAt"]), type(content["updatedAt"])} == {int}
    page = state(text)
    assert page == view.state
    assert page["orderByKey"] == "metrics.`objective`"
    assert page["columnWidths"].keys() == set(page["selectedColumns"]) == set(page["columnOrder"])
    [section] = page["compareRunSections"]
    assert {chart["metricSectionId"] for chart in page["compareRunCharts"]} == {section["uuid"]}
    assert len({chart["uuid"] for chart in page["compareRunCharts"]}) == len(page["compareRunCharts"])


def test_a_sweep_is_drawn_by_what_it_varies() -> None:
    charts = [chart for chart in sweep_view(SWEEP, in_digits=True).state["compareRunCharts"] if not chart["deleted"]]
    [parallel] = [chart for chart in charts if chart["type"] == "PARALLEL"]
    assert parallel["selectedParams"] == ["model", "log10 optimizer.lr", "training.batch_size", "seed"]
    drawn = [chart["xaxis"]["key"] for chart in charts if chart["type"] == "SCATTER"]
    assert drawn == ["log10 optimizer.lr", "training.batch_size", "seed"], "intervals and seeds, not lists"
    assert {chart["scaleType"] for chart in charts if chart["type"] == "LINE"} == {"log"}


@pytest.mark.parametrize(
    ("in_digits", "objective", "tested"),
    [(True, "digits", "test/digits"), (False, "objective", "test/closed_loop_scaled_mse")],
)
def test_digits_are_shown_where_runs_have_them(in_digits: bool, objective: str, tested: str) -> None:
    page = sweep_view(SWEEP, in_digits=in_digits).state
    charts = [chart for chart in page["compareRunCharts"] if not chart["deleted"]]
    assert {chart["yaxis"]["key"] for chart in charts if chart["type"] == "SCATTER"} == {objective}
    assert [chart["selectedMetrics"] for chart in charts if chart["type"] == "PARALLEL"] == [[objective]]
    assert tested in [chart["metricKey"] for chart in charts if chart["type"] == "BAR"]
    assert ("metrics.`digits`" in page["selectedColumns"]) == in_digits


def test_writing_again_changes_nothing(store: tuple[MlflowClient, str]) -> None:
    for _ in range(2):
        publish(*store, [sweep_view(SWEEP, in_digits=True)])
        publish(*store, [runs_view()])
    before = tags(store)
    publish(*store, [sweep_view(SWEEP, in_digits=True)])
    assert tags(store) == before
    assert len(before) == 2


def test_a_view_that_we_wrote_is_brought_up_to_date(store: tuple[MlflowClient, str]) -> None:
    publish(*store, [sweep_view(SWEEP, in_digits=True)])
    other = replace(SWEEP, varied={"model": "values"})
    publish(*store, [sweep_view(other, in_digits=True)])
    assert state(tags(store)[of_sweep(str(SWEEP.sweep_id))]) == sweep_view(other, in_digits=True).state


@pytest.mark.parametrize(
    "theirs", ['{"name": "mine", "createdAt": 1, "updatedAt": 2, "state": "{}"}', "no JSON", "[]", "[" * 9999]
)
def test_a_view_that_a_user_saved_in_its_place_stays(theirs: str, store: tuple[MlflowClient, str]) -> None:
    client, experiment_id = store
    client.set_experiment_tag(experiment_id, TAG + runs_view().id, theirs)
    publish(*store, [runs_view()])
    assert tags(store) == {runs_view().id: theirs}


def test_of_sweeps_the_newest_are_kept_and_nothing_else_is_removed(store: tuple[MlflowClient, str]) -> None:
    client, experiment_id = store
    others = {"mine": "{}", of_sweep("theirs"): '{"name": "x", "createdAt": 1, "state": "{}"}'}
    for name, text in others.items():
        client.set_experiment_tag(experiment_id, TAG + name, text)
    numbers = [*range(MOST_SWEEPS), MOST_SWEEPS + 1, MOST_SWEEPS]
    for number in numbers:
        publish(*store, [sweep_view(replace(SWEEP, sweep_id=f"{99 - number}", started=number + 1), in_digits=True)])
    publish(*store, [runs_view(), sweeps_view()])
    kept = {of_sweep(f"{99 - number}") for number in range(2, MOST_SWEEPS + 2)}
    assert tags(store).keys() == kept | others.keys() | {runs_view().id, sweeps_view().id}


def test_a_view_that_another_process_has_just_removed_is_gone(
    store: tuple[MlflowClient, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = MlflowClient.delete_experiment_tag
    monkeypatch.setattr(MlflowClient, "delete_experiment_tag", lambda *args: remove(*args) or remove(*args))
    for number in range(MOST_SWEEPS + 1):
        publish(*store, [sweep_view(replace(SWEEP, sweep_id=str(number), started=number), in_digits=True)])
    assert tags(store).keys() == {of_sweep(str(number)) for number in range(1, MOST_SWEEPS + 1)}


def test_a_sweep_over_many_keys_still_has_a_view(store: tuple[MlflowClient, str]) -> None:
    varied = {f"group.{'long_' * 40}{number}": "log" for number in range(100)}
    publish(*store, [sweep_view(replace(SWEEP, varied=varied), in_digits=True)])  # type: ignore[arg-type]
    [text] = tags(store).values()
    assert len(text) <= MOST_CHARACTERS


@pytest.mark.parametrize("sweep_id", ["my 'own' sweep", "Ünïcode & co", "x" * 250])
def test_a_sweep_of_any_name_has_a_view_of_its_runs(sweep_id: str, store: tuple[MlflowClient, str]) -> None:
    client, experiment_id = store
    view = sweep_view(replace(SWEEP, sweep_id=sweep_id), in_digits=True)
    publish(*store, [view])
    assert [*tags(store)] == [view.id]
    ours = {"wavesweep.sweep_id": sweep_id, "mlflow.parentRunId": "any"}
    run = client.create_run(experiment_id, tags=ours)
    client.create_run(experiment_id, tags=ours | {"wavesweep.sweep_id": "another"})
    [found] = client.search_runs([experiment_id], view.state["searchFilter"])
    assert found.info.run_id == run.info.run_id
