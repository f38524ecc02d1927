"""The keys of `hydra.launcher`: in a file that Hydra does not execute by itself, or they could not be pickled."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class LauncherOptions:
    """The launcher's parameters.

    Attributes:
        n_jobs: Most processes at once; none: one for each core that this process may use.
    """

    _target_: str = "hydra_plugins.hydra_queue_sweeper.launcher.ProcessLauncher"
    n_jobs: int | None = None


@dataclass
class SlurmOptions:
    """The parameters of the launcher of SLURM jobs; what is not given is SLURM's to choose.

    Attributes:
        partition: Of the jobs.
        timeout_min: Minutes that a job may take; a sweep's worker is then followed by another.
        cpus_per_task: Cores of a job.
        mem_gb: Memory of a job.
        gpus_per_node: GPUs of a job.
        account: That pays.
        qos: Quality of service.
        name: Of the jobs.
        signal_delay_s: Seconds before its end in which a job stops in order.
        parameters: Further ones of sbatch, `{constraint: v100, exclusive: true}`.
        setup: Lines of shell before a job, `[module load cuda]`.
    """

    _target_: str = "hydra_plugins.hydra_queue_sweeper.launcher.SlurmLauncher"
    partition: str | None = None
    timeout_min: int = 60
    cpus_per_task: int = 1
    mem_gb: float | None = None
    gpus_per_node: int | None = None
    account: str | None = None
    qos: str | None = None
    name: str = "sweep"
    signal_delay_s: int = 90
    parameters: dict[str, Any] = field(default_factory=dict)
    setup: list[str] = field(default_factory=list)


@dataclass
class DaskOptions:
    """The parameters of the launcher of Dask's tasks.

    Attributes:
        cluster: `local`, or one that asks a scheduler for workers: `slurm`, `pbs`, `lsf`, `sge`, `oar`, `htcondor`,
            `kubernetes`.
        options: What Dask's class of that takes, `{queue: normal, cores: 1, memory: 4GB}`.
        address: Of a scheduler that is there, `tcp://10.0.0.1:8786`, in place of a cluster.
        retries: How often a task that fails is run again.
    """

    _target_: str = "hydra_plugins.hydra_queue_sweeper.launcher.DaskLauncher"
    cluster: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    address: str | None = None
    retries: int = 3
