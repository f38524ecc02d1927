"""Keeps apart what is called in this process, as if it had one of its own, and the tests around it."""

import gc
import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from unittest.mock import patch as mock

import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as ModelStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking._model_registry.registry import ModelRegistryStoreRegistry
from mlflow.tracking._tracking_service.registry import TrackingStoreRegistry
from torch import get_num_threads
from torch.random import fork_rng

from hydra_queue_sweeper.base import signals
from wavesweep.evaluation.forecasting import on_threads
from wavesweep.files import reading


@contextmanager
def isolated(environment: dict[str, str], seconds: int) -> Iterator[pytest.MonkeyPatch]:
    """Put back what is set meanwhile for the whole process, and begin with what a fresh one begins with.

    Args:
        environment: All of it.
        seconds: After which the test fails, whatever is waited for.
    """
    handlers = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail(f"it takes more than {seconds} s"))
    signal.alarm(seconds)
    Plugins.instance()  # imports what adds to the ConfigStore
    _close_stores()
    try:
        with pytest.MonkeyPatch.context() as patch, mock.dict(os.environ, environment, clear=True), _loggers():
            patch.setattr(GlobalHydra.instance(), "hydra", None)
            patch.setattr(HydraConfig.instance(), "cfg", None)
            patch.setattr(ConfigStore.instance(), "repo", deepcopy(ConfigStore.instance().repo))
            patch.setattr(gc, "freeze", lambda: None)  # else garbage stays, for the tests that follow
            patch.setattr(signals._Mark, "signum", None)
            patch.setattr(signals._Mark, "deferred", False)
            patch.setattr(reading, "_read_file", cache(reading._read_file.__wrapped__))  # whose path may be relative
            with warnings.catch_warnings(), fork_rng(devices=[]), on_threads(get_num_threads()):
                yield patch
    finally:
        signal.alarm(0)
        for signum, handler in handlers.items():
            signal.signal(signum, handler)
        _close_stores()


def _close_stores() -> None:
    """Let go of all stores that MLflow has open in this process: it would not see that a file was replaced."""
    TrackingStoreRegistry._get_store_with_resolved_uri.cache_clear()
    ModelRegistryStoreRegistry._get_store_with_resolved_uri.cache_clear()
    for kind in (SqlAlchemyStore, ModelStore):
        for engine in kind._engine_map.values():
            engine.dispose()
        kind._engine_map.clear()


@contextmanager
def _loggers() -> Iterator[None]:
    """Leave loggers with the handlers and levels that they have, and close what has been opened for them."""
    found = [one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    before = [(one, vars(one) | {"handlers": [*one.handlers]}) for one in (logging.root, *found)]
    disabled = logging.root.manager.disable
    logging.root.handlers = []  # pytest's
    logging.root.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(disabled)  # which makes all forget what they have been asked
        for logger, values in before:
            for handler in {*logger.handlers} - {*values["handlers"]}:
                handler.close()
            vars(logger).update(values)


@contextmanager
def captured() -> Iterator[list[str]]:
    """Catch what is written to stdout and stderr, by processes that are started meanwhile too: a text each, in the end.

    What is called must begin with `guard_streams`, as the command does.
    """
    texts: list[str] = []
    streams, descriptors = (sys.stdout, sys.stderr), (os.dup(1), os.dup(2))
    files = [open(os.memfd_create("written"), "w+b") for _ in streams]  # noqa: PTH123, SIM115
    for number, file in enumerate(files, start=1):
        os.dup2(file.fileno(), number)
    try:
        yield texts
    finally:
        sys.stderr.flush()
        sys.stdout.flush()
        os.close(sys.stdout.buffer.raw._nowhere)  # type: ignore[attr-defined]  # open to the end of a process
        sys.stdout, sys.stderr = streams
        for number, (file, descriptor) in enumerate(zip(files, descriptors, strict=True), start=1):
            os.dup2(descriptor, number)
            os.close(descriptor)
            with file:
                file.seek(0)
                texts.append(file.read().decode())
