"""Runs Hydra jobs as tasks of Dask: on clusters of its own, or on those that it asks other schedulers for."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from hydra.core.utils import JobReturn, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_queue_sweeper.base import signals
from hydra_queue_sweeper.base.errors import Refused, in_one_line
from hydra_queue_sweeper.base.hydra_releases import configure_log_of_sweep
from hydra_queue_sweeper.base.pickling import loads
from hydra_queue_sweeper.launcher.launch import Job, failed
from hydra_queue_sweeper.launcher.options import DaskOptions
from hydra_queue_sweeper.launcher.packed import pack, run_apart

CLUSTERS = {
    "local": ("distributed", "LocalCluster"),
    "htcondor": ("dask_jobqueue", "HTCondorCluster"),
    "kubernetes": ("dask_kubernetes.operator", "KubeCluster"),
    "lsf": ("dask_jobqueue", "LSFCluster"),
    "oar": ("dask_jobqueue", "OARCluster"),
    "pbs": ("dask_jobqueue", "PBSCluster"),
    "sge": ("dask_jobqueue", "SGECluster"),
    "slurm": ("dask_jobqueue", "SLURMCluster"),
}
"""The classes of clusters, by name: not any class that is named, since a sweep's directory tells it to `resume`."""
OF_LOCAL = {"dashboard_address": None, "threads_per_worker": 1}  # no page that other machines see
SECONDS_TO_END = 15.0  # for tasks, after a signal
_TICK = 0.1


def launch_on_dask(
    jobs: list[Job], context: HydraContext, task: TaskFunction, config: DictConfig, options: DaskOptions
) -> list[JobReturn]:
    """Run jobs as tasks, each in a process of its own beside Dask's; where Dask loses a worker, it runs them elsewhere.

    Args:
        jobs: Number and overrides of each.
        context: As Hydra gives it to launchers.
        task: What a job runs.
        config: Of the sweep.
        options: Of the cluster.

    Returns:
        How each job ended, in their order.

    Raises:
        Refused: If there is no such cluster.
    """
    setup_globals()
    configure_log_of_sweep(config, context)
    logging.getLogger("distributed").setLevel(logging.WARNING)  # it tells of each connection
    shared = pack(context, task, config)
    with signals.deferred(), _client(options, len(jobs)) as client:
        futures = [client.submit(run_apart, shared, job, pure=False, retries=options.retries) for job in jobs]
        until = float("inf")
        while not all(future.done() for future in futures) and time.monotonic() < until:
            if signals.pending():  # the jobs see that for themselves
                until = min(until, time.monotonic() + SECONDS_TO_END)
            time.sleep(_TICK)
        return [_result(future, job) for future, job in zip(futures, jobs, strict=True)]


def detach_on_dask(
    jobs: list[Job], context: HydraContext, task: TaskFunction, config: DictConfig, options: DaskOptions
) -> None:
    """Leave jobs as tasks with a scheduler that outlives this process.

    It takes what `launch_on_dask` does.

    Raises:
        Refused: If there is no such scheduler.
    """
    if not options.address:
        raise Refused(
            "hydra.sweeper.detach=true needs hydra.launcher.address with Dask: a cluster of ours ends with us"
        )
    from distributed import fire_and_forget

    shared = pack(context, task, config)
    with _client(options, len(jobs)) as client:
        for job in jobs:
            fire_and_forget(client.submit(run_apart, shared, job, pure=False, retries=options.retries))


def _result(future: Any, job: Job) -> JobReturn:
    if not future.done():
        return failed(RuntimeError("ended by a signal"), job)
    error = future.exception() if future.status != "cancelled" else RuntimeError("cancelled")
    return failed(error, job) if error else loads(future.result())


@contextmanager
def _client(options: DaskOptions, count: int) -> Iterator[Any]:
    """Connect to a cluster, or make one of so many workers; close it in the end."""
    if bool(options.cluster) == bool(options.address):
        raise Refused("hydra/launcher=dask takes one of hydra.launcher.cluster and hydra.launcher.address; give that")
    try:
        from distributed import Client
    except ImportError:
        raise Refused("hydra/launcher=dask needs distributed; pip install distributed") from None
    cluster = _cluster(options, count) if options.cluster else None
    try:
        client = Client(cluster or options.address)
    except OSError as error:
        problem = f"no scheduler of Dask answers at {options.address} ({in_one_line(error)})"
        raise Refused(f"hydra.launcher.address: {problem}; start one, or give another") from None
    try:
        yield client
    finally:
        client.close()
        if cluster:
            cluster.close()


def _cluster(options: DaskOptions, count: int) -> Any:
    if options.cluster not in CLUSTERS:
        raise Refused(f"hydra.launcher.cluster must be one of {', '.join(CLUSTERS)}, got {options.cluster}")
    module, name = CLUSTERS[options.cluster]
    try:
        make = getattr(import_module(module), name)
    except ImportError:
        package = module.partition(".")[0].replace("_", "-")
        raise Refused(f"hydra.launcher.cluster={options.cluster} needs {package}; pip install {package}") from None
    own = OF_LOCAL | {"n_workers": count} if options.cluster == "local" else {}
    try:
        cluster = make(**own | options.options)
    except (TypeError, ValueError, RuntimeError, OSError) as error:
        raise Refused(f"hydra.launcher.options: {in_one_line(error)}; correct them") from None
    if options.cluster != "local":
        cluster.scale(count)
    return cluster
