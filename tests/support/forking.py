"""Runs the command in a process that is forked, with all imports done, instead of started: in less than a second.

Of a process that was started it differs in the imports that it finds done, in the libraries' threads (one), and in the
seed of Python's hashes (the same for all). What those decide is tested by processes that are started. It has none of
what a process before it did: the one that is forked has run nothing.
"""

import atexit
import ctypes
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from struct import Struct
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from hydra.core.plugins import Plugins

from tests.support import stores

ROOT = Path(__file__).parents[2]
SECONDS = 120
NUMBER = Struct("i")
HEAVY = ("matplotlib", "mlflow", "torch")
LIGHT = (
    "numpy", "wavesweep.cli.application", "wavesweep.cli.main", "wavesweep.cli.task", "wavesweep.config.composing",
    "wavesweep.data.periods", "wavesweep.data.data", "wavesweep.sweeps.sweeper",
)  # fmt: skip
"""What the command imports, with all that these import, before it refuses."""
LATE = (
    "alembic.command", "matplotlib.backends.backend_agg", "mlflow.models", "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.tracking.sqlalchemy_workspace_store", "optuna", "pandas",
    "PIL.JpegImagePlugin", "rich.console", "rich.progress", "safetensors.torch", "scipy.special",
    "sqlalchemy.dialects.sqlite", "torch._dynamo", "torch.utils.serialization",
)  # fmt: skip
"""What the command imports as it needs it."""
READ_AT_THE_START = ("PYTHON", "LC_", "LANG", "OMP_", "MKL_", "OPENBLAS_", "MPL")
"""How variables begin that Python or a library reads as it starts or is imported."""

NO_THREADS = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
"""What keeps libraries from starting threads as they are imported: a forked process would lack them."""


def environment(**variables: str) -> dict[str, str]:
    """Return the environment of the tests, less what says where and how MLflow tracks, with more variables.

    Some of that is the user's own; the rest was set by this process, and a command would take it for the user's choice.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")} | variables


class Preloaded:
    """A process that has imported modules, and forks one for each command; it ends with the process that made it.

    Args:
        modules: Their names.
        within: A command line that runs another one, and that all this shall be run by.
    """

    def __init__(self, *modules: str, within: tuple[str, ...] = ()) -> None:
        self.channel, theirs = socket.socketpair()
        arguments = [str(theirs.fileno()), *modules]
        with theirs:
            self.process = subprocess.Popen(
                [*within, sys.executable, "-c", "from tests.support.forking import serve; serve()", *arguments],
                cwd=ROOT,
                env=environment(**NO_THREADS),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # signals meant for the tests are not for it
            )

    def run(self, *arguments: str, **request: Any) -> "Forked":
        """Run the command to its end; see `start`."""
        with TemporaryDirectory() as place:
            out, err, imported = (Path(place, name) for name in ("out", "err", "imported"))
            process = self.start(*arguments, out=out, err=err, imported=imported, **request)
            try:
                code = process.wait()
            finally:  # where it takes too long, or the tests are interrupted
                process.kill()
                process.wait()
            heavy = imported.read_text() if imported.exists() else ""
            return Forked(list(arguments), code, out.read_text(), err.read_text(), heavy)

    def start(self, *arguments: str, **request: Any) -> "Process":
        """Start the command in a process group of its own.

        Args:
            arguments: Its arguments.
            request: As `_become` takes it; paths of files that exist or not.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self.channel, [b"1"], [theirs.fileno()])
        request |= {"arguments": arguments, "template": stores.template}
        ours.sendall(f"{json.dumps(request, default=str)}\n".encode())
        return Process(ours)


class Process:
    """A command that runs, with what `subprocess.Popen` would offer; its end is known by one that waits for it.

    Attributes:
        pid: Its id.
        returncode: As `subprocess.Popen` has it.
    """

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.returncode: int | None = None
        self.pid = self._read(SECONDS)

    def poll(self) -> int | None:
        """Return how it ended, if it has."""
        if self.returncode is None and select.select([self.channel], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float = SECONDS) -> int:
        """Wait for its end; return its exit code, or the signal that ended it, less than 0."""
        if self.returncode is None:
            self.returncode = self._read(timeout)
            self.channel.close()
        return self.returncode

    def _read(self, seconds: float) -> int:
        if not select.select([self.channel], [], [], seconds)[0]:
            raise TimeoutError(f"the command takes more than {seconds} s")
        number = self.channel.recv(NUMBER.size)
        assert number, "what forks commands has failed; it says on stderr why"
        return NUMBER.unpack(number)[0]

    def send_signal(self, signum: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, signum)

    def kill(self) -> None:
        """Kill it and its children, if it has not ended."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)


class Forked(subprocess.CompletedProcess[str]):
    """How a command ended.

    Attributes:
        imported: Those of `HEAVY` that it had imported in the end.
    """

    def __init__(self, arguments: list[str], code: int, out: str, err: str, imported: str) -> None:
        super().__init__(arguments, code, out, err)
        self.imported = imported


@cache
def light() -> Preloaded:
    """Return the process that has imported what any refusal takes; one for all tests of this process."""
    return Preloaded(*LIGHT)


@cache
def heavy(*within: str) -> Preloaded:
    """Return the process that has imported all that the command may; one for all tests of this process."""
    import wavesweep

    own = [module.name for module in walk_packages(wavesweep.__path__, "wavesweep.") if module.name[-8:] != "__main__"]
    return Preloaded(*own, *LATE, within=within)


def serve() -> None:
    """Import modules, then fork for each command a process that forks it, waits for it, and tells of its end."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    gc.set_threshold(100_000, 50, 100)  # as the command does, and for its reasons
    for module in sys.argv[2:]:
        import_module(module)
    Plugins.instance()  # which imports all that are installed
    threads = [thread.joinpath("comm").read_text().strip() for thread in Path("/proc/self/task").iterdir()]
    assert len(threads) == 1, f"a forked process would lack {threads[1:]}"
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait
    while (received := socket.recv_fds(channel, 1, 1))[0]:
        if os.fork() == 0:
            _end_with_parent()
            channel.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _fork(socket.socket(fileno=received[1][0]))
        os.close(received[1][0])


def _end_with_parent() -> None:
    """Let the system kill this process when its parent ends, as where the tests were killed."""
    PR_SET_PDEATHSIG = 1  # noqa: N806  linux/prctl.h
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _fork(channel: socket.socket) -> NoReturn:
    """Fork a command that is described there; tell its id, and how it ended."""
    request = json.loads(channel.makefile().readline())
    pid = os.fork()
    if pid == 0:
        _end_with_parent()
        channel.close()
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background would ignore
        os._exit(_become(**request))  # which spares taking apart what was imported
    with suppress(OSError):
        os.setpgid(pid, pid)  # as itself does: whoever comes first
    with suppress(OSError):  # nobody asks any more
        channel.sendall(NUMBER.pack(pid))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        channel.sendall(NUMBER.pack(code))
    os._exit(0)


def _become(
    arguments: list[str], cwd: str, environment: dict[str, str], out: str, err: str, template: str,
    pictures: bool = False, before: str = "", module: str = "wavesweep", imported: str = os.devnull,
) -> int:  # fmt: skip
    """Do what `python -m MODULE` does, started elsewhere; return its exit code.

    Args:
        arguments: Of the command line.
        cwd: Where.
        environment: All of its environment.
        out: The file to which it writes its results.
        err: The file to which it writes all else.
        template: The store that those it makes are copies of.
        pictures: Whether runs and sweeps draw theirs; else each gets a file that is empty.
        before: A script that a shell runs there before.
        module: What to run.
        imported: The file to which it writes in the end what it has imported of `HEAVY`.
    """
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    if before:
        subprocess.run(["sh", "-ec", before], check=True)
    for descriptor, path in ((1, out), (2, err)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.path[0] = cwd
    sys.argv[1:] = arguments
    if template != "None":
        stores.copy_instead(Path(template))
    if not pictures and (drawing := sys.modules.get("wavesweep.runs.pictures")):
        _draw_nothing(drawing, import_module("wavesweep.charts.pictures"))
    code = _run(module)
    Path(imported).write_text(" ".join(name for name in HEAVY if name in sys.modules))
    return code


def _run(module: str) -> int:
    """Run a module and what Python runs as it ends; return the exit code."""
    code: Any = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except OSError:
        code = 120
    assert isinstance(code, int)
    return code


def _draw_nothing(drawing: Any, charts: Any) -> None:
    """Let runs and sweeps write empty pictures."""

    def draw(sweep: Any, _: Any) -> None:
        sweep.plots.mkdir(exist_ok=True)
        (sweep.plots / "history.png").write_bytes(b"")

    charts.draw = draw
    drawing.forecast = drawing.drift = lambda path, *_, **__: path.write_bytes(b"")
    drawing.learning_curve = lambda directory, *_: drawing.forecast(directory.figure("learning_curve"))
