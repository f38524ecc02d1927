"""Where the UI of a store is served: said while it is, and believed of nothing else."""

import shlex
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from wavesweep.config.composing import compose
from wavesweep.config.config import Tracking
from wavesweep.ui.links import run_ending, sweep_ending
from wavesweep.ui.places import announced, served_at


@pytest.fixture
def tracking(tmp_path: Path) -> Tracking:
    return compose(f"tracking.uri=sqlite:///{tmp_path}/my.db").tracking


@pytest.fixture
def address() -> Iterator[str]:
    """Give an address at which a server says that it is well."""
    with served(200) as address:
        yield address


@contextmanager
def served(status: int) -> Iterator[str]:
    """Answer all requests with a status, within the context; give the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_request(self, code: object = "", size: object = "") -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()  # else its end takes half a second
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_it_is_known_while_it_is_served(tracking: Tracking, address: str, tmp_path: Path) -> None:
    assert served_at(tracking) is None
    with announced(tracking, address):
        assert served_at(tracking) == address
    assert served_at(tracking) is None
    assert list(tmp_path.iterdir()) == []
    with announced(tracking, "http://127.0.0.1:1"):  # where nothing listens
        assert served_at(tracking) is None


def test_another_program_s_file_of_that_name_stays(tracking: Tracking, address: str, tmp_path: Path) -> None:
    file = tmp_path / "my.db.ui"
    file.write_text("notes of mine\n")
    with announced(tracking, address):
        assert served_at(tracking) is None
    assert file.read_text() == "notes of mine\n"


def test_who_serves_it_too_stays_known(tracking: Tracking, address: str) -> None:
    with announced(tracking, "http://127.0.0.1:1"), announced(tracking, address):
        pass
    with announced(tracking, address):
        with announced(tracking, "http://127.0.0.1:1"):
            pass
        assert served_at(tracking) is None
    with announced(tracking, "http://127.0.0.1:1"):
        announced_later = announced(tracking, address)
        announced_later.__enter__()
    assert served_at(tracking) == address


def test_what_a_process_left_that_died_is_not_believed(tracking: Tracking, tmp_path: Path) -> None:
    """Another program may listen there now."""
    with served(404) as address, socket.create_server(("127.0.0.1", 0)) as silent:
        for there in (address, f"http://127.0.0.1:{silent.getsockname()[1]}"):
            (tmp_path / "my.db.ui").write_text(there)
            assert served_at(tracking) is None


@pytest.mark.parametrize(
    "text",
    [
        "", "nothing", "javascript:alert(1)", "https://127.0.0.1:PORT", "http://me:secret@127.0.0.1:PORT",
        "http://127.0.0.1:PORT/\x1b[2J", "http://127.0.0.1:PORT\nhttp://elsewhere", "http://127.0.0.1:99999",
        "http://127.0.0.1:PORT/?x", "http://127.0.0.1:PORT/" + "x" * 300, "http://ö:PORT", "http://[::::]:PORT",
    ],
)  # fmt: skip
def test_what_is_no_plain_address_is_not_believed(tracking: Tracking, address: str, tmp_path: Path, text: str) -> None:
    file, port = tmp_path / "my.db.ui", address.rpartition(":")[2]
    file.write_text(text.replace("PORT", port), "utf-8")
    assert served_at(tracking) is None
    file.write_text(address)
    assert served_at(tracking) == address


def test_a_link_or_a_folder_is_not_believed(tracking: Tracking, address: str, tmp_path: Path) -> None:
    file, elsewhere = tmp_path / "my.db.ui", tmp_path / "elsewhere"
    elsewhere.write_text(address)
    file.symlink_to(elsewhere)
    assert served_at(tracking) is None
    file.unlink()
    file.mkdir()
    assert served_at(tracking) is None


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("http://host:5000", "http://host:5000"),
        ("https://host/mine/", "https://host/mine"),
        ("https://me:***@host", "https://host"),
        ("https://***@host?token=***", "https://host"),
        ("postgresql://host/db", None),
    ],
)
def test_a_tracking_server_is_its_own_place(uri: str, expected: str | None) -> None:
    assert served_at(Tracking(followers=("mlflow",), uri=uri, experiment="any", required=False, tags={})) == expected


def test_an_ending_has_links_that_work_else_commands(tracking: Tracking, address: str) -> None:
    run_id = "3f9a" * 8
    [first, second] = run_ending(tracking, "7", run_id).splitlines()
    opens, compares = first.partition(" open it: ")[2], second.partition("compare runs: ")[2]
    assert shlex.split(opens) == ["wavesweep", "ui", run_id[:8], f"tracking.uri={tracking.uri}"]
    assert shlex.split(compares) == ["wavesweep", "ui", f"tracking.uri={tracking.uri}"]
    assert sweep_ending(compose("tracking.experiment=mine").tracking, "7", run_id, "one", Path("my/one")) == (
        "compare its runs: wavesweep ui my/one tracking.experiment=mine"
    )
    with announced(tracking, address):
        of_sweep = sweep_ending(tracking, "7", run_id, "one", Path("my/one"))
        for text, links in ((run_ending(tracking, "7", run_id), 2), (of_sweep, 3)):
            assert "wavesweep ui" not in text
            assert text.count(f"{address}/#/experiments/7/runs") == len(text.splitlines()) == links
