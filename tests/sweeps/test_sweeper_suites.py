"""Hydra's suites for launchers, with ours chosen, as its example of a sweeper runs them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.test_utils.launcher_common_tests import IntegrationTestSuite, LauncherTestSuite
from hydra.test_utils.test_utils import TSweepRunner, integration_test

from hydra_queue_sweeper.sweeps.returns import PackedReturn
from tests.support.trees import wait_until

SWEEPER = "hydra/sweeper=queue"


@pytest.fixture(params=["basic", pytest.param("processes", marks=pytest.mark.slow)])
def launcher_name(request: pytest.FixtureRequest) -> str:
    return request.param


class TestHydrasOwn(LauncherTestSuite):
    """Hydra's demands on every sweeper; its suite for batches is left out: a sweep has none."""

    @pytest.fixture
    def overrides(self) -> list[str]:
        """Let jobs change directory, since the suite looks for their files there; Hydra 1.1 did so by default."""
        return [SWEEPER, "hydra.job.chdir=true"]


@pytest.mark.slow
class TestHydrasOwnPrograms(IntegrationTestSuite):
    """Hydra's demands on programs run with it."""

    @pytest.fixture
    def task_launcher_cfg(self) -> dict[str, Any]:
        return {}

    @pytest.fixture
    def extra_flags(self, launcher_name: str) -> list[str]:
        return ["-m", SWEEPER, f"hydra/launcher={launcher_name}"]

    def generate_custom_cmd(self) -> Callable[..., list[str]]:
        """Remove the sweep of the program before: one case runs two in the same directory, which is refused."""

        def run(command: list[str], _: str) -> list[str]:
            shutil.rmtree("cli_dir", ignore_errors=True)
            return command

        return run


def test_what_jobs_return_comes_packed_and_in_their_order(hydra_sweep_runner: TSweepRunner, tmp_path: Path) -> None:
    def task(config: Any) -> int:
        (tmp_path / f"begun {config.number}").touch()
        waits_for = {0: 1, 1: 3}.get(config.number, config.number)  # so that one worker has 0, 2, 3, another one 1
        wait_until((tmp_path / f"begun {waits_for}").exists)
        return config.number

    workers = ["hydra/launcher=processes", "hydra.sweeper.n_workers=2"]
    given = {"calling_file": None, "calling_module": "hydra.test_utils.a_module", "task_function": task}
    overrides = [SWEEPER, *workers, "+number=range(4)"]
    runner = hydra_sweep_runner(
        **given, config_path=None, config_name=None, overrides=overrides, temp_dir=tmp_path / "sweep"
    )
    with runner as sweep:
        [returned] = sweep.returns or []
    assert [job.return_value for job in returned] == [0, 1, 2, 3]
    assert [job.hydra_cfg.hydra.job.num for job in returned] == [0, 1, 2, 3]
    assert {type(job) for job in returned} == {PackedReturn}


def test_a_worker_sees_its_sweep_from_where_a_job_is(tmp_path: Path) -> None:
    """It looks again and again, and ends the job where the sweep seems to be gone."""
    integration_test(
        tmpdir=tmp_path,
        task_config={},
        overrides=["-m", SWEEPER, "hydra/launcher=basic", "hydra.sweep.dir=here", "hydra.job.chdir=true"],
        prolog=[
            "import time",
            "from hydra_queue_sweeper.base import signals",
            "from hydra_queue_sweeper.sweeps import worker",
            "worker.SECONDS_BETWEEN_LOOKS = 0.01",
        ],
        prints="str(time.sleep(0.3) or signals.pending())",
        expected_outputs="False",
    )
