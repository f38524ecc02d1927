"""Saved views of MLflow's UI: which runs a page shows, in which order, with which columns and charts.

MLflow 3.16 and later keeps them as tags of the experiment and lists them under "Views". Where it is older, or changes
their form, the plain list of runs opens instead.
"""

import base64
import json
import re
import zlib
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from wavesweep.config.tag_names import OWN, SWEEP_ID
from wavesweep.evaluation import metric_names as names
from wavesweep.evaluation.metric_names import DIGITS, OBJECTIVE, SCALED, TEST_DIGITS, TRAIN_LOSS, TRAIN_SECONDS, metric
from wavesweep.models.baseline_names import BASELINES
from wavesweep.workspace.info import RunInfo

if TYPE_CHECKING:
    from mlflow import MlflowClient

RUNS, SWEEPS = "wavesweep.runs", "wavesweep.sweeps"
"""The ids of the views of single runs and of sweeps."""

TAG = "mlflow.sharedViewState."
MARK = "wavesweep"  # a key of what is written here; MLflow drops it where a user saves another view in its place
MOST_SWEEPS = 50  # with a view
MOST_KEYS = 12  # of a view
MOST_CHARACTERS, MOST_NAME = 20_000, 200  # of a tag's value, and of its name
WIDTH, WIDE = 90, 200  # pixels; the wide ones show an error's 17 digits with its exponent
COUNTED = ("finished", "pruned", "diverged", "failed")
SECTION = "wavesweep"
BASELINE_SCORES = [names.baseline_score(name) for name in BASELINES]
BESIDE = [names.MAE_IN_UNITS, names.MAPE, names.COVERAGE, names.INTERVAL_WIDTH, names.INTERVAL_SCORE]
TEST_SCORES = [names.ONE_STEP, names.CLOSED_LOOP, SCALED, *BASELINE_SCORES]
TEST_SCORES += [names.MAE, names.MASE, names.GAIN, names.GAIN_LOW, names.GAIN_HIGH]
TEST_SCORES += [*BESIDE, *map(names.of_baseline, BESIDE), names.COVERAGE_LEAST, names.COVERAGE_FLOOR]
TEST_SCORES += [names.QUANTILE_SCORE]
WATCHED = [metric("val", score) for score in (names.ONE_STEP, names.CLOSED_LOOP, SCALED, names.QUANTILE_LOSS)]
BY_EPOCH = [TRAIN_LOSS, *WATCHED, *map(names.sampled, WATCHED)]
ONCE = [OBJECTIVE, DIGITS, TEST_DIGITS, TRAIN_SECONDS, names.LOSS_EVALUATIONS, names.SKILL, *map(names.jobs, COUNTED)]
ONCE += [metric("test", score) for score in TEST_SCORES]
ONCE += [metric("val", score) for score in (names.KEPT_SCALED, *BASELINE_SCORES)]
"""The metrics of which MLflow would draw charts by itself: curves and bars."""

State = dict[str, Any]


class View(NamedTuple):
    """A saved view.

    Attributes:
        id: By which links name it.
        name: In the menu.
        created: Milliseconds since 1970; the same whenever it is written again.
        state: Of the page.
    """

    id: str
    name: str
    created: int
    state: State


def of_sweep(sweep_id: str) -> str:
    """Return the id of the view of a sweep's runs, of characters that a tag's name may have."""
    return "wavesweep.sweep." + re.sub(r"[^A-Za-z0-9_.-]", "_", sweep_id)[:MOST_NAME]


def sweep_view(sweep: RunInfo, *, in_digits: bool) -> View:
    """Return the view of a sweep's runs, drawn by what varies; with errors in digits, where runs have these."""
    sweep_id = str(sweep.sweep_id)
    quote = '"' if "'" in sweep_id else "'"
    where = f"tags.`{SWEEP_ID}` = {quote}{sweep_id}{quote} AND tags.`mlflow.parentRunId` LIKE '%'"
    kinds = dict(list(sweep.varied.items())[:MOST_KEYS])
    axes = {key: names.log10(key) if kind == "log" else key for key, kind in kinds.items()}
    scattered = [key for key, kind in kinds.items() if kind != "values" or key == "seed"]
    scores = [OBJECTIVE, metric("test", SCALED), TRAIN_SECONDS]
    found, tested = scores[:2]
    if in_digits:
        found, tested = DIGITS, TEST_DIGITS
        scores = [found, tested, *scores]
    charts = [*_validation_curves(), _parallel([*axes.values()], found)]
    charts += [_scatter(axes[key], found) for key in scattered]
    charts += [_bars(tested), _bars(TRAIN_SECONDS), _curves(TRAIN_LOSS)]
    state = _state(where, [*kinds], scores, charts)
    return View(of_sweep(sweep_id), f"{sweep.name} · {sweep_id}", sweep.started, state)


def runs_view() -> View:
    """Return the view of all single runs, beside their baselines."""
    baselines = [metric("test", score) for score in BASELINE_SCORES]
    scores = [DIGITS, TEST_DIGITS, TRAIN_SECONDS, OBJECTIVE, metric("test", SCALED), *baselines]
    charts = [*_validation_curves(), _curves(TRAIN_LOSS), _bars(TEST_DIGITS), _bars(TRAIN_SECONDS)]
    state = _state(f"tags.`{SWEEP_ID}` IS NULL", ["dataset", "model", "optimizer", "seed"], scores, charts)
    return View(RUNS, "single runs", 0, state)


def sweeps_view() -> View:
    """Return the view of all sweeps, each by its best."""
    counts = [names.jobs(state) for state in COUNTED]
    where = f"tags.`{SWEEP_ID}` LIKE '%' AND tags.`mlflow.parentRunId` IS NULL"
    scores = [DIGITS, TEST_DIGITS, *counts, OBJECTIVE, metric("test", SCALED)]
    charts = [_curves(DIGITS, scale="linear"), _curves(OBJECTIVE), _bars(DIGITS)]
    tags = [f"{OWN}{key}" for key in ("sampler", "pruner", "jobs")]
    return View(SWEEPS, "sweeps", 0, _state(where, [], scores, charts, tags))


def publish(client: "MlflowClient", experiment_id: str, views: Iterable[View]) -> None:
    """Write views, but those that are there, or that a user has replaced by another; of sweeps', keep the newest."""
    from mlflow.exceptions import MlflowException

    tags = dict(client.get_experiment(experiment_id).tags)
    for view in views:
        tag = TAG + view.id
        value = _pack(view)
        before = tags.get(tag, "")
        is_free = not before or _is_ours(before)
        if is_free and value != before and len(value) <= MOST_CHARACTERS:
            client.set_experiment_tag(experiment_id, tag, value)
            tags[tag] = value
    sweeps = [key for key, text in tags.items() if key.startswith(TAG + of_sweep("")) and _is_ours(text)]
    sweeps.sort(key=lambda key: json.loads(tags[key])["createdAt"])
    for key in sweeps[:-MOST_SWEEPS]:
        with suppress(MlflowException):  # where another process was faster
            client.delete_experiment_tag(experiment_id, key)


def _pack(view: View) -> str:
    """Return a view as MLflow keeps it."""
    packed = base64.b64encode(zlib.compress(json.dumps(view.state).encode(), 9)).decode()
    times = {"createdAt": view.created, "updatedAt": view.created}
    return json.dumps({"name": view.name, **times, "state": f"deflate;{packed}", MARK: 1})


def _is_ours(text: str) -> bool:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and MARK in content and isinstance(content.get("createdAt"), int)


def _state(where: str, params: list[str], scores: list[str], charts: list[State], tags: Iterable[str] = ()) -> State:
    """Return the state of a page: its runs by their objective, and charts of all of them in two columns."""
    widths = {f"params.`{key}`": WIDTH for key in params} | {f"tags.`{key}`": 2 * WIDTH for key in tags}
    widths |= {f"metrics.`{key}`": WIDE if key == OBJECTIVE or key.endswith("mse") else WIDTH for key in scores}
    drawn = {chart.get("metricKey") for chart in charts}
    charts += [_removed("LINE", key) for key in BY_EPOCH if key not in drawn]
    charts += [_removed("BAR", key) for key in ONCE if key not in drawn]
    section = {"uuid": SECTION, "name": "Charts", "display": True, "isReordered": True, "columns": 2, "cardHeight": 360}
    section |= {"deleted": False, "isGenerated": False}
    return {
        "searchFilter": where,
        "orderByKey": f"metrics.`{OBJECTIVE}`",
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [*widths],
        "columnOrder": [*widths],
        "columnWidths": widths,
        "runsHiddenMode": "SHOW_ALL",
        "groupBy": None,
        "hideEmptyCharts": True,
        "compareRunSections": [section],
        "compareRunCharts": [{"uuid": f"{SECTION}-{number}", **chart} for number, chart in enumerate(charts)],
        "isAccordionReordered": True,
    }


def _chart(kind: str, **settings: Any) -> State:
    return {"type": kind, "metricSectionId": SECTION, "deleted": False, "isGenerated": False} | settings


def _removed(kind: str, key: str) -> State:
    """Return a chart that a user has removed: MLflow adds one itself, on a linear axis, for each metric without any."""
    return _chart(kind, metricKey=key, selectedMetricKeys=[key], isGenerated=True, deleted=True)


def _curves(key: str, scale: str = "log") -> State:
    """Return a chart of a metric over epochs, or of a sweep's over how many of its jobs have ended."""
    settings = {"metricKey": key, "selectedMetricKeys": [key], "scaleType": scale, "xAxisKey": "step"}
    return _chart("LINE", lineSmoothness=0, xAxisScaleType="linear", **settings)


def _validation_curves() -> list[State]:
    """Return the charts of runs that watch all validation origins, and of those that watch a sample."""
    key = metric("val", SCALED)
    return [_curves(key), _curves(names.sampled(key))]


def _parallel(keys: list[str], score: str) -> State:
    return _chart("PARALLEL", selectedParams=keys, selectedMetrics=[score], showAllRuns=True)


def _scatter(key: str, score: str) -> State:
    return _chart("SCATTER", xaxis={"key": key, "type": "PARAM"}, yaxis={"key": score, "type": "METRIC"})


def _bars(key: str) -> State:
    return _chart("BAR", metricKey=key, dataAccessKey=key)
