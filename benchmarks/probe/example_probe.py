"""A callback of Hydra's that writes down what a program's jobs are given; of `benchmarks/hydra_examples.py`."""

import json
import os
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hydra_queue_sweeper.base.hydra_internals import outcome


class Probe(Callback):
    """Appends each call to the file that `EXAMPLE_PROBE` names, as a line of JSON; composing is no event of a job."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Take down that a sweep begins."""
        _write("multirun_start")

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Take down that it has ended."""
        _write("multirun_end")

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Take down that a single run begins."""
        _write("run_start")

    def on_run_end(self, config: DictConfig, **_: Any) -> None:
        """Take down that it has ended."""
        _write("run_end")

    def on_job_start(self, config: DictConfig, **_: Any) -> None:
        """Take down what a job starts with, Hydra's own node included, less what chooses sweeper and launcher."""
        given = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])  # type: ignore[misc]
        node = config.hydra
        hydra: Any = {key: node[key] for key in ("mode", "output_subdir", "verbose")}
        hydra |= {key: OmegaConf.to_container(node[key], resolve=True) for key in ("job", "sweep", "searchpath")}
        hydra["overrides"] = list(node.overrides.task)
        _write(
            "job_start", job=config.hydra.job.num, working_directory=str(Path.cwd()), hydra=_described(hydra),
            output_dir=config.hydra.runtime.output_dir, configuration=_described_config(given),
        )  # fmt: skip

    def on_job_end(self, config: DictConfig, job_return: Any, **_: Any) -> None:
        """Take down what the task was given, as it left it, and how the job ended."""
        _write(
            "job_end", job=config.hydra.job.num, status=str(job_return.status), overrides=job_return.overrides,
            working_directory=job_return.working_dir, task=job_return.task_name,
            configuration=_described_config(job_return.cfg), returned=_described(outcome(job_return)),
        )  # fmt: skip


def _write(event: str, **values: Any) -> None:
    with Path(os.environ["EXAMPLE_PROBE"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"event": event, **values}) + "\n")


def _described_config(config: DictConfig) -> Any:
    """Return a configuration as the objects that it stands for; where something is missing, as it is written."""
    kind = f"{type(config).__name__} of {_name(OmegaConf.get_type(config))}"
    try:
        return [kind, _described(OmegaConf.to_object(config))]
    except OmegaConfBaseException as error:
        return [kind, type(error).__name__, _described(OmegaConf.to_container(config, resolve=False))]


def _described(value: Any) -> Any:
    """Return a value with the types of all that it holds, as JSON knows it."""
    if is_dataclass(value) and not isinstance(value, type):
        own = {one.name: _described(getattr(value, one.name, "missing")) for one in fields(value)}
        return [_name(type(value)), own]
    if isinstance(value, dict):
        return {f"{type(key).__name__} {key}": _described(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(_described, value)]
    if isinstance(value, Enum):
        return [_name(type(value)), value.name]
    return [_name(type(value)), str(value)]


def _name(kind: Any) -> str:
    return f"{kind.__module__}.{kind.__qualname__}" if isinstance(kind, type) else str(kind)
