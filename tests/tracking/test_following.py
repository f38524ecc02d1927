"""`wavesweep sync --follow`: delivers what other machines run, here to a real server that they don't reach."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import SMALL, Command, environment
from tests.support.trees import wait_until


@pytest.mark.slow
def test_what_is_run_elsewhere_is_delivered_until_ctrl_c(server: str, wavesweep: Command, tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    words = ["sync", "--follow", f"tracking.uri={server}"]
    follower = subprocess.Popen(
        [sys.executable, "-m", "wavesweep", *words], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert follower.stdout
        assert follower.stdout.readline() == "no runs there\n"
        assert follower.stdout.readline() == "delivering what changes below outputs; Ctrl-C ends that\n"
        for number in range(2):
            unreached = ("tracking.uri=http://127.0.0.1:9", f"hydra.run.dir=outputs/{number}")
            assert wavesweep(*SMALL, *unreached).returncode == 4
            place = tmp_path / "outputs" / str(number)
            wait_until(lambda place=place: not (place / ".undelivered").exists(), 60)
    finally:
        follower.send_signal(signal.SIGINT)
        follower.communicate(timeout=30)
    assert follower.returncode == 130
    again = wavesweep("sync", f"tracking.uri={server}")
    assert again.stdout == "2 up to date\n"
