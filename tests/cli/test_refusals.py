"""What is refused, and how: one short message, exit code 2, nothing written, nothing heavy imported in vain."""

import ctypes
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.commands import Command, call
from tests.support.imports import imported_by


@dataclass(frozen=True)
class Case:
    """A wrong input: its command line, what is said of it, and what makes the place where it is typed.

    Attributes:
        typed: The command line; PLACE stands for the directory in it and in the message.
        said: All lines of the message, less the name of the program.
        files: Texts by path that stand there before; a path that ends in / is a directory.
        imports: What of torch and mlflow it takes to find out.
    """

    typed: str
    said: str
    files: tuple[tuple[str, str], ...] = ()
    imports: str = ""


NAMES = [
    Case("dataset=sin", "dataset=sin is not an option; did you mean sine?"),
    Case("datset=sine", "datset is not a key of this configuration; did you mean dataset?"),
    Case("dataset.widht=3", "dataset.widht is not a key of this configuration; did you mean dataset.width?"),
    Case("+dataset.widht=3", "dataset.widht is not a key of this configuration; did you mean dataset.width?"),
    Case(
        "dataset=sales.csv", "dataset=sales.csv is not an option; for a file, give dataset=csv dataset.path=sales.csv"
    ),
    Case(
        "dataset.path=sales.csv",
        "dataset.path is not a key of the dataset chosen here; leave it out, or choose dataset=csv",
    ),
    Case("dataset=../x", "dataset=../x is not an option; choose from cos_sin_squared, csv, linear_noise, sine"),
    Case("experiment=articl/sine", "experiment=articl/sine is not an option; did you mean article/sine?"),
    Case("experiment=dataset/sine", "experiment=dataset/sine is not an option; did you mean article/sine?"),
    Case("training=null", "training must be one of its options, got null; choose from article, default"),
    Case("training=5", "training must be one of its options, got 5; choose from article, default"),
    Case("training=[1]", "training must be one of its options, got [1]; choose from article, default"),
    Case("training=[]", "training is missing; choose an option of this group"),
    Case("~dataset", "dataset is missing; choose an option of this group"),
    Case("~seed", "seed is missing; give it a value"),
    Case("~dataset.split", "dataset.split is missing; give it a value"),
    Case("~trainin", "trainin is not a key of this configuration; did you mean training?"),
    Case(
        "model=linear model.dropout=0.2",
        "model.dropout is not a key of the model chosen here; leave it out, or choose another",
    ),
    Case(
        "training={epoch:3}",
        "training.epoch is not a key of this configuration; did you mean training.epochs?",
    ),
    Case(
        "-m training=null,article",
        "training must be one of its options, got null,article; choose from article, default",
    ),
    Case("model.kind=linear", "model.kind=linear: a kind comes with its option, model=…; did you mean linear?"),
    Case("-m hydra.sweeper.n_job=3", "hydra.sweeper.n_job is not a key of Hydra's; wavesweep --cfg hydra shows them"),
    Case(
        "-m hydra/launcher=foo",
        "hydra/launcher=foo is not an option; "
        "choose from basic, dask, joblib, processes, slurm, submitit_local, submitit_slurm",
    ),
]

# What `parse` refuses is in config/test_config.py; here is what typing adds, and how it reaches the user.
VALUES = [
    Case("seed=abc", "seed must be a whole number, got abc"),
    Case("seed=1.5", "seed must be a whole number, got 1.5"),
    Case("seed=", "seed must be a whole number, got nothing"),
    Case("training.epochs=0", "training.epochs must be at least 1, got 0"),
    Case("training.epochs=[1]", "training.epochs must be a whole number, got [1]"),
    Case("dataset.width=-inf", "dataset.width must be finite, got -inf"),
    Case("dataset.width=1e300", "dataset.width must be at most 1e+12, got 1e+300"),
    Case("""dataset.width='"20"'""", "dataset.width must be a number, got the text '20'"),
    Case("optimizer.lr=1e400", "optimizer.lr must be finite, got inf"),
    Case("model.hidden_sizes=[8,a]", "model.hidden_sizes[1] must be a whole number, got a"),
    Case("model.hidden_sizes=[1000000]", "model.hidden_sizes[0] must be at most 65536, got 1000000"),
    Case("optimizer.betas=[]", "optimizer.betas must have 2 entries, got []"),
    Case("optimizer.betas=[0.9,1.0]", "optimizer.betas[1] must be less than 1, got 1.0"),
    Case("training.epochs=???", "training.epochs is missing; give it a value"),
    Case("'training.epochs=${nope}'", "training.epochs: Interpolation key 'nope' not found; give it another value"),
    Case("dataset.width=-1 seed=-1", "seed must be at least 0, got -1\ndataset.width must be greater than 0, got -1"),
    Case(
        "hydra.job.chdir=maybe",
        "hydra.job.chdir: Value 'maybe' is not a valid bool (type str); give it another value",
    ),
]

SHAPES = [
    Case("dataset.length=2", "dataset.length must be at least 3, got 2"),
    Case(
        "dataset.num_series=1 dataset.length=3",
        "dataset.split must leave at least 2 time steps to train on, got 1; give a greater length",
    ),
    Case(
        "dataset.num_series=2",
        "dataset.split must leave series to train, to validate and to test on, got 2 in all; "
        "give more, or three row counts, the last of which may be 0",
    ),
    Case("dataset.split=[100,0,0]", "dataset.split must leave series to train and to validate on, got [100, 0, 0]"),
    Case(
        "dataset.split=[80,10,11]",
        "dataset.split must add up to the 100 series there are, got [80, 10, 11]; give "
        "other row counts, fractions, or null",
    ),
    Case(
        "dataset.split=[a,true,null]",
        "dataset.split must be three row counts or three fractions (train, val, test), got [a, true, null]",
    ),
    Case(
        "dataset.split=[0.5,0.5,0.5]",
        "dataset.split must have fractions that add up to 1, got [0.5, 0.5, 0.5], which add up to 1.5",
    ),
    Case(
        "dataset.split=[0.999,0.0005,0.0005]",
        "dataset.split must leave no part of the 100 series empty, got "
        "[0.999, 0.0005, 0.0005], which gives [100, 0, 0]; give more series, or three row counts",
    ),
    Case(
        "dataset.num_series=1 dataset.length=100 forecast.horizon=50",
        "forecast.horizon must be at most the 15 steps of the validation part, got 50; give less",
    ),
    Case("forecast.context=2000", "forecast.context must be at most the 1000 observed steps, got 2000"),
    Case("training.window=5000", "training.window must be from 2 to the 1000 steps of a training series, got 5000"),
    Case("training.washout=200", "training.washout must be at most training.window - 2 = 198, got 200"),
    Case(
        "training.noise_start=0.1",
        "training: noise_start and noise_end must both be 0, or both be greater, for a fade "
        "in equal ratios; got 0.1 and null",
    ),
    Case(
        "model=pointwise",
        "model=pointwise sees the time alone, so it takes one series, got 100; choose another "
        "model, or set dataset.num_series=1 and dataset.validation_series=0",
    ),
    Case(
        "dataset.length=1000000000",
        "dataset: 100 series of 1000000000 steps and 1000000000 to forecast are 2.0e+11 "
        "values, and must be at most 1e9; lower num_series, length or forecast.horizon",
    ),
    Case(
        "dataset=linear_noise dataset.slope=0 dataset.noise_std=0",
        "dataset: the training part is constant, so there is nothing to learn; choose other values",
    ),
    Case(
        "dataset=linear_noise dataset.num_series=1 dataset.slope=0",
        "dataset: the training part is constant, so there is nothing to learn; choose other values",
    ),
    Case(
        "dataset=linear_noise dataset.slope=1e308",
        "dataset: its values must be finite and at most 1e+15 in size, got inf; give smaller parameters or "
        "another unit",
    ),
]

COMMAND_LINES = [
    Case("dataset=[", "dataset=[ can't be read as an override; quote values with special characters"),
    Case("=3", "=3 can't be read as an override; put a key before the ="),
    Case("seed=1 finish", "finish is neither KEY=VALUE nor a command, such as ui"),
    Case("''", "an empty argument is neither KEY=VALUE nor a command, such as ui"),
    Case("+seed=5", "seed has a value already; leave out the +"),
    Case("seed=1,2", "seed=1,2 gives one run several values; add -m to sweep over them, or brackets for a list"),
    Case("'seed=range(1,3)'", "seed=range(1,3) is a sweep, which needs -m"),
    Case(
        "-m hydra.verbose=true,false",
        "hydra.verbose=true,false gives a key of Hydra's several values; give it one, or brackets for a list",
    ),
    Case("-m --cfg job", "--multirun, --cfg exclude each other; choose one"),
    Case("seed=1 --cfg job seed=2", "seed=2: overrides must stand together, all before the flags or all after them"),
    *(
        Case(typed, "--experimental-rerun would run what code a file holds; wavesweep reproduce runs a run again")
        for typed in (
            "--experimental-rerun job.pickle",
            "seed=1 --experimental-rerun=job.pickle -m",
            "--exp job.pickle",
        )
    ),
    Case("--foo", "--foo is not a flag; wavesweep --help and wavesweep --hydra-help list them"),
    Case("--cfg", "argument --cfg/-c: expected one argument; wavesweep --hydra-help lists the flags"),
    Case("--resolve", "--resolve needs --cfg or --help"),
    Case("--config-name=nope", "--config-name=nope is no file of conf/ or --config-dir; leave it out"),
    Case("--config-dir nowhere", "--config-dir must be a directory, got PLACE/nowhere"),
    Case("ui seed=3", "ui takes tracking.* and runtime.* overrides, got seed=3; leave it out"),
    Case("ui --port abc", "--port must be a number from 1 to 65535, got abc"),
]

FILES = [
    Case(
        "--config-dir . dataset=own",
        "PLACE/dataset/own.yaml, row 2, column 1: can't be read as YAML (found duplicate key kind); correct it",
        (("dataset/own.yaml", "kind: sine\nkind: sine\n"),),
    ),
    Case(
        "--config-dir . dataset=own",
        "dataset.widht is not a key of this configuration; did you mean dataset.width?",
        (("dataset/own.yaml", "defaults: [sine, _self_]\nwidht: 3\n"),),
    ),
    Case(
        "--config-dir . dataset=own",
        "dataset.kind is missing; choose from cos_sin_squared, csv, linear_noise, sine",
        (("dataset/own.yaml", "width: 3\n"),),
    ),
    Case(
        "--config-dir . dataset=own",
        "dataset.kind: sin is unknown; did you mean sine?",
        (("dataset/own.yaml", "kind: sin\n"),),
    ),
    Case("--config-dir . dataset=own", "dataset must be a group of keys, got [3]", (("dataset/own.yaml", "- 3\n"),)),
    Case(
        "--config-dir . dataset=own",
        "dataset.2.5 must be text, as all keys are; leave it out",
        (("dataset/own.yaml", "defaults: [sine]\n2.5: 3\n"),),
    ),
    Case(
        "--config-dir . dataset=own",
        "dataset=own is not an option; choose from cos_sin_squared, csv, linear_noise, sine",
        (("dataset/own.yaml/", ""),),
    ),
    Case(
        "--config-dir . experiment=own",
        "a defaults list names experiment/dataset/sine, which is not there; did you mean override /dataset: sine?",
        (("experiment/own.yaml", "# @package _global_\ndefaults: [dataset: sine]\n"),),
    ),
    Case(
        "hydra.run.dir=run",
        "run can't be made: run is a file; move it away, or choose another hydra.run.dir",
        (("run", ""),),
    ),
    Case(
        "hydra.run.dir=outputs/run",
        "outputs/run can't be made: PLACE/outputs is a file; move it away, or choose another hydra.run.dir",
        (("outputs", ""),),
    ),
    Case(
        "-m hydra.sweep.dir=outputs/all",
        "outputs/all can't be made: PLACE/outputs is a file; move it away, or choose another hydra.sweep.dir",
        (("outputs", ""),),
    ),
    Case(
        "hydra.run.dir=/dev/null/x",
        "/dev/null/x can't be made: /dev/null is a file; move it away, or choose another hydra.run.dir",
    ),
    Case("hydra.run.dir=", "hydra.run.dir must not be empty, got nothing; leave it out, or name a directory"),
    Case(
        "hydra.run.dir=null",
        "hydra.run.dir: field 'hydra.run.dir' is not Optional; give it another value",
    ),
    Case(
        "hydra.job.chdir=true",
        "hydra.job.chdir must be false, since outputs/ and tracking.uri are seen from here, got true",
    ),
]

ADDRESS = "tracking.uri must be http://HOST, sqlite:///FILE or the address of another database, got"
REQUIRED = "tracking.required=true tracking.uri="
SURROUNDINGS = [
    Case("tracking.uri=", "tracking.uri must not be empty, got nothing"),
    Case("tracking.uri=foo", f"{ADDRESS} foo"),
    Case("tracking.uri=sqlite://", f"{ADDRESS} sqlite://"),
    Case(
        f"{REQUIRED}http://127.0.0.1:9",
        "tracking.uri=http://127.0.0.1:9 can't be used (Connection refused); start the server, or give another address",
    ),
    Case(
        f"{REQUIRED}sqlite:///outputs",
        "tracking.uri=sqlite:///outputs can't be used (unable to open database file); give another address",
        (("outputs/", ""),),
    ),
    Case(
        f"{REQUIRED}sqlite:///text",
        "tracking.uri=sqlite:///text can't be used (file is not a database); give another address",
        (("text", "no database"),),
    ),
    Case(
        f"{REQUIRED}sqlite:////proc/x/y.db",
        "tracking.uri=sqlite:////proc/x/y.db can't be used (No such file or directory); give another address",
    ),
    Case("runtime.threads=0", "runtime.threads must be at least 1, got 0"),
    Case("runtime.dtype=float16", "runtime.dtype: float16 is unknown; did you mean float64?"),
]


EACH_FIFTH = pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
"""What a fresh process is shown by default: all of them take it as long as all other tests of refusals together."""


def content(place: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in place.rglob("*")}


@pytest.mark.parametrize(
    "case", NAMES + VALUES + SHAPES + COMMAND_LINES + FILES + SURROUNDINGS, ids=lambda case: case.typed
)
def test_a_refusal_is_one_message_and_leaves_nothing(tmp_path: Path, case: Case) -> None:
    check(case, tmp_path)


@EACH_FIFTH
def test_to_refuse_nothing_heavy_is_imported_in_vain(step: int, tmp_path: Path) -> None:
    check_imports((NAMES + VALUES + SHAPES + COMMAND_LINES + FILES + SURROUNDINGS)[::step], tmp_path)


def make_place(case: Case, place: Path) -> list[str]:
    """Make what stands in the place of a case; return the arguments that are typed there."""
    for name, text in case.files:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).mkdir() if name.endswith("/") else (place / name).write_text(text)
    return shlex.split(case.typed.replace("PLACE", str(place)))


def check(case: Case, tmp_path: Path) -> None:
    """Make sure that a wrong input is refused in its words, and changes nothing."""
    arguments = make_place(case, tmp_path)
    before = content(tmp_path)
    done = call(*arguments, cwd=tmp_path)
    expected = [f"wavesweep: {line}" for line in case.said.replace("PLACE", str(tmp_path)).splitlines()]
    assert done.stderr.splitlines() == expected
    assert (done.returncode, done.stdout) == (2, "")
    assert content(tmp_path) == before


def check_imports(cases: list[Case], tmp_path: Path) -> None:
    """Make sure of what wrong inputs import, by a fresh process that refuses them all, the lightest first."""
    lines, expected = [], []
    for number, case in enumerate(sorted(cases, key=lambda case: case.imports)):
        place = tmp_path / str(number)
        place.mkdir()
        lines.append((place, make_place(case, place)))
        expected.append((case.typed, case.imports))
    found = imported_by(lines)
    assert [(typed, imports) for (typed, _), imports in zip(expected, found, strict=True)] == expected


def without_override() -> None:
    """Take from a process, root's too, the right to write where permissions forbid it."""
    PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1  # noqa: N806  linux/prctl.h and linux/capability.h
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE)


@pytest.mark.parametrize(("flags", "key"), [([], "hydra.run.dir"), (["-m"], "hydra.sweep.dir")])
def test_outputs_that_can_t_be_written_are_refused(tmp_path: Path, flags: list[str], key: str) -> None:
    (tmp_path / "outputs").mkdir(mode=0o500)
    arguments = [sys.executable, "-m", "wavesweep", *flags, f"{key}=outputs/x"]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, preexec_fn=without_override)
    assert done.stderr == (
        f"wavesweep: outputs/x can't be made: {tmp_path}/outputs is not writable; make it so, or choose another {key}\n"
    )
    assert done.returncode == 2


@pytest.mark.parametrize("device", ["cuda:7", "mps"])
def test_a_device_that_is_not_there_is_refused(wavesweep: Command, tmp_path: Path, device: str) -> None:
    done = wavesweep(f"runtime.device={device}")
    assert done.returncode == 2
    assert done.stderr.startswith(f"wavesweep: runtime.device={device} can't be used (")
    assert done.stderr.endswith("); choose auto or cpu\n")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "own.yaml").write_bytes("kind: sine  # Länge".encode("latin-1"))
    done = call("--config-dir", ".", "dataset=own", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "wavesweep: a YAML file must be text in UTF-8, got byte 0xe4 at 15\n"
