"""A password comes by the environment alone, and reaches no file, tag or message."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest
import yaml
from mlflow import MlflowClient

from tests.support.commands import SMALL, Command, call
from tests.support.imports import imported_by
from tests.support.proxy import Proxy
from wavesweep.config.composing import compose
from wavesweep.trackers.mlflow.addresses import full_address

SECRET = "hunter2secret"  # noqa: S105
ADDRESS = f"http://user:{SECRET}@127.0.0.1:9"
WAYS_IN = ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_PASSWORD", "PGPASSWORD")
QUICK = (*SMALL, "model=linear")


def holding_it(place: Path) -> list[Path]:
    """Return all files below a place that hold the secret."""
    return [path for path in place.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


REFUSED = [
    (f"tracking.uri={ADDRESS}",),
    (f"++tracking.uri='{ADDRESS}'",),
    (f"tracking.uri=http://user:pass@{SECRET}@host",),
    (f"tracking.uri=http://{SECRET}@host",),
    (f'tracking.uri="postgresql://host/db?user=me&password={SECRET}"',),
    (f"tracking={{uri:{ADDRESS}}}",),
    (f"+hydra.launcher.x={ADDRESS}",),
    ("-m", f"tracking.uri={ADDRESS}", "seed=0,1"),
    ("-m", f"tracking.uri=http://host,{ADDRESS}"),
    ("--cfg", "job", f"tracking.uri={ADDRESS}"),
    (f"tracking.uri=http:/user:{SECRET}@host",),
    (f"tracking={{uri:user:{SECRET}@host}}",),
    (f"tracking.uri=http://host/?api_key={SECRET}",),
    (f"tracking.tags.PGPASSWORD={SECRET}",),
    ("ui", f"tracking.uri={ADDRESS}"),
    ("resume", f"tracking.uri='{ADDRESS}'"),
    ("resume", f"+tracking.uri={ADDRESS}"),
    ("resume", f"hydra.launcher.x={ADDRESS}"),
    ("sync", f"tracking.uri={ADDRESS}"),
    ("summary", f"tracking.uri={ADDRESS}"),
]


@pytest.mark.parametrize("arguments", REFUSED, ids=" ".join)
def test_one_on_a_command_line_is_refused(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = call(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert all(name in done.stderr for name in WAYS_IN)
    assert SECRET not in done.stderr
    assert list(tmp_path.iterdir()) == []


IN_YAML = {
    "of a run": ((), f"tracking: {{uri: '{ADDRESS}'}}"),
    "of a sweep": (("-m",), f"tracking: {{uri: '{ADDRESS}'}}"),
    "as a tag": ((), f"tracking: {{tags: {{PGPASSWORD: {SECRET}}}}}"),
    "as a dimension": (("-m",), f"hydra: {{sweeper: {{params: {{tracking.uri: '{ADDRESS}'}}}}}}"),
}


def write_option(place: Path, name: str) -> list[str]:
    """Write an option that holds a password; return the arguments that choose it there."""
    flags, text = IN_YAML[name]
    (place / "my" / "experiment").mkdir(parents=True)
    (place / "my" / "experiment" / "own.yaml").write_text(f"# @package _global_\n{text}\n")
    return [*flags, "--config-dir", "my", "experiment=own", *QUICK]


@pytest.mark.parametrize("name", IN_YAML)
def test_one_in_yaml_is_refused(tmp_path: Path, name: str) -> None:
    done = call(*write_option(tmp_path, name), cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert all(name in done.stderr for name in WAYS_IN)
    assert SECRET not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["my"]


def test_to_refuse_one_nothing_heavy_is_imported(tmp_path: Path) -> None:
    written = [(tmp_path / name, write_option(tmp_path / name, name)) for name in IN_YAML]
    assert {*imported_by([*((tmp_path, [*arguments]) for arguments in REFUSED), *written])} == {""}


def test_a_user_of_a_database_is_no_secret(tmp_path: Path) -> None:
    """The password comes by PGPASSWORD."""
    address = "postgresql://user@host/db"
    tracking = compose(f"tracking.uri={address}").tracking
    assert tracking.uri == full_address(tracking) == address
    shown = call("--cfg", "job", f"tracking.uri={address}", cwd=tmp_path)
    assert (shown.returncode, yaml.safe_load(shown.stdout)["tracking"]["uri"]) == (0, address)


@pytest.mark.parametrize(
    ("arguments", "code", "shown"),
    [
        (("--cfg", "job", "--resolve"), 0, "uri: http://user:***@127.0.0.1:9\n"),
        (("ui",), 2, "tracking.uri=http://user:***@127.0.0.1:9 can't be used (Connection refused)"),
        (("tracking.required=true",), 2, "tracking.uri=http://user:***@127.0.0.1:9 can't be used (Connection refused)"),
    ],
    ids=["--cfg", "ui", "required"],
)
def test_nothing_shows_it(tmp_path: Path, arguments: tuple[str, ...], code: int, shown: str) -> None:
    done = call(*arguments, cwd=tmp_path, MLFLOW_TRACKING_URI=ADDRESS)
    assert done.returncode == code
    assert shown in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "token", "password"),
    [("MLFLOW_TRACKING_TOKEN", f"{SECRET}\r", ""), ("MLFLOW_TRACKING_PASSWORD", "", f"{SECRET}\r")],
)
def test_one_with_the_end_of_a_line_is_not_shown(tmp_path: Path, name: str, token: str, password: str) -> None:
    """As of a file that was written on Windows."""
    for arguments, code in ((("tracking.required=true",), 2), (QUICK, 4)):
        done = call(
            *arguments,
            cwd=tmp_path,
            MLFLOW_TRACKING_URI="http://127.0.0.1:9",
            MLFLOW_TRACKING_USERNAME="me",
            MLFLOW_TRACKING_TOKEN=token,
            MLFLOW_TRACKING_PASSWORD=password,
        )
        assert done.returncode == code
        assert f"{name} must be one line" in done.stderr
        assert SECRET not in done.stdout + done.stderr
    assert holding_it(tmp_path) == []


def test_a_mistyped_address_of_the_environment_is_not_shown(tmp_path: Path) -> None:
    for arguments in (("--cfg", "job", "--resolve"), ("tracking.required=true",)):
        done = call(*arguments, cwd=tmp_path, MLFLOW_TRACKING_URI=f"http:/user:{SECRET}@host")
        assert SECRET not in done.stdout + done.stderr


@contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """Run a server within the context that knows nothing; give its address, and what was sent to it as a password."""
    sent: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent.append(self.headers.get("Authorization", ""))
            self.send_response(404)
            self.end_headers()

        def log_request(self, code: object = "", size: object = "") -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", sent
        server.shutdown()


def test_a_server_that_a_stored_run_names_is_sent_none(tmp_path: Path) -> None:
    """The run may come from anyone, and the password is for the server that is configured here."""
    with listening() as (address, sent):
        assert call(*QUICK, f"tracking.uri={address}", "hydra.run.dir=run", cwd=tmp_path).returncode == 4
        assert {*sent} == {""}
        sent.clear()
        for arguments, code in ((("sync", "."), 4), (("resume", "run"), 2), (("ui", "run"), 2)):
            done = call(*arguments, cwd=tmp_path, MLFLOW_TRACKING_TOKEN=SECRET)
            assert (done.returncode, done.stderr.count("\n")) == (code, 1)
            assert f"run names {address}, which is not the tracking.uri configured here" in done.stderr
        assert sent == []
        for way_out in ("--trust", f"tracking.uri={address}"):
            assert call("sync", "run", way_out, cwd=tmp_path, MLFLOW_TRACKING_TOKEN=SECRET).returncode == 4
            assert {*sent} == {f"Bearer {SECRET}"}
            sent.clear()
        assert call("sync", "run", cwd=tmp_path).returncode == 4
        assert {*sent} == {""}


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    proxy = Proxy(urlsplit(server).port or 0)
    yield proxy
    proxy.behave("dead")


@pytest.mark.slow
def test_a_server_takes_it_and_no_record_holds_it(
    server: str, proxy: Proxy, common: Path, wavesweep: Command, tmp_path: Path
) -> None:
    address = proxy.uri.replace("//", f"//user:{SECRET}@")
    proxy.behave("dead")
    untracked = wavesweep(*QUICK, "tracking.experiment=passwords", "hydra.run.dir=run", MLFLOW_TRACKING_URI=address)
    assert untracked.returncode == 4
    swept = wavesweep("-m", *QUICK, "seed=0,1", "hydra/launcher=basic", MLFLOW_TRACKING_URI=address)
    assert swept.returncode == 4
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["tracking"]["uri"] == address.replace(
        SECRET, "***"
    )
    proxy.behave("pass")
    for known in ({}, {"MLFLOW_TRACKING_URI": address.replace("user", "other")}):
        refused = wavesweep("sync", "run", **known)
        assert (refused.returncode, refused.stdout) == (4, "1 not delivered\n")
        assert "hides a password; give the whole address by MLFLOW_TRACKING_URI" in refused.stderr
        assert refused.stderr.count("\n") == 1
    delivered = wavesweep("sync", "run", MLFLOW_TRACKING_URI=address)
    assert (delivered.returncode, delivered.stdout, delivered.stderr) == (0, "1 delivered\n", "")
    tracked = wavesweep(*QUICK, "tracking.experiment=passwords", MLFLOW_TRACKING_URI=address)
    assert tracked.returncode == 0

    for done in (untracked, swept, refused, delivered, tracked):
        assert SECRET not in done.stdout + done.stderr
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name("passwords")
    assert experiment
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 2
    assert not any(SECRET in str(run.to_dictionary()) for run in runs)
    assert holding_it(tmp_path) == holding_it(common / "server") == []
