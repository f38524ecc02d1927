"""What is stored is data, not a program: whatever stands in its place is refused in a line, and does nothing else."""

import io
import json
import math
import os
import pickle
import shutil
import socket
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load, save

from tests.support.guarded import watching
from tests.support.victims import CANARY, COMMANDS, OUTSIDE, change, guarded
from wavesweep.base.stored import read_sealed, seal

TRUSTED = {*sys.stdlib_module_names, "wavesweep", "hydra_queue_sweeper"}
# Seconds of the processor's time, which a busy machine does not change: Hydra composes a sweep that goes on first.
BUSY, BYTES = 1.5, 200 << 20
SECONDS = 20.0  # enough on one, and less than any wait for what never comes
OF_RUNS = ("resume", "sync", "attributes", "reproduce", "forecast", "diff")
OF_SWEEPS = ("resume a sweep", "summary")


class Evil:
    """What runs a program as it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.system, (f"touch {OUTSIDE}/evil",)


@pytest.fixture(scope="module")
def benign(victims: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    """Tell what a command reports that finds all in order: beyond its place, it only asks git what code runs."""

    @cache
    def report(command: str) -> dict[str, Any]:
        place = shutil.copytree(victims, tmp_path_factory.mktemp("benign") / "place")
        ended, found = guarded(place, command)
        assert ended.returncode == 0, ended.stderr
        assert [one for one in found["done"] if "'git'" not in one] == []
        return found

    return report


Spoil = Callable[[Path], object]


@dataclass
class Case:
    """Something hostile.

    Attributes:
        name: What it is.
        spoil: Puts it into a directory, of a run or a sweep.
        words: What each command says of it.
        commands: Those that read it.
    """

    name: str
    spoil: Spoil
    words: str
    commands: tuple[str, ...] = OF_RUNS


def changing(file: str, **values: object) -> Spoil:
    return lambda path: change(path / file, **values)


def writing(file: str, content: str | bytes) -> Spoil:
    return lambda path: (path / file).write_bytes(content if isinstance(content, bytes) else content.encode())


def adding(file: str, content: str) -> Spoil:
    return lambda path: (path / file).write_text((path / file).read_text() + content)


def copying(file: str, to: str, content: str) -> Spoil:
    return lambda path: (path / to).write_text((path / file).read_text() + content)


def configured(**values: object) -> Spoil:
    """Change values of config.yaml; __ stands between keys."""

    def spoil(path: Path) -> None:
        content = yaml.safe_load((path / "config.yaml").read_text())
        for key, value in values.items():
            *around, name = key.split("__")
            inner = content
            for one in around:
                inner = inner[one]
            inner[name] = value
        (path / "config.yaml").write_text(yaml.safe_dump(content, sort_keys=False))

    return spoil


def removed(path: Path) -> Path:
    """Make way for something else."""
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    return path


def linking(file: str, to: str) -> Spoil:
    return lambda path: removed(path / file).symlink_to(path.parents[2] / to)


def fifo(file: str) -> Spoil:
    return lambda path: os.mkfifo(removed(path / file))


def huge(file: str) -> Spoil:
    return lambda path: os.truncate(path / file, 8 << 30)


def door(path: Path) -> None:
    """Put a socket in place of config.yaml; its name is short, or it could not be bound."""
    with pytest.MonkeyPatch.context() as patch, socket.socket(socket.AF_UNIX) as listener:
        patch.chdir(path)
        removed(Path("config.yaml"))
        listener.bind("config.yaml")


def archive(content: object, **damage: Any) -> Spoil:
    """Seal what torch saves."""
    buffer = io.BytesIO()
    torch.save(content, buffer, **damage)
    return writing("checkpoint.pt", seal(buffer.getvalue()))


def restored(**values: Any) -> Spoil:
    """Change what a checkpoint holds; __ stands between keys."""

    def spoil(path: Path) -> None:
        content = torch.load(io.BytesIO(read_sealed(path / "checkpoint.pt", 1 << 30)), weights_only=True)
        for key, value in values.items():
            *around, name = key.split("__")
            inner = content
            for one in around:
                inner = inner[int(one) if one.isdecimal() else one]
            inner[name] = value
        archive(content)(path)

    return spoil


def bomb(path: Path) -> None:
    """Seal an archive of which a member is a thousand times as large as the file."""
    buffer = io.BytesIO()
    torch.save({"version": 1, "weights": torch.zeros(10)}, buffer)
    with zipfile.ZipFile(buffer) as there, zipfile.ZipFile(path / "bomb", "w", zipfile.ZIP_DEFLATED) as made:
        for name in there.namelist():
            made.writestr(name, bytes(200 << 20) if "/data/" in name else there.read(name))
    writing("checkpoint.pt", seal((path / "bomb").read_bytes()))(path)


def weighing(**tensors: torch.Tensor) -> Spoil:
    """Change tensors of model.safetensors."""

    def spoil(path: Path) -> None:
        there = load((path / "model.safetensors").read_bytes())
        names = {name.replace(".", "_"): name for name in there}
        (path / "model.safetensors").write_bytes(save(there | {names[key]: value for key, value in tensors.items()}))

    return spoil


def renaming(name: str) -> Spoil:
    """Add a tensor to model.safetensors."""

    def spoil(path: Path) -> None:
        there = load((path / "model.safetensors").read_bytes())
        (path / "model.safetensors").write_bytes(save(there | {f"network.{name}": torch.zeros(1)}))

    return spoil


def record(**values: object) -> Spoil:
    return adding("metrics.jsonl", json.dumps({"timestamp": 1, "epoch": 99} | values) + "\n")


informed, planned = partial(changing, "run.json"), partial(changing, "sweep.json")


def sweeping(key: str, value: str) -> Spoil:
    """Let a sweep be one over a key."""
    dimensions = [{"key": key, "values": [value], "ordered": False, "interval": None}]
    return planned(dimensions=dimensions, parts=[{"dimensions": dimensions, "kind": "grid"}])


def header(entries: object) -> bytes:
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text


LAUGHS = "a: &a [1]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
BILLION = {"network.head.weight": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}}
TENSORS = "must hold tensors and plain values alone; remove it"
PLAIN = "must hold plain values, got"
ELSEWHERE = "a sweep may be resumed elsewhere; write the value itself"
NO_CONFIG = "config.yaml is no configuration"
FILE, LINK, WITHIN = "must be a plain file, got something else", "got a link", "must name a place within"
READ, WRITTEN, RESUME = OF_RUNS, ("resume", "sync"), ("resume",)
FIND, FORECAST, KEPT = ("reproduce", "forecast", "diff"), ("forecast", "attributes"), ("attributes",)
ALL_SWEEPS, JOBS = OF_SWEEPS, ("resume a sweep",)
HUNDRED = {"values": [str(n) for n in range(100)], "ordered": False, "interval": None}
PROPOSALS = {"count": 10**12, "seeds": [], "kind": "proposed"}
ENDLESS = [HUNDRED | {"key": str(n)} for n in range(9)]
GRID = {"dimensions": ENDLESS, "kind": "grid"}

CASES = [
    Case("a class to make", configured(_target_="os.system"), "_target_ is not a key of this configuration"),
    Case("a class in a part", configured(dataset___target_="os.system"), "dataset._target_ is not a key"),
    Case("a variable", configured(tracking__experiment="${oc.env:WAVESWEEP_CANARY}"), PLAIN),
    Case("Hydra's node", configured(hydra={"run": {"dir": "/x"}}), "hydra is not a key of this configuration"),
    Case("a call by a tag", adding("config.yaml", "x: !!python/object/apply:os.system [id]\n"), "got the tag"),
    Case("a module by a tag", adding("config.yaml", "x: !!python/module:antigravity\n"), "got the tag", ("resume",)),
    Case("a billion laughs", writing("config.yaml", LAUGHS), "got an alias", ("resume", "sync")),
    Case("brackets", writing("config.yaml", "[" * 100_000), NO_CONFIG),
    Case("nested rows", writing("config.yaml", "- " * 50_000), "at most 32 groups and lists", ("resume", *FIND)),
    Case("a key that is a number", configured(**{"5": 6}), "is not a key", RESUME),
    Case("a key that is none", adding("config.yaml", "5: 6\n"), "5 must be text, as all keys are", ("resume", "sync")),
    Case("a date", adding("config.yaml", "x: 2020-01-01\n"), f"{PLAIN} a date", RESUME),
    Case("bytes", configured(seed=b"abc"), f"{PLAIN} the tag", RESUME),
    Case("a long number", adding("config.yaml", f"x: 0x{'f' * 900}\n"), "must be less than 2^64", ("sync", *FIND)),
    Case("a number to base 60", adding("config.yaml", f"x: {':'.join('1' * 50_000)}\n"), "at most 1000 characters"),
    Case("many keys", adding("config.yaml", "".join(f"a{n}: 1\n" for n in range(10_000))), "a0 is not a key", RESUME),
    Case("a list", writing("config.yaml", "[1]"), "it must hold keys and values", RESUME),
    Case("lists for a number", configured(training__epochs=[[1]]), "training.epochs must be a whole number", RESUME),
    Case("a terminal's orders", adding("config.yaml", '"\\e]0;x\\a": 1\n'), "\\x1b]0;x\\x07 is not a key"),
    Case("another encoding", writing("config.yaml", "a: 1".encode("utf-16")), NO_CONFIG, RESUME),
    Case("no configuration", lambda path: (path / "config.yaml").unlink(), "can't be read (No such file or directory)"),
    Case("another seed", configured(seed=5), "was changed since the run began", ("resume", *FIND, "attributes")),
    Case("longer series", configured(dataset__length=10**7), "was changed since the run began", ("resume", *FIND)),
    Case("a link for the configuration", linking("config.yaml", f"{OUTSIDE}/secret"), LINK),
    Case("a pipe for the configuration", fifo("config.yaml"), "got", OF_RUNS),
    Case("a socket for the configuration", door, "got", ("attributes", *FIND)),
    Case("a huge configuration", huge("config.yaml"), "it must have at most 131072 bytes"),
    Case("a variable in what was composed", adding("composed.yaml", "x: ${oc.env:HOME}\n"), PLAIN, FIND),
    Case("a link for what was composed", linking("composed.yaml", f"{OUTSIDE}/secret"), LINK, FIND),
    Case("a nested run.json", writing("run.json", "[" * 100_000), "run.json is damaged"),
    Case("another's key", informed(run_key="' or '1' = '1"), "run.json is damaged", ("sync", *FIND)),
    Case("a time beyond all", informed(started=10**400), "run.json is damaged", ("sync", *FIND)),
    Case("an input without its digest", informed(inputs=[{"context": "x"}]), "it must have a context"),
    Case("an epoch that is none", informed(tags={"wavesweep.kept_epoch": "x"}), "must be an epoch", KEPT),
    Case("a link for run.json", linking("run.json", f"{OUTSIDE}/secret"), LINK),
    Case("a pipe for run.json", fifo("run.json"), "got", ("resume", *FIND)),
    Case("a huge run.json", huge("run.json"), "it must have at most 1048576 bytes"),
    Case("a nested record", writing("metrics.jsonl", "[" * 60_000 + "\n"), "metrics.jsonl is damaged"),
    Case("an endless record", writing("metrics.jsonl", "[" * 6_000_000), "a line must have less than 65536 bytes"),
    Case("an epoch beyond all", record(epoch=10**400), "a line must hold a record"),
    Case("a text for a value", record(**{"train/loss": "x"}), "a line must hold a record", ("sync", *FIND)),
    Case("a value of nan", record(**{"train/loss": math.nan}), "a line must hold a record", ("sync", *FIND)),
    Case("a link for the records", linking("metrics.jsonl", f"{OUTSIDE}/secret"), LINK),
    Case("a pipe for the records", fifo("metrics.jsonl"), "got"),
    Case("huge records", huge("metrics.jsonl"), "it must have at most 268435456 bytes"),
    Case("a pickle", writing("checkpoint.pt", seal(pickle.dumps(Evil()))), TENSORS, RESUME),
    Case("a pickle of torch's", archive({"version": 1, "x": Evil()}), TENSORS, RESUME),
    Case("an old pickle of torch's", archive(Evil(), _use_new_zipfile_serialization=False), TENSORS, RESUME),
    Case("a bomb", bomb, TENSORS, RESUME),
    Case("a checkpoint that is none", archive([1]), "is no checkpoint; remove it", RESUME),
    Case("a checkpoint of nothing", archive({"version": 2}), "does not fit the run ('training')", RESUME),
    Case("an epoch of the future", restored(training__epoch=10**9), "its epoch must be one of", RESUME),
    Case("no random state", restored(training__random=torch.zeros(3)), "does not fit the run", RESUME),
    Case("a tensor for training", restored(training=torch.zeros(5)), "its training must be a group of keys", RESUME),
    Case("other weights", restored(candidates__0__weights={"x": torch.zeros(1)}), "does not fit the run", RESUME),
    Case("a text for weights", restored(candidates__0__weights="x"), "does not fit the run", RESUME),
    Case("no candidates", restored(candidates=[]), "does not fit the run", RESUME),
    Case("a billion entries", writing("model.safetensors", header(BILLION)), "it is no safetensors file", FORECAST),
    Case("weights that are a pickle", writing("model.safetensors", pickle.dumps(Evil())), "damaged", FORECAST),
    Case("nan for a mean", weighing(scaler_mean=torch.tensor([torch.nan]).double()), "must be finite", FORECAST),
    Case("a name that a terminal obeys", renaming("\x1b]0;x\x07"), "\\x1b]0;x\\x07 is no weight", FORECAST),
    Case("other shapes", weighing(network_unit=torch.zeros(5)), "unit must be float32 of shape (1,)", FORECAST),
    Case("a link for weights", linking("model.safetensors", f"{OUTSIDE}/secret"), LINK, ("sync", *FORECAST, *FIND)),
    Case("a pipe for weights", fifo("model.safetensors"), "got", ("sync", *FORECAST, *FIND)),
    Case("huge weights", huge("model.safetensors"), "it must have at most", (*FORECAST, *FIND)),
    Case("a link for pictures", linking("plots", OUTSIDE), LINK, WRITTEN),
    Case("a link for the log", linking("wavesweep.log", f"{OUTSIDE}/log"), LINK, RESUME),
    Case("a link for errors", linking("by_origin.bin", f"{OUTSIDE}/secret"), LINK, WRITTEN),
    Case("a link for the model", linking("model", OUTSIDE), LINK, WRITTEN),
    Case("a link for a lock", linking(".lock", f"{OUTSIDE}/secret"), LINK, WRITTEN),
    Case("a nested plan", writing("sweep.json", "[" * 100_000), "sweep.json is damaged", ALL_SWEEPS),
    Case("a key of two lines", planned(**{"a\nb": 1}), "version (a\\nb", ALL_SWEEPS),
    Case("a grid without an end", planned(parts=[GRID]), "at most 100000", ALL_SWEEPS),
    Case("jobs of other keys", planned(dimensions=ENDLESS), "is none of its jobs", ALL_SWEEPS),
    Case("jobs without an end", planned(parts=[PROPOSALS]), "at most 100000", ALL_SWEEPS),
    Case("a plan of another format", planned(format=1), "of another version (format: Input should be 3", ALL_SWEEPS),
    Case("a link for the plan", linking("sweep.json", f"{OUTSIDE}/secret"), LINK, ALL_SWEEPS),
    Case("a pipe for the plan", fifo("sweep.json"), FILE, ALL_SWEEPS),
    Case("a huge plan", huge("sweep.json"), "it must have at most", ALL_SWEEPS),
    Case("a trial elsewhere", changing("trials/0.json", directory="../../../outside"), WITHIN, ALL_SWEEPS),
    Case("a trial at a place", changing("trials/0.json", directory="/tmp"), WITHIN, ALL_SWEEPS),  # noqa: S108
    Case("a trial beyond a link", linking("0", OUTSIDE), "got a link to elsewhere", ALL_SWEEPS),
    Case("a variable for a place", changing("trials/1.json", directory="${oc.env:HOME}"), WITHIN, ALL_SWEEPS),
    Case("overrides of Hydra", changing("trials/1.json", overrides=["+hydra.x=1"]), "its overrides", ALL_SWEEPS),
    Case("a huge trial", huge("trials/0.json"), "it must have at most", ALL_SWEEPS),
    Case("a pipe for a trial", fifo("trials/0.json"), FILE, ALL_SWEEPS),
    Case("a variable in an override", sweeping("seed", "${oc.env:WAVESWEEP_CANARY}"), ELSEWHERE, JOBS),
    Case("a variable in a key", sweeping("+${oc.env:WAVESWEEP_CANARY}", "1"), ELSEWHERE, JOBS),
    Case("a name that is computed", sweeping("seed", "${oc.${n}:HOME}"), ELSEWHERE, JOBS),
    Case("a text that is put together", sweeping("seed", "${oc.decode:'$${n}oc.env'}"), ELSEWHERE, JOBS),
    Case("a class in an override", sweeping("+dataset._target_", "os.system"), ELSEWHERE, JOBS),
    Case("Hydra's node in a sweep", sweeping("+hydra.job_logging.x", "1"), "leave hydra out", JOBS),
    Case("an option of Hydra's in a sweep", sweeping("+hydra/job_logging", "none"), "leave hydra out", JOBS),
    Case("a tag in a sweep", writing("composed.yaml", "x: !!python/object/apply:os.system [id]"), "got the tag", JOBS),
    Case("a variable in a sweep", copying("config.yaml", "composed.yaml", "x: ${oc.env:HOME}\n"), PLAIN, JOBS),
    Case("a link for what is varied", linking("composed.yaml", f"{OUTSIDE}/secret"), LINK, JOBS),
    Case("a variable for a folder", planned(subdir="${oc.env:HOME}"), "must not call oc.env", JOBS),
    Case("a function to call", planned(custom_search_space="os.system"), "would run code of the sweep's", JOBS),
    Case("other options in a sweep", planned(digests={"model=tiny": {"x": "0"}}), "begun otherwise", JOBS),
    Case("a link for workers", linking("workers", OUTSIDE), LINK, JOBS),
    Case("a link for a trial's files", linking("trials/x.lock", f"{OUTSIDE}/secret"), LINK, JOBS),
    Case("a nested parent.json", writing("parent.json", "[" * 100_000), "parent.json is damaged", JOBS),
    Case("a link for a sweep's lock", linking(".lock", f"{OUTSIDE}/secret"), LINK, JOBS),
    Case("a link for a sweep's records", linking("metrics.jsonl", f"{OUTSIDE}/secret"), LINK, JOBS),
    Case("a pipe for a sweep's records", fifo("metrics.jsonl"), "got", JOBS),
    Case("a sweep's own configuration", configured(tracking__uri="${oc.env:HOME}"), PLAIN, JOBS),
]  # fmt: skip

QUICK = ("diff", "summary")


def test_a_change_elsewhere_is_seen_however_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "inside as well"
    inside.mkdir()
    outside.mkdir()
    monkeypatch.chdir(inside)
    (inside / "out").symlink_to(outside)
    folders = {place: os.open(place, os.O_RDONLY) for place in (inside, outside)}
    with watching(inside) as report:
        for place, folder in folders.items():
            os.mkdir("made", dir_fd=folder)
            os.symlink(inside, "link", dir_fd=folder)
            os.rename("link", "renamed", src_dir_fd=folder, dst_dir_fd=folder)
            os.remove("renamed", dir_fd=folder)
            os.rmdir("made", dir_fd=folder)
            place.chmod(0o700)
        (inside / "out" / "through a link").mkdir()
        (inside / "out").unlink()
    for folder in folders.values():
        os.close(folder)
    assert report["done"] == [
        f"os.mkdir {outside}/made",
        f"os.symlink {outside}/link",
        f"os.rename {outside}/link",
        f"os.rename {outside}/renamed",
        f"os.remove {outside}/renamed",
        f"os.rmdir {outside}/made",
        f"os.chmod {outside}",
        f"os.mkdir {outside}/through a link",
    ]


def runs() -> Iterator[Any]:
    """Return each case with each command that reads it; with the quickest by default."""
    for case in CASES:
        for command in dict.fromkeys(case.commands):
            often = command in QUICK
            yield pytest.param(case, command, marks=[] if often else pytest.mark.slow, id=f"{case.name}, {command}")


@pytest.mark.parametrize(("case", "command"), list(runs()))
def test_what_is_hostile_is_refused_and_does_nothing(
    case: Case, command: str, victims: Path, benign: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    place = shutil.copytree(victims, tmp_path / "place")
    usual = benign(command)
    case.spoil(place / COMMANDS[command][1])
    ended, report = guarded(place, command)
    strange = {name for name in report["imported"] if name.partition(".")[0] not in TRUSTED} - {*usual["imported"]}
    assert set(report["done"]) <= set(usual["done"])
    assert strange == set()
    assert sorted(path.name for path in (place / OUTSIDE).iterdir()) == ["secret"]
    assert (place / OUTSIDE / "secret").read_text() == f"secret: {CANARY}\n"
    assert ended.returncode == (4 if command == "sync" else 2), ended.stderr
    [line] = ended.stderr.splitlines()
    assert line.startswith("" if command == "sync" else "wavesweep: ")
    assert case.words in line
    assert line.isprintable()
    told = ended.stdout + ended.stderr + "".join(files(place / "outputs"))
    assert "Traceback" not in told
    assert CANARY not in told
    assert "weights_only" not in told
    assert report["busy"] < BUSY
    assert report["seconds"] < SECONDS
    assert report["bytes"] < BYTES


def files(place: Path) -> list[str]:
    """Return the text of all files that can hold one."""
    found = (path for path in place.rglob("*") if path.suffix != ".patch")  # which holds what tests say
    plain = [path for path in found if not path.is_symlink() and path.is_file()]
    return [path.read_text(errors="replace") for path in plain if path.stat().st_size < 1 << 24]
