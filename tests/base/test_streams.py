"""Standard streams that are closed, full, or read by nobody; and a place or docstrings that are gone."""

import logging
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from hydra_queue_sweeper.base.terminal import interactive, say
from tests.support.commands import SMALL, call, environment
from tests.support.servers import free_port, wait_for
from tests.support.sweeping import families
from wavesweep.base.exit_codes import FAILED, REFUSED
from wavesweep.base.streams import LogFile, Output
from wavesweep.cli.commands import COMMANDS, help_of
from wavesweep.workspace.directory import RunDirectory

Streams = dict[int, str]
RUN = (*SMALL, "model=tiny", "training.epochs=2")
SWEEP = ("-m", *RUN, "seed=0,1", "hydra.sweeper.n_workers=2")
LOST = (
    "wavesweep: standard output can't be written (No space left on device); lead it elsewhere: runs are stored anyway\n"
)
PRINTING = [("--help",), ("resume", "--help"), ("--info", "all"), ("--cfg", "job"), ("-sc", "query=bash")]
OUT_FULL, ERR_CLOSED = {1: "full"}, {2: "closed"}
ALL_CLOSED: Streams = dict.fromkeys((0, 1, 2), "closed")
BOTH_UNREAD = dict.fromkeys((1, 2), "unread")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Give a pipe's ends; what a test leaves open is closed."""
    reader, writer = os.pipe()
    yield reader, writer
    for end in (reader, writer):
        with suppress(OSError):
            os.close(end)


@contextmanager
def starting(place: Path, streams: Streams, *arguments: str, **variables: str) -> Iterator["subprocess.Popen[str]"]:
    """Start the command with streams that are closed, unread or full; the others are read, and stdin is empty."""
    closed = " ".join(f"{number}>&-" for number, how in streams.items() if how == "closed")
    reader, unread = os.pipe()
    os.close(reader)
    with open(unread, "w") as unread, open("/dev/full", "w") as full:  # noqa: PTH123
        ends = {"unread": unread, "full": full}
        out, err = (ends.get(streams.get(number, ""), subprocess.PIPE) for number in (1, 2))
        process = subprocess.Popen(
            ["sh", "-c", f'exec "$0" -m wavesweep "$@" {closed}', sys.executable, *arguments],
            cwd=place, env=environment(**variables), stdin=subprocess.DEVNULL, stdout=out, stderr=err, text=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run(place: Path, streams: Streams, *arguments: str, **variables: str) -> tuple[int, str, str]:
    """Run the command likewise; return its exit code and what it said."""
    with starting(place, streams, *arguments, **variables) as process:
        out, err = process.communicate(timeout=120)
        return process.returncode, out or "", err or ""


def status(place: Path) -> list[str | None]:
    """Return the states of all runs, in the order of their paths."""
    return [RunDirectory(path.parent).read_info().status for path in sorted(place.rglob("run.json"))]


def test_what_nobody_reads_is_dropped(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    nowhere = os.open(os.devnull, os.O_RDWR)
    output = Output(writer, nowhere)
    assert output.write(b"read") == 4
    assert output.failure is None
    os.close(reader)
    assert [output.write(b"seven, "), output.write(b"and nine.")] == [7, 9]
    assert output.failure is None, "nobody was to read it"
    assert os.write(writer, b"by other means") == 14
    subprocess.run(["sh", "-c", "echo by a child"], stdout=writer, check=True)
    os.close(nowhere)


def test_a_terminal_that_is_gone_stops_nothing(pipe: tuple[int, int]) -> None:
    ours, theirs = pty.openpty()
    output = Output(theirs, pipe[1])
    os.close(ours)
    with os.fdopen(theirs):
        assert output.write(b"nobody is there") == 15
        assert output.failure is None


def test_a_pipe_that_does_not_block_gets_all(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.set_blocking(writer, False)
    text, read = bytes(range(256)) * 4096, []

    def reading() -> None:
        time.sleep(0.05)  # until it is full
        while len(b"".join(read)) < len(text):
            read.append(os.read(reader, 1 << 16))

    thread = Thread(target=reading)
    thread.start()
    output, rest = Output(writer, -1), memoryview(text)
    while rest:
        rest = rest[output.write(rest) :]
    thread.join()
    assert b"".join(read) == text
    assert output.failure is None


def test_another_program_may_lack_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(sys, "stdout", None)
    assert not interactive()
    say("to nobody")


@pytest.mark.parametrize("streams", [{1: "closed"}, {1: "unread"}, OUT_FULL, BOTH_UNREAD], ids=str)
def test_a_version_is_printed_where_it_can_be(tmp_path: Path, streams: Streams) -> None:
    check(tmp_path, streams, "--version")


@pytest.mark.slow
@pytest.mark.parametrize("streams", [OUT_FULL, BOTH_UNREAD], ids=str)
@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_command_ends_as_usual(tmp_path: Path, arguments: tuple[str, ...], streams: Streams) -> None:
    check(tmp_path, streams, *arguments)


@pytest.mark.slow
@pytest.mark.parametrize("streams", [ERR_CLOSED, {2: "unread"}, {2: "full"}, BOTH_UNREAD], ids=str)
def test_a_refusal_is_one(tmp_path: Path, streams: Streams) -> None:
    assert run(tmp_path, streams, "diff", "--bad") == (REFUSED, "", "")
    assert list(tmp_path.iterdir()) == []


def check(place: Path, streams: Streams, *arguments: str) -> None:
    """Assert that a command that prints something fails only where that is lost, and then says so."""
    lost = streams == OUT_FULL
    assert run(place, streams, *arguments, COMP_LINE="wavesweep mod") == (FAILED * lost, "", LOST * lost)
    assert list(place.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("streams", [ALL_CLOSED, OUT_FULL, {2: "unread"}], ids=str)
def test_a_run_ends_as_usual(tmp_path: Path, streams: Streams) -> None:
    code, out, err = run(tmp_path, streams, *RUN)
    assert code == (FAILED if streams == OUT_FULL else 0)
    assert err.endswith(f"\n{LOST}") == (streams == OUT_FULL)
    assert ("linear autoregression" in out) == (1 not in streams)
    assert ("epoch 3/3" in err) == (2 not in streams)
    assert "Traceback" not in err
    assert status(tmp_path) == ["finished"]
    [(single, [])] = families(tmp_path / "outputs" / "mlflow.db")
    assert single.info.status == "FINISHED"


@pytest.mark.slow
def test_a_sweep_ends_as_usual_without_streams(tmp_path: Path) -> None:
    assert run(tmp_path, ALL_CLOSED, *SWEEP) == (0, "", "")
    check_sweep(tmp_path)


@pytest.mark.slow
def test_a_sweep_ends_as_usual_though_its_readers_go(tmp_path: Path) -> None:
    with starting(tmp_path, {}, *SWEEP) as process:
        assert process.stdout
        assert process.stderr
        assert process.stderr.readline().startswith("[0/2] ")
        process.stderr.close()
        process.stdout.close()
        assert process.wait(120) == 0
    check_sweep(tmp_path)


def check_sweep(place: Path) -> None:
    """Assert that a sweep has ended well, on disk and in MLflow."""
    assert status(place) == ["finished"] * 2
    [(parent, children)] = families(place / "outputs" / "mlflow.db")
    assert [run.info.status for run in (parent, *children)] == ["FINISHED"] * 3
    assert len(list(place.glob("outputs/sweeps/*/leaderboard.csv"))) == 1


@pytest.mark.slow
def test_the_ui_is_served_without_streams(tmp_path: Path) -> None:
    port = free_port()
    with starting(tmp_path, ALL_CLOSED, "ui", "--port", str(port), "--workers", "1") as process:
        wait_for(f"http://127.0.0.1:{port}/", process)
        process.terminate()
        assert process.wait(20) == 143
    with pytest.raises(URLError):
        urlopen(f"http://127.0.0.1:{port}/")


@pytest.mark.slow
def test_a_character_that_the_encoding_lacks_is_no_failure(tmp_path: Path) -> None:
    arguments = ("--cfg", "job", "tracking.run_name='×'")
    code, out, err = run(tmp_path, {}, *arguments, PYTHONIOENCODING="ascii:strict")
    assert (code, err) == (0, "")
    assert "run_name: ?\n" in out


@pytest.mark.parametrize(
    "arguments",
    [(), ("-m", "seed=0,1"), ("--version",), *PRINTING, *((name,) for name in COMMANDS)],
    ids=" ".join,
)
def test_a_working_directory_that_is_gone_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "gone"
    place.mkdir()
    monkeypatch.chdir(place)
    place.rmdir()
    done = call(*arguments)
    said = "wavesweep: the working directory is gone; change into one that is there\n"
    assert (done.returncode, done.stdout, done.stderr) == (REFUSED, "", said)


def test_help_needs_no_docstrings(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom wavesweep.cli.main import COMMANDS, main\n"
        "for sys.argv[1:] in [[name, '--help'] for name in COMMANDS]:\n"
        "    try:\n        main()\n    except SystemExit as ended:\n        assert ended.code == 0\n"
    )
    line = [sys.executable, "-OO", "-c", script]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "".join(map(help_of, COMMANDS))


def test_a_log_that_was_closed_is_not_opened_by_what_is_said_late(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log")
    record = logging.LogRecord("of a thread", logging.INFO, "", 0, "late", None, None)
    log.handle(record)
    log.close()
    log.handle(record)
    assert log.stream is None
    assert (tmp_path / "log").read_text() == "late\n"
