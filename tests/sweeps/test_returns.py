"""What jobs returned is held in little memory, and is as Hydra gave it."""

import weakref
from threading import Lock

import pytest
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from hydra_queue_sweeper.base.pickling import dumps, loads
from hydra_queue_sweeper.sweeps.returns import packed


class Large:
    """Stands for what takes memory."""


def job(outcome: object) -> JobReturn:
    """Return what Hydra gives for a job."""
    status = JobStatus.FAILED if isinstance(outcome, Exception) else JobStatus.COMPLETED
    hydra = OmegaConf.create({"hydra": {"job": {"num": 3, "name": "${.num}"}}})
    made = JobReturn(["a=1"], OmegaConf.create({"a": 1, "text": "b" * 100_000}), hydra, "there", "task", status)
    made.return_value = outcome
    return made


@pytest.mark.parametrize("travels", [False, True])
def test_it_is_as_hydra_gave_it(travels: bool) -> None:
    given = job(2.5)
    found = packed(given)
    if travels:
        content = dumps(found)
        assert len(content) < 2_000
        found = loads(content)
    assert isinstance(found, JobReturn)
    for name in ("overrides", "cfg", "hydra_cfg", "working_dir", "task_name", "status", "return_value"):
        assert getattr(found, name) == getattr(given, name), name
    assert found.hydra_cfg
    assert found.hydra_cfg.hydra.job.name == 3


def test_an_error_keeps_its_traceback_but_no_variables() -> None:
    references = []

    def fail_first() -> None:
        large = Large()
        references.append(weakref.ref(large))
        raise KeyError

    def fail() -> None:
        try:
            fail_first()
        except KeyError as error:
            large = Large()
            references.append(weakref.ref(large))
            further = ValueError("no")
            further.__context__ = error
            raise further from further

    with pytest.raises(ValueError, match="no") as caught:
        fail()
    found = packed(job(caught.value))
    assert [reference() for reference in references] == [None, None]
    with pytest.raises(ValueError, match="no") as again:
        _ = found.return_value
    assert [entry.name for entry in again.traceback].count("fail") == 1


def test_what_can_t_be_pickled_is_left_as_it_is() -> None:
    given = job(1.0)
    given.cfg = OmegaConf.create({"lock": Lock()}, flags={"allow_objects": True})
    assert packed(given) is given
