"""`wavesweep ui`: links that work, to what was asked for; a server that ends with it."""

import json
import os
import pty
import re
import shlex
import signal
import socket
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from tests.support.commands import SMALL, Command, call, start
from tests.support.servers import free_port
from tests.support.trees import children, wait_until

QUICK = (*SMALL, "model=linear")
LINK = re.compile(r"http://[^ \n]+")


def is_gone(group: int) -> bool:
    """Say whether a group has no process."""
    with suppress(ProcessLookupError):
        os.killpg(group, 0)
        return False
    return True


@pytest.mark.slow
def test_links_stand_below_what_the_server_says_and_work(wavesweep: Command, tmp_path: Path) -> None:
    swept = wavesweep("-m", *QUICK, "seed=1,2")
    [command] = re.findall("compare its runs: wavesweep (.*)", swept.stdout)
    port, said = free_port(), tmp_path / "said"
    process = start("ui", "--port", str(port), "--workers", "1", cwd=tmp_path)
    try:
        wait_until(lambda: "Ctrl-C" in said.read_text(), 60)
        *before, latest, runs, sweeps, end = said.read_text().splitlines()
        assert end == "Ctrl-C ends the server"
        for line, view in (
            (runs, "wavesweep.runs"),
            (sweeps, "wavesweep.sweeps"),
            (latest, "wavesweep.sweep."),
        ):
            [link] = LINK.findall(line)
            assert link.startswith(f"http://127.0.0.1:{port}/#/experiments/1/runs?")
            assert f"viewStateShareKey={view}" in link
            with urlopen(link, timeout=20) as page:  # noqa: S310
                assert page.status == 200
        assert not [line for line in before if "Warning" in line or "INFO" in line]

        again = wavesweep("ui", "latest")
        assert again.stdout == wavesweep(*shlex.split(command)).stdout
        assert (again.returncode, again.stderr) == (0, "")
        assert [LINK.findall(latest)[0] in line for line in again.stdout.splitlines()] == [True, True, False]
        assert "compareRunsMode=CHART" in again.stdout.splitlines()[1]

        [page, others] = LINK.findall(wavesweep(*QUICK).stdout)
        assert others == LINK.findall(runs)[0]
        run_id = re.findall("/runs/([0-9a-f]{32})", page)[0]
        assert page in wavesweep("ui", run_id[:9]).stdout
        [group] = children(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(20)
    assert code == 143
    assert is_gone(group)
    with pytest.raises(URLError):
        urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
    assert f"open it: wavesweep ui {run_id[:4]}" not in wavesweep(*QUICK).stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outputs", "said"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signum", "code", "early"),
    [
        (signal.SIGINT, 130, True),
        (signal.SIGTERM, 143, True),
        (signal.SIGHUP, -signal.SIGHUP, True),
        (signal.SIGKILL, -signal.SIGKILL, True),
        (signal.SIGTERM, 143, False),
        (signal.SIGKILL, -signal.SIGKILL, False),
    ],
)
def test_however_it_ends_nothing_is_left(tmp_path: Path, signum: signal.Signals, code: int, early: bool) -> None:
    process = start("ui", "--port", str(free_port()), cwd=tmp_path)
    found: list[int] = []

    def has_server() -> bool:
        found[:] = children(process.pid)  # once: as one of its threads ends, the server may be no thread's for a moment
        return bool(found)

    wait_until(has_server)
    [group] = found
    wait_until(lambda: early or "Ctrl-C" in (tmp_path / "said").read_text(), 60)
    process.send_signal(signum)
    assert process.wait(20) == code
    wait_until(lambda: is_gone(group), 20)


@pytest.mark.slow
def test_a_server_that_does_not_start_says_why(wavesweep: Command) -> None:
    done = wavesweep("ui", "--port", str(free_port()), "--wokers", "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such option '--wokers'" in done.stderr
    done = wavesweep("ui", "--port", str(free_port()), "--static-prefix", "x")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--static-prefix" in done.stderr


@pytest.mark.slow
def test_a_tracking_server_is_linked_to(server: str, wavesweep: Command, tmp_path: Path) -> None:
    tracking = (f"tracking.uri={server}", "tracking.experiment=linked")
    [page, others] = LINK.findall(wavesweep(*QUICK, *tracking, "hydra.run.dir=one").stdout)
    found = re.fullmatch(rf"{server}/#/experiments/(\d+)/runs/([0-9a-f]{{32}})\?workflowType=machine_learning", page)
    assert found
    with urlopen(f"{server}/api/2.0/mlflow/runs/get?run_id={found[2]}", timeout=20) as answer:  # noqa: S310
        assert json.load(answer)["run"]["info"]["experiment_id"] == found[1]
    assert wavesweep("-m", *QUICK, *tracking, "seed=1,2", "hydra.sweep.dir=many").returncode == 0

    def opened(*arguments: str) -> list[str]:
        done = wavesweep("ui", *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return LINK.findall(done.stdout)

    assert others in opened(*tracking)
    assert opened("one") == opened(found[2][:12], *tracking) == opened(f"{tmp_path}/one") == [page]
    [runs, charts, parent] = opened("many")
    [itself] = re.findall(r"/runs/([0-9a-f]{32})", parent)
    with urlopen(f"{server}/api/2.0/mlflow/runs/get?run_id={itself}", timeout=20) as answer:  # noqa: S310
        assert json.load(answer)["run"]["info"]["run_name"] == "sweep of seed"
    assert urlsplit(runs).fragment.startswith(f"/experiments/{found[1]}/runs?")
    assert "viewStateShareKey=wavesweep.sweep.many" in runs
    assert charts == f"{runs}&compareRunsMode=CHART"


def test_what_mlflow_has_not_taken_has_no_link(wavesweep: Command) -> None:
    done = wavesweep(*QUICK, f"tracking.uri=http://127.0.0.1:{free_port()}")
    assert done.returncode == 4
    assert not LINK.findall(done.stdout)
    assert "MLflow run" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("7f3a",), "7f3a must be "),
        (("latest",), "latest names the run or sweep begun last below outputs, but there is none"),
        ((".",), ". must be a run or sweep's directory or id, "),
        (("no/where",), "no/where must be a run or sweep's directory or id, "),
        (("--port", "x"), "--port must be a number from 1 to 65535, got x"),
        (("--port", "0"), "--port must be a number from 1 to 65535, got 0"),
        (("--port",), "--port: expected one argument"),
        (("--backend-store-uri", "sqlite:///my.db"), "give that"),
        (("--host", "no.invalid"), "can't be served"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else "",
)
def test_what_can_t_be_opened_is_refused_in_a_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = call("ui", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert said in done.stderr


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = call("ui", "--port", str(port), cwd=tmp_path)
    assert done.returncode == 2
    said = f"--host 127.0.0.1 --port {port} can't be served (Address already in use); give another"
    assert done.stderr == f"wavesweep: {said}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_browser_opens_from_a_terminal(server: str, tmp_path: Path) -> None:
    """It gets the first link, and no terminal that it could take over."""
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\n{{ echo "$1"; tty; }} > {tmp_path}/new\nmv {tmp_path}/new {opened}\n')
    browser.chmod(0o755)
    variables = {"DISPLAY": ":99", "BROWSER": str(browser), "TERM": "xterm"}
    ours, theirs = pty.openpty()
    for more in (["--no-browser"], []):
        assert not opened.exists()
        arguments = ["ui", f"tracking.uri={server}", "tracking.experiment=browsed", *more]
        assert start(*arguments, cwd=tmp_path, to=theirs, **variables).wait() == 0
    wait_until(opened.exists)
    os.close(theirs)
    said = os.read(ours, 1 << 16).decode()
    os.close(ours)
    [link, terminal] = opened.read_text().splitlines()
    assert link in said
    assert link.endswith("viewStateShareKey=wavesweep.runs")
    assert terminal == "not a tty"
