"""How many workers a machine holds."""

from pathlib import Path

from hydra_queue_sweeper.base.terminal import log

BYTES_OF_A_WORKER = 700 << 20  # that has imported all and trains a network of some thousand weights


def most_workers() -> int:
    """Return how many workers this machine holds: one a core, as memory allows."""
    from joblib import cpu_count  # which knows the limits of containers

    cores = cpu_count()
    fitting = max(1, _free_memory() // BYTES_OF_A_WORKER)
    if fitting < cores:
        text = "%d workers on %d cores, since memory holds no more; hydra.sweeper.n_workers=%d insists"
        log.warning(text, fitting, cores, cores)
    return min(cores, fitting)


def _free_memory() -> int:
    """Return the bytes that are free, within the limit of a container too; what is unknown doesn't limit."""
    free = [int(line.split()[1]) << 10 for line in _lines("/proc/meminfo") if line.startswith("MemAvailable:")]
    limit, used = _lines("/sys/fs/cgroup/memory.max"), _lines("/sys/fs/cgroup/memory.current")
    cached = [int(line.split()[1]) for line in _lines("/sys/fs/cgroup/memory.stat") if line.startswith("inactive_file")]
    if limit and used and limit[0] != "max":
        free.append(int(limit[0]) - int(used[0]) + sum(cached))
    return max(0, min(free, default=1 << 62))


def _lines(path: str) -> list[str]:
    return Path(path).read_text("utf-8").splitlines() if Path(path).exists() else []
