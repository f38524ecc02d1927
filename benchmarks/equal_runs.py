"""Tells whether a change of the code has changed a number: makes small runs of all kinds before and after it.

    python benchmarks/equal_runs.py record before.json          some minutes on two cores
    python benchmarks/equal_runs.py record after.json           once the code has changed
    python benchmarks/equal_runs.py compare before.json after.json

Runs whatever `wavesweep` the environment imports, in a temporary directory, and keeps the facts of each run: all that
it recorded but times, digests of tensors and of pictures' pixels, forecasts, leaderboards. Equal means to the last bit,
so both records must come from the same machine, with the same versions. Values of the configuration are compared under
a heading of their own, where keys may come and go. Where an option has got another name, the cases below need it as
well: they are told apart by their names alone.
"""

import csv
import gzip
import json
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml
from matplotlib.image import imread
from safetensors.numpy import load_file

Facts = dict[str, Any]
"""Values by what they are of."""


class Cut(NamedTuple):
    """A command that a signal ends, once there is a file.

    Attributes:
        line: Its arguments.
        by: The signal.
        once: Pattern of the file.
    """

    line: str
    by: signal.Signals
    once: str = "outputs/runs/*/checkpoint.pt"


Step = str | Cut

SMALL = (
    "dataset.num_series=7 dataset.length=40 dataset.width=3 model.hidden_sizes=[5] "
    "training.epochs=3 training.refine_epochs=2 training.batch_size=4"
)
NOISY = SMALL.replace("dataset.width=3 ", "dataset=linear_noise ")
ALONE = f"{SMALL} dataset.num_series=1 dataset.length=160"
LINEAR = "dataset.num_series=7 dataset.length=40 dataset.width=3 model=linear"
FILE = "dataset=csv model.hidden_sizes=[5] training.epochs=4"
PANEL = "dataset.path=data/panel.csv dataset.series_column=shop"
HIGHWAY = f"{FILE} dataset.path=data/one.csv"
ARTICLE = "model.hidden_sizes=[9,8] optimizer.max_iter=5 training.epochs=3"
LONG = f"{SMALL} training.epochs=100 training.refine_epochs=20"  # some seconds, so that a signal finds it at work
LONG_HIGHWAY = f"{HIGHWAY} training.epochs=300 training.record_every=2"
SWEEP = f"-m {SMALL} hydra.sweep.dir=outputs/sweeps/swept"
ALONG = f"{SWEEP} hydra.sweeper.n_workers=1"  # one after the other: what is proposed or pruned depends on the order

DATA: dict[str, str] = {
    "sine": SMALL,
    "sine: two parts": f"{SMALL} dataset.split=[6,1,0]",
    "sine: counts": f"{SMALL} dataset.split=[4,2,1]",
    "sine: fractions": f"{SMALL} dataset.split=[0.5,0.25,0.25]",
    "sine: further series validate": f"{SMALL} dataset.validation_series=2",
    "sine: one series, by time": ALONE,
    "sine: one series, given seasons": f"{ALONE} dataset.season=[19]",
    "sine: one series, a highway": f"{ALONE} training.refine_epochs=0 model.highway=true model.members=2",
    "sine: sizes drawn": f"{SMALL} dataset.num_series=null dataset.length=30 dataset.width=null",
    "sine: seed 0": f"{SMALL} seed=0",
    "sine: seed 3": f"{SMALL} seed=3",
    "sine: another seed for data": f"{SMALL} seed=3 dataset.seed=1",
    "cos_sin_squared": f"{SMALL} dataset=cos_sin_squared",
    "linear_noise": NOISY,
    "linear_noise: by step": f"{NOISY} dataset.noise_per=step dataset.slope=0.5 dataset.noise_std=2",
    "article/sine": f"experiment=article/sine {ARTICLE} dataset.num_series=8 dataset.length=60 dataset.split=[5,0,3]",
    "article/cos_sin_squared": f"experiment=article/cos_sin_squared {ARTICLE} dataset.length=60",
    "article/linear_noise": f"experiment=article/linear_noise {ARTICLE}",
    "article/minutes": "experiment=article/minutes training.epochs=60 training.record_every=20",
}
FORECASTS: dict[str, str] = {
    "horizon and context": f"{SMALL} forecast.horizon=7 forecast.context=30",
    "stride": f"{ALONE} forecast.horizon=5 forecast.context=40 forecast.stride=3",
    "coverage": f"{ALONE} forecast.horizon=4 forecast.coverage=0.5",
    "objective: closed loop, unscaled": f"{SMALL} objective=val/closed_loop_mse",
    "objective: one step": f"{SMALL} objective=val/one_step_mse",
    "float64": f"{SMALL} runtime.dtype=float64",
    "tracked by default": f"{SMALL} tracking.uri=sqlite:///outputs/mlflow.db",
}
MODELS: dict[str, str] = {
    "tiny": f"{SMALL} model=tiny model.hidden_sizes=[15]",
    "small": f"{SMALL} model=small model.hidden_sizes=[32]",
    "medium": f"{SMALL} model=medium model.hidden_sizes=[64]",
    "large": f"{SMALL} model=large model.hidden_sizes=[64,64]",
    "pointwise": f"{NOISY.replace('model.hidden_sizes=[5]', 'model=pointwise')} dataset.num_series=1",
    "linear": LINEAR,
    "linear: order": f"{LINEAR} model.order=4 model.centred=true",
    "linear: lags": f"{LINEAR} model.lags=[1,2,9] model.joint=false",
    "unequal layers": f"{SMALL} model.hidden_sizes=[6,4]",
    "head": f"{SMALL} model.head_size=3",
    "dropout": f"{SMALL} model.hidden_sizes=[6,4] model.dropout=0.3",
    "batch normalization": f"{SMALL} model.normalization=batch",
    "layer normalization": f"{SMALL} model.normalization=layer",
    "differences": f"{SMALL} model.difference=true",
    "no differences": f"{NOISY} model.difference=false",
    "increments": f"{SMALL} model.output=increment",
    "uniform weights": f"{SMALL} model.initialization=uniform",
}
OPTIMIZERS: dict[str, str] = {
    "adam: constant": f"{SMALL} optimizer.schedule=constant optimizer.lr=3e-3 optimizer.betas=[0.8,0.99]",
    "adamw": f"{SMALL} optimizer=adamw",
    "adamw: cosine": f"{SMALL} optimizer=adamw optimizer.schedule=cosine optimizer.weight_decay=0.1",
    "rmsprop": f"{SMALL} optimizer=rmsprop",
    "rmsprop: constant": f"{SMALL} optimizer=rmsprop optimizer.schedule=constant optimizer.momentum=0.5",
    "sgd": f"{SMALL} optimizer=sgd",
    "sgd: cosine": f"{SMALL} optimizer=sgd optimizer.schedule=cosine optimizer.momentum=0.5",
    "lbfgs": f"{SMALL} optimizer=lbfgs",
    "lbfgs: no line search": f"{SMALL} optimizer=lbfgs optimizer.line_search=none optimizer.lr=0.1",
    "lbfgs: alone": f"{SMALL} optimizer=lbfgs training.refine_epochs=0 optimizer.history_size=5",
    "sgd: diverges": f"{SMALL} optimizer=sgd optimizer.lr=1e30 optimizer.schedule=constant training.clip_norm=0",
}
TRAINING: dict[str, str] = {
    "epochs derived": f"{SMALL} training.epochs=null training.batch_size=100 training.refine_epochs=1",
    "no refinement": f"{SMALL} training.refine_epochs=0",
    "refinement derived": f"{SMALL} training.refine_epochs=null training.epochs=1",
    "refinement: windows, restarts": f"{SMALL} training.refine_epochs=5 training.refine_windows=3 "
    "training.refine_restart_every=2 training.window=14",
    "noise": f"{SMALL} training.noise_start=0.1 training.noise_end=0.01",
    "noise: lbfgs": f"{SMALL} optimizer=lbfgs training.noise_start=0.1 training.noise_end=0.01",
    "window and washout": f"{SMALL} training.window=20 training.washout=3",
    "whole series": f"{SMALL} training.window=0 training.washout=0",
    "patience": f"{SMALL} training.patience=2 training.refine_epochs=0 training.epochs=12 optimizer.lr=0.5",
    "patience in the refinement": f"{SMALL} training.patience=1 training.refine_epochs=12",
    "last epoch kept": f"{SMALL} training.keep=last",
    "some epochs recorded": f"{SMALL} training.record_every=2 training.epochs=5",
    "pictures of all epochs": f"{SMALL} training.epoch_figures=all",
    "gradients clipped": f"{SMALL} training.clip_norm=0.01",
    "raw values": f"{SMALL} training.standardize=false",
}
FILES: dict[str, str] = {
    "one series": HIGHWAY,
    "one series: gzipped": f"{FILE} dataset.path=data/one.csv.gz",
    "one series: Parquet": f"{FILE} dataset.path=data/one.parquet",
    "gaps": f"{FILE} dataset.path=data/gaps.csv dataset.missing=interpolate",
    "stamps that come twice": f"{FILE} dataset.path=data/twice.csv dataset.duplicates=mean",
    "semicolons": f"{FILE} dataset.path=data/semicolons.csv 'dataset.decimal=\",\"' 'dataset.time_format=\"%d/%m/%Y\"'",
    "channels": f"{FILE} dataset.path=data/wide.csv",
    "channels: target": f"{FILE} dataset.path=data/wide.csv dataset.target=[b]",
    "channels: two": f"{FILE} dataset.path=data/wide.csv dataset.value_columns=[a,c] model.joint=true",
    "channels: global scale": f"{FILE} dataset.path=data/wide.csv training.standardize=global",
    "panel": f"{FILE} {PANEL}",
    "panel: global scale": f"{FILE} {PANEL} training.standardize=global",
    "panel: raw values": f"{FILE} {PANEL} training.standardize=false",
    "panel: no highway": f"{FILE} {PANEL} model.highway=false training.refine_epochs=2",
    "panel: linear": f"dataset=csv {PANEL} model=linear",
    "split: fractions": f"{HIGHWAY} dataset.split=[0.6,0.2,0.2]",
    "split: counts": f"{HIGHWAY} dataset.split=[100,25,25]",
    "season: given": f"{HIGHWAY} dataset.season=[7]",
    "season: two": f"{HIGHWAY} dataset.season=[7,14] forecast.horizon=5",
    "season: none": f"{HIGHWAY} dataset.season=[]",
    "objective: one step, a file": f"{HIGHWAY} objective=val/one_step_mse",
    "highway: one network": f"{HIGHWAY} model.members=1 model.memory=8",
    "highway: long memory": f"{HIGHWAY} model.memory=40 model.relative=false forecast.horizon=3",
    "highway: lags": f"{HIGHWAY} model.lags=[1,2,7] model.centred=true",
    "highway: two layers": f"{HIGHWAY} model.hidden_sizes=[5,4] model.head_size=3 model.normalization=layer",
    "highway: no noise, no dropout": f"{HIGHWAY} model.dropout=0 training.noise_start=0 training.noise_end=0",
    "highway: last epoch kept": f"{HIGHWAY} training.keep=last training.patience=2",
    "highway: float64, sgd": f"{HIGHWAY} runtime.dtype=float64 optimizer=sgd optimizer.schedule=cosine",
    "highway: lbfgs": f"{HIGHWAY} optimizer=lbfgs optimizer.max_iter=3",
    "highway: wins": f"{HIGHWAY} training.epochs=40 training.record_every=null forecast.horizon=7 model.lags=[1]",
    "no highway": f"{HIGHWAY} model.highway=false training.refine_epochs=2",
}
COMMANDS: dict[str, tuple[Step, ...]] = {
    "forecast": (SMALL, "forecast latest --output ahead.csv", "forecast latest --horizon 9 --output nine.csv"),
    "forecast: origins": (HIGHWAY, "forecast latest --origins --output origins.csv"),
    "forecast: own file": (
        f"{FILE} {PANEL}",
        "forecast latest --output ahead.csv",
    ),
    "forecast: another file": (HIGHWAY, "forecast latest --data data/later.csv --output later.csv"),
    "forecast: file for generated": (SMALL, "forecast latest --data data/waves.csv --horizon 20 --output waves.csv"),
    "reproduce": (f"{SMALL} tracking.uri=sqlite:///outputs/mlflow.db", "reproduce latest"),
    "reproduce: a file": (HIGHWAY, "reproduce latest"),
    "reproduce: varied": (SMALL, "reproduce latest optimizer.lr=3e-3 model.head_size=2"),
    "reproduce: a sweep": (SMALL, "reproduce latest -m seed=1,2 hydra.sweep.dir=outputs/sweeps/around"),
    "SIGTERM": (Cut(LONG, signal.SIGTERM), "resume latest"),
    "SIGTERM: by directory": (
        Cut(f"{LONG} optimizer=lbfgs hydra.run.dir=outputs/runs/mine", signal.SIGTERM),
        "resume outputs/runs/mine",
    ),
    "SIGTERM: a highway": (Cut(LONG_HIGHWAY, signal.SIGTERM), "resume latest"),
    "kill -9": (Cut(LONG, signal.SIGKILL), "resume latest"),
    "kill -9: a highway": (Cut(LONG_HIGHWAY, signal.SIGKILL), "resume latest"),
    "kill -9: in the refinement": (
        Cut(
            f"{SMALL} model.hidden_sizes=[20] training.refine_epochs=60 training.patience=50",
            signal.SIGKILL,
            "outputs/runs/*/checkpoint.previous.pt",
        ),
        "resume latest",
    ),
}
SWEEPS: dict[str, tuple[Step, ...]] = {
    "grid: two workers": (f"{SWEEP} model.head_size=0,2 optimizer.lr=1e-3,1e-2 hydra.sweeper.n_workers=2",),
    "grid: two seeds": (f"{ALONG} optimizer.lr=1e-3,1e-2 seed=0,1",),
    "grid: groups": (f"{ALONG} optimizer=adam,lbfgs dataset=sine,cos_sin_squared",),
    "grid: one job diverges": (f"{ALONG} optimizer=sgd training.clip_norm=0 optimizer.lr=0.1,1e30",),
    "grid: of a file": (
        f"-m {HIGHWAY} hydra.sweep.dir=outputs/sweeps/swept hydra.sweeper.n_workers=1 model.members=1,2",
    ),
    "grid: grown": (f"{ALONG} optimizer.lr=1e-3,1e-2", "resume latest seed=1 --top 1 hydra.sweeper.n_workers=1"),
    "grid: killed": (
        Cut(
            f"{ALONG} training.epochs=20 optimizer.lr=1e-3,1e-2,0.1", signal.SIGKILL, "outputs/sweeps/*/1/metrics.jsonl"
        ),
        "resume latest hydra.sweeper.n_workers=1",
    ),
    "sampled": (f"{ALONG} 'optimizer.lr=tag(log,interval(1e-4,1e-1))' hydra.sweeper.n_trials=5 hydra.sweeper.seed=3",),
    "sampled: Sobol": (
        f"{ALONG} 'optimizer.lr=interval(1e-4,1e-1)' 'training.batch_size=int(interval(2,6))' "
        "hydra.sweeper.sampler=qmc hydra.sweeper.n_trials=4",
    ),
    "pruned: median": (
        f"{ALONG} training.epochs=6 optimizer.lr=1e-5,1e-4,1e-3,1e-2,3e-2,0.1 hydra.sweeper.pruner=median",
    ),
    "pruned: hyperband": (
        f"{ALONG} training.epochs=12 optimizer.lr=1e-5,1e-4,1e-3,1e-2 seed=0,1 hydra.sweeper.pruner=hyperband",
    ),
    "basic sweeper": (f"{SWEEP} hydra/sweeper=basic hydra/launcher=basic optimizer.lr=1e-3,1e-2",),
}
CASES: dict[str, tuple[Step, ...]] = {
    **{name: (line,) for part in (DATA, FORECASTS, MODELS, OPTIMIZERS, TRAINING, FILES) for name, line in part.items()},
    **COMMANDS,
    **SWEEPS,
}

ENDED = (0, 3)  # exit codes: of a run that has ended, or diverged
STRUCK = (128 + signal.SIGTERM, -signal.SIGKILL)  # of one that a signal has ended
TIMED = {"learning_curve", "timeline"}  # pictures that show seconds
ELSEWHERE = re.compile(r"tracking\.|format_version$|.*path$")  # keys of what is no part of a run's numbers
VERSIONS = ("torch", "numpy", "scipy", "pandas", "matplotlib", "optuna", "hydra-core")


def write_files(folder: Path) -> None:
    """Write the files that the cases read: a weekly rhythm with noise, as one series, channels, and a panel."""
    folder.mkdir()
    rng, days = np.random.default_rng(0), pd.date_range("2021-03-01", periods=190)
    rhythm = np.sin(np.arange(190)[:, None] * 2 * np.pi / 7 + [0, 1, 2]) * [1, 5, 0.2] + [3, 40, 0]
    values = (rhythm + rng.normal(size=(190, 3)).cumsum(axis=0) * [0.1, 0.4, 0.02]).round(4)
    wide = pd.DataFrame({"date": days, "a": values[:, 0], "b": values[:, 1], "c": values[:, 2]})
    one = wide.drop(columns=["b", "c"])
    kept, later = one.head(160), one.tail(60)
    kept.to_csv(folder / "one.csv", index=False)
    later.to_csv(folder / "later.csv", index=False)
    kept.to_parquet(folder / "one.parquet", index=False)
    (folder / "one.csv.gz").write_bytes(gzip.compress((folder / "one.csv").read_bytes(), mtime=0))
    wide.head(160).to_csv(folder / "wide.csv", index=False)
    gaps = kept.copy()
    gaps.loc[[9, 10, 60, 120], "a"] = np.nan
    gaps.drop(index=[20, 21, 140]).to_csv(folder / "gaps.csv", index=False)
    twice = pd.concat([kept, kept.iloc[30:33].assign(a=1.0)]).sort_values("date", kind="stable")
    twice.to_csv(folder / "twice.csv", index=False)
    kept.to_csv(folder / "semicolons.csv", index=False, sep=";", decimal=",", date_format="%d/%m/%Y")
    shops = {"north": ("a", 160), "south": ("b", 120), "east": ("c", 140), "new": ("b", 40)}
    parts = [
        pd.DataFrame({"shop": name, "date": days[:n], "sold": wide[of].head(n)}) for name, (of, n) in shops.items()
    ]
    pd.concat(parts).to_csv(folder / "panel.csv", index=False)
    waves = pd.DataFrame({"left": np.sin(np.arange(50) / 3), "right": np.cos(np.arange(50) / 3)})
    waves.to_csv(folder / "waves.csv", index=False)


def record(path: Path, names: list[str], jobs: int) -> None:
    """Make the runs of some cases, and write their facts."""
    with TemporaryDirectory(prefix="equal-runs-", ignore_cleanup_errors=True) as folder:
        place = Path(folder).resolve()
        write_files(place / "data")

        def make(name: str) -> Facts:
            return made(name, place)

        with ThreadPoolExecutor(jobs) as pool:
            cases = dict(zip(names, pool.map(make, names), strict=True))
    versions = {name: version(name) for name in VERSIONS}
    path.write_text(json.dumps({"versions": versions, "cases": cases}, indent=1) + "\n", "utf-8")


def made(name: str, place: Path) -> Facts:
    """Take the steps of a case in a folder of its own; return its facts and its configurations."""
    work = place / str(list(CASES).index(name))
    shutil.copytree(place / "data", work / "data")
    began = time.monotonic()
    codes = [take(name, step, work, f"sqlite:///{place}/mlflow.db") for step in CASES[name]]
    print(f"{time.monotonic() - began:6.1f} s  {name}", flush=True)
    facts: Facts = {"exit codes": codes}
    config: Facts = {}
    for label, run in runs_of(work):
        facts |= labelled(label, run_facts(run))
        config |= labelled(label, config_of(run))
    for sweep in sorted(work.glob("outputs/sweeps/*")):
        facts |= labelled(sweep.name, sweep_facts(sweep))
    for table in sorted(work.glob("*.csv")):
        facts |= labelled(table.name, dict(numbered("line", table.read_text("utf-8").splitlines())))
    facts |= labelled("forecast", dict(map(picture, sorted(work.glob("*.png")))))
    if (work / "outputs/mlflow.db").exists():
        facts |= labelled("mlflow", store_facts(work / "outputs/mlflow.db"))
    shutil.rmtree(work)
    return {"facts": facts, "config": config}


def take(name: str, step: Step, work: Path, store: str) -> int:
    """Run a command, and end it by a signal where the case says so; return its exit code."""
    line = step if isinstance(step, str) else step.line
    with (work / "said").open("w+", encoding="utf-8") as said:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "wavesweep", *shlex.split(line)],
            cwd=work,
            env=os.environ | {"OMP_NUM_THREADS": "1", "MLFLOW_TRACKING_URI": store},
            stdout=said,
            stderr=said,
            start_new_session=isinstance(step, Cut),  # so that the signal reaches all that it has started
        )
        if isinstance(step, Cut):
            strike(process, step, work)
        code = process.wait()
        said.seek(0)
        if code not in (STRUCK if isinstance(step, Cut) else ENDED):
            print(f"{name}: exit code {code} of {line}\n{said.read()[-600:]}", file=sys.stderr, flush=True)
    return code


def strike(process: "subprocess.Popen[bytes]", cut: Cut, work: Path) -> None:
    """Wait for the file of a cut, and send the signal to the command and to all its workers."""
    while process.poll() is None and not any(work.glob(cut.once)):
        time.sleep(0.005)
    if process.poll() is None:
        os.killpg(process.pid, cut.by)


def runs_of(work: Path) -> Iterator[tuple[str, Path]]:
    """Yield the runs that a case has made, named: those alone as they began, those of sweeps by sweep and number."""
    alone = sorted(
        work.glob("outputs/runs/*/run.json"), key=lambda path: json.loads(path.read_text("utf-8"))["started"]
    )
    yield from ((f"run {number}", path.parent) for number, path in enumerate(alone, start=1))
    jobs = (path.parent for path in sorted(work.glob("outputs/sweeps/*/*/run.json")))
    yield from ((f"{job.parent.name} {job.name}", job) for job in jobs)


def run_facts(run: Path) -> Facts:
    """Return what a run has ended with: status, data, records, tensors, pictures."""
    info = json.loads((run / "run.json").read_text("utf-8"))
    facts: Facts = {"status": info["status"], "kept epoch": info["tags"].get("wavesweep.kept_epoch")}
    facts |= {f"data, {part['context']}": [part["digest"], part["shape"]] for part in info["inputs"]}
    for row in map(json.loads, lines_of(run / "metrics.jsonl")):
        where = f"epoch {row['epoch']}" if "epoch" in row else "once"
        facts |= labelled(where, {key: value for key, value in row.items() if not is_time(key)})
    weights = run / "model.safetensors"
    tensors = load_file(weights) if weights.exists() else {}
    facts |= {f"tensor {name}": digest(tensors[name]) for name in sorted(tensors)}
    return facts | dict(map(picture, sorted(run.glob("plots/*.png"))))


def sweep_facts(sweep: Path) -> Facts:
    """Return what a sweep has ended with: its leaderboard, the states of its jobs, its pictures."""
    facts: Facts = {}
    board = sweep / "leaderboard.csv"
    for number, row in enumerate(csv.DictReader(lines_of(board)), start=1):
        facts |= labelled(f"rank {number}", {key: value for key, value in row.items() if key != "seconds"})
    for path in sorted(sweep.glob("trials/*.json")):
        trial = json.loads(path.read_text("utf-8"))
        facts |= {f"job {path.stem} {key}": trial[key] for key in ("state", "objective", "steps")}
    return facts | dict(map(picture, sorted(sweep.glob("plots/*.png"))))


def store_facts(store: Path) -> Facts:
    """Return all points of all metrics in an MLflow store, but times."""
    with closing(sqlite3.connect(store)) as connection:
        points = connection.execute("SELECT key, step, value, is_nan FROM metrics ORDER BY 1, 2, 3, 4").fetchall()
    return dict(numbered("point", [point for point in points if not is_time(point[0])]))


def config_of(run: Path) -> Facts:
    """Return a run's complete configuration by dotted keys, but what is no part of its numbers."""
    values = yaml.safe_load("\n".join(lines_of(run / "config.yaml"))) or {}
    return {key: value for key, value in flatten(values) if not ELSEWHERE.match(key)}


def flatten(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield nested values by dotted keys."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def picture(path: Path) -> tuple[str, str]:
    """Return the name of a picture and the digest of its pixels; of one that shows seconds, the name alone."""
    return f"picture {path.stem}", "" if path.stem in TIMED else digest(imread(path))


def digest(values: np.ndarray) -> str:
    """Return the SHA-256 of an array, with its type and shape."""
    return f"{values.dtype} {values.shape} {sha256(np.ascontiguousarray(values).tobytes()).hexdigest()}"


def is_time(key: str) -> bool:
    """Say whether a value of a record tells when it was made, or how long that took."""
    return key in ("timestamp", "seconds") or key.startswith("time/")


def lines_of(path: Path) -> list[str]:
    """Return the lines of a file; none where it is not there."""
    return path.read_text("utf-8").splitlines() if path.exists() else []


def numbered(what: str, values: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Yield values by their numbers."""
    yield from ((f"{what} {number}", value) for number, value in enumerate(values, start=1))


def labelled(label: str, facts: Facts) -> Facts:
    """Return facts with what they are of."""
    return {f"{label}: {key}": value for key, value in facts.items()}


def compare(before: Path, after: Path, pattern: str) -> int:
    """Print a line a case, equal or the first thing that differs, then the configurations; return the exit code."""
    old, new = (json.loads(path.read_text("utf-8")) for path in (before, after))
    for name in VERSIONS:
        if old["versions"].get(name) != new["versions"].get(name):
            print(f"other versions of {name}: {shown(old['versions'], name)} and {shown(new['versions'], name)}")
    names = [name for name in old["cases"] | new["cases"] if re.search(pattern, name)]
    pairs = {name: (old["cases"].get(name), new["cases"].get(name)) for name in names}
    unequal = [name for name, pair in pairs.items() if not tell(name, *pair)]
    changed = tell_configurations({name: pair for name, pair in pairs.items() if all(pair)})
    equal = len(names) - len(unequal)
    print(f"\n{equal} of {len(names)} cases equal; {changed} values of configurations changed")
    return 1 if unequal or changed or not names else 0


def tell(name: str, old: Facts | None, new: Facts | None) -> bool:
    """Print whether the facts of a case are equal, and return that."""
    if old is None or new is None:
        print(f"{name:34}MISSING {'before' if old is None else 'after'}")
        return False
    one, other = old["facts"], new["facts"]
    differing = [key for key in one | other if not same(one, other, key)]
    if differing:
        first = differing[0]
        more = f" (and {len(differing) - 1} more of {len(one | other)})" if len(differing) > 1 else ""
        print(f"{name:34}DIFFERS {first}: {shown(one, first)} became {shown(other, first)}{more}")
        return False
    print(f"{name:34}equal, {len(one)} facts")
    return True


def tell_configurations(pairs: dict[str, tuple[Facts, Facts]]) -> int:
    """Print which values of configurations changed, and which keys came or went; return how many changed."""
    print("\nconfigurations")
    changed = 0
    gone: Counter[str] = Counter()
    come: Counter[str] = Counter()
    for name, (old, new) in pairs.items():
        one, other = old["config"], new["config"]
        gone.update(key.partition(": ")[2] for key in one.keys() - other.keys())
        come.update(key.partition(": ")[2] for key in other.keys() - one.keys())
        for key in one.keys() & other.keys():
            if not same(one, other, key):
                print(f"{name:34}CHANGED {key}: {shown(one, key)} became {shown(other, key)}")
                changed += 1
    for what, keys in (("before", gone), ("after", come)):
        for key, count in sorted(keys.items()):
            print(f"only {what}: {key}, of {count} runs")
    return changed


def same(one: Facts, other: Facts, key: str) -> bool:
    """Say whether both have a value, and the same, to the last bit and sign."""
    return key in one and key in other and json.dumps(one[key]) == json.dumps(other[key])


def shown(facts: Facts, key: str) -> str:
    """Return a value as it stands, or that there is none."""
    return json.dumps(facts[key]) if key in facts else "nothing"


def main() -> int:
    """Read the command line, and record or compare."""
    parser = ArgumentParser(description="Tells whether a change of the code has changed a number.")
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="make the runs, and write their facts")
    recording.add_argument("file", type=Path)
    recording.add_argument("--jobs", type=int, default=2, help="runs at once")
    comparing = commands.add_parser("compare", help="compare two such files; exit code 1 where they differ")
    comparing.add_argument("old", type=Path)
    comparing.add_argument("new", type=Path)
    for command in (recording, comparing):
        command.add_argument("--only", default="", metavar="PATTERN", help="cases whose names match")
    flags = parser.parse_args()
    if flags.command == "compare":
        return compare(flags.old, flags.new, flags.only)
    record(flags.file, [name for name in CASES if re.search(flags.only, name)], flags.jobs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
