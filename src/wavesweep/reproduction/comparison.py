"""Comparing two runs: their metrics, their weights, and what they ran on."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from wavesweep.config import tag_names as names
from wavesweep.config.config import dump, flatten
from wavesweep.reproduction.stored import StoredRun
from wavesweep.runs.execute import RESUMED
from wavesweep.workspace.info import COMPLETE


class Difference(NamedTuple):
    """A value that two runs don't share; None where one lacks it."""

    what: str
    first: Any
    second: Any


@dataclass(frozen=True)
class Comparison:
    """How a run compares with one that it should equal.

    Attributes:
        num_values: How many metrics were compared, over all epochs.
        metrics: Those that differ, by epoch and name, from the first epoch that differs on; epoch 0 is measured once.
        ending: What differs in the weights, and in how the runs ended.
        causes: What differs beside: configuration, data, code, versions, machine, the likely cause first.
    """

    num_values: int
    metrics: dict[tuple[int, str], Difference]
    ending: list[Difference]
    causes: list[Difference]

    @property
    def equal(self) -> bool:
        """Whether all that was compared is equal."""
        return not self.metrics and not self.ending


def compare(stored: StoredRun, again: StoredRun, rtol: float = 0.0) -> Comparison:
    """Compare all that a run recorded with the same of another.

    Times are left out, and metrics that the first run never had. Of a run that did not end, neither its weights nor
    its end are compared.

    Args:
        stored: The run that was there before.
        again: The one that should equal it.
        rtol: Greatest relative difference of metrics; above 0, weights and the epoch kept may differ.
    """
    there = {(epoch, key): value for epoch, row in stored.records.items() for key, value in row.items()}
    keys = {key for _, key in there}
    here = {(epoch, key): value for epoch, row in again.records.items() for key, value in row.items() if key in keys}
    compared = sorted(one for one in there | here if one[0] in stored.records and not one[1].startswith("time/"))
    differ = [one for one in compared if not _close(there.get(one), here.get(one), rtol)]
    differ.sort(key=lambda one: (one[0] or float("inf"), one[1]))  # what is measured once stands last
    metrics = {one: Difference(one[1], there.get(one), here.get(one)) for one in differ}
    ending = [] if rtol or stored.status not in COMPLETE else list(_ending(stored, again))
    return Comparison(len(compared), metrics, ending, list(differences(stored, again)))


def _close(first: float | None, second: float | None, rtol: float) -> bool:
    if first is None or second is None:
        return first is second
    return math.isclose(first, second, rel_tol=rtol)


def _ending(stored: StoredRun, again: StoredRun) -> Iterator[Difference]:
    """Yield what differs in how two runs ended."""
    pairs = [Difference("status", stored.status, again.status)]
    pairs.append(Difference("kept epoch", stored.tags.get(names.KEPT_EPOCH), again.tags.get(names.KEPT_EPOCH)))
    if stored.weights:
        pairs.append(Difference("weights", _digest(stored.weights), _digest(again.weights)))
    yield from (pair for pair in pairs if pair.first != pair.second)


def is_damaged(run: StoredRun) -> bool:
    """Say whether the weights are others than those whose digest the run recorded."""
    return bool(run.weights) and run.tags.get(names.WEIGHTS_DIGEST, _digest(run.weights)) != _digest(run.weights)


def _digest(weights: bytes) -> str:
    return sha256(weights).hexdigest()


def differences(first: StoredRun, second: StoredRun) -> Iterator[Difference]:
    """Yield what differs in configuration, data, code, versions and machine: likely causes first."""
    for one, other in zip(_facts(first), _facts(second), strict=True):
        pairs = [Difference(key, one.get(key), other.get(key)) for key in {**one, **other}]
        yield from (pair for pair in pairs if pair.first != pair.second)


def _facts(run: StoredRun) -> Iterator[dict[str, Any]]:
    """Yield what a run ran on, by name: configuration, data, code, versions and machine."""
    yield {key: value for key, value in flatten(dump(run.config)).items() if not key.startswith("tracking.")}
    yield {f"data: {part}": digest for part, digest in run.data.items()}
    yield {"source": run.tags.get(names.SOURCE_DIGEST)}
    ended_on = run.tags.get(names.VERSIONS, "").rpartition(RESUMED)[2]
    versions = {name: version for name, _, version in (one.strip().rpartition(" ") for one in ended_on.split(","))}
    yield {name: versions[name] for name in sorted(versions, key=lambda name: name not in ("torch", "numpy"))}
    machine = {"processor": names.PROCESSOR, "platform": names.PLATFORM, "commit": names.COMMIT}
    yield {what: run.tags.get(tag) for what, tag in (machine | {"local changes": names.LOCAL_CHANGES}).items()}


def final_metrics(run: StoredRun) -> dict[str, float]:
    """Return the metrics of the kept epoch, and those measured once; times left out."""
    kept = run.tags.get(names.KEPT_EPOCH, str(max(run.records, default=0)))
    values = next((row for epoch, row in run.records.items() if str(epoch) == kept), {}) | run.records.get(0, {})
    return {key: value for key, value in values.items() if not key.startswith("time/")}
