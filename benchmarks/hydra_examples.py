"""Runs Hydra's own example programs under Hydra's sweeper and under ours, and says where they differ.

    git clone https://github.com/facebookresearch/hydra --branch 1.3_branch    the branch of the Hydra that is installed
    python benchmarks/hydra_examples.py hydra [PART-OF-A-NAME…]                some minutes on one core

Each program of `hydra.main` below examples/ and plugins/*/example*/ sweeps over something it has, once with
`hydra/sweeper=basic` and once with `hydra/sweeper=queue` and one worker; as `hydra/launcher`, with `basic` and with
`processes`, unless the example is about another. Compared are the callbacks called, in their order, and for each job
its number, overrides, working directory, Hydra's own node, configuration (as typed objects, as it was given and as
the task left it), return value and the names of the files that it leaves; and exit codes.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

PROBE = Path(__file__).parent / "probe"
SECONDS = 120  # that a program may take
SWEEPS = {
    "1_simple_cli/": "+db.driver=mysql,postgresql +db.user=o",
    "3_using_config/": "+other=1,2",  # it asserts what its own values are
    "/4_config_groups/": "+db=mysql,postgresql",
    "/5_defaults/": "db=mysql,postgresql",
    "/6_composition/": "db=mysql,postgresql schema=warehouse,support,school",
    "/3_working_directory/": "+a=1,2 hydra.job.chdir=true",
    "/4_logging/": "+a=1,2 hydra.verbose=true",
    "/5_basic_sweep/": "db=glob(*) db.timeout=5,10",
    "structured_configs/3_config_groups/": "+db=mysql,postgresql",
    "structured_configs/4_defaults/": "db=mysql,postgresql",
    "structured_configs/5.": "db=mysql,postgresql",
    "/config_search_path/": "dataset=cifar10,imagenet",
    "/defaults_list_interpolation/": "db=mysql,sqlite",
    "/nested_defaults_list/": "server/db=mysql,sqlite",
    "/package_overrides/simple.py": "db=mysql +a=1,2",
    "/custom_help/": "db=mysql,postgresql",
    "/job_override_dirname/": "learning_rate=0.1,0.01 batch_size=1 seed=1,2",
    "/instantiate/object/": "db=mysql,postgresql",
    "/instantiate/schema/": "db=mysql,postgresql",
    "/configuring_experiments/": "+experiment=aplite,nglite server.port=1,2 db=sqlite",
    "/extending_configs/": "db=base_mysql,mysql_extending_from_this_group,mysql_extending_from_another_group",
    "/multi-select/": "server/site=[fb],[google],[amazon,google]",
    "/specializing_config/": "model=alexnet,resnet dataset=cifar10,imagenet",
    "/write_protect_config_node/": "",  # all of it is protected
    "/example_launcher_plugin/": "db=mysql,postgresql hydra/launcher=example",
    "/example_sweeper_plugin/": "db=mysql,postgresql",
    "hydra_colorlog/": "--config-dir=. +other=1,2",
    "hydra_joblib_launcher/": "--config-dir=. task=1,2 hydra/launcher=joblib",
    "hydra_submitit_launcher/": "task=1,2 hydra/launcher=submitit_local",
    "hydra_rq_launcher/": "--config-dir=. task=1,2",
}
"""What a program sweeps over, by a part of its name; else two values of the first key of its configuration."""
OWN_FILES = {"sweep.json", "optimization_results.yaml", "trials"}
"""What our sweeper writes beside what jobs leave."""


class Ran(NamedTuple):
    """What a program did: its exit code, what the probe took down, and what it said last of an error."""

    code: int
    events: list[dict[str, Any]]
    error: str

    @property
    def num_jobs(self) -> int:
        """How many jobs began."""
        return sum(event["event"] == "job_start" for event in self.events)


def programs(clone: Path) -> Iterator[Path]:
    """Yield the example programs of a clone of Hydra's repository."""
    found = [*clone.glob("examples/**/*.py"), *clone.glob("plugins/*/example*/**/*.py")]
    yield from sorted(path for path in found if "@hydra.main(" in path.read_text("utf-8"))


def run(program: Path, sweep: list[str], sweeper: str) -> Ran:
    """Run a program in a copy of its folder, which lies in the same place whatever the sweeper."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(tempfile.gettempdir()) / "hydra_example"  # configurations hold it
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(program.parent, folder)
        events = Path(temporary) / "events"
        events.touch()
        plugins = [str(folder) for folder in program.parents if (folder / "hydra_plugins").is_dir()]
        path = os.pathsep.join([str(PROBE), *plugins, *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(  # noqa: S603  that of Hydra's examples
            [sys.executable, program.name, "-m", *sweep, f"hydra/sweeper={sweeper}",
             "+hydra.callbacks.probe._target_=example_probe.Probe"],
            cwd=folder, env={"USER": "me", **os.environ, "PYTHONPATH": path, "EXAMPLE_PROBE": str(events)}, check=False,
            capture_output=True, text=True, timeout=SECONDS,
        )  # fmt: skip
        seen = [json.loads(_without_times(line)) for line in events.read_text("utf-8").splitlines()]
        files = {_without_times(str(path)) for path in folder.rglob("*") if not OWN_FILES & {*path.parts}}
        shutil.rmtree(folder)
    for event in seen:
        if event["event"] == "job_start":
            event["files"] = sorted(name for name in files if name.startswith(event["output_dir"]))
    return Ran(done.returncode, seen, _error(done.stderr))


def _without_times(text: str) -> str:
    """Put a sign in the place of dates and times of the clock, by which Hydra names directories."""
    return re.sub(r"\d{4}-\d\d-\d\d|(?<=/)\d\d-\d\d-\d\d", "<now>", text)


def _error(text: str) -> str:
    """Return the line of an error output that says why."""
    lines = [line for line in text.splitlines() if line and not line.startswith((" ", "Set the env", "Traceback"))]
    saying = [line for line in lines if re.match(r"[\w.]+(Error|Exception)\b", line)]
    first = " ".join([line for line in lines if "Warning" not in line][:2])
    return saying[-1] if saying else first


def swept(name: str, program: Path) -> list[str]:
    """Return what a program sweeps over."""
    for part, overrides in SWEEPS.items():
        if part in name:
            return overrides.split()
    command = [sys.executable, program.name, "--cfg", "job"]
    shown = subprocess.run(command, cwd=program.parent, check=False, capture_output=True, text=True)  # noqa: S603
    key, values = _two_values(yaml.safe_load(shown.stdout))
    return [f"{key}={values}"]


def _two_values(config: Any, prefix: str = "") -> tuple[str, str]:
    """Return the first key that holds a plain value, and two values for it; a new key where there is none."""
    for key, value in (config or {}).items():
        if isinstance(value, dict) and value and (inner := _two_values(value, f"{prefix}{key}."))[0][0] != "+":
            return inner
        if isinstance(value, int | float) and not isinstance(value, bool):
            return f"{prefix}{key}", f"{value},{value + 1}"
        if isinstance(value, str) and value.isidentifier() and key != "_target_":
            return f"{prefix}{key}", f"{value},other"
    return "+other", "1,2"


def difference(basic: Ran, queue: Ran) -> str:
    """Return the first difference in words; nothing if there is none."""
    if basic.code != queue.code:
        return f"exit code {basic.code} and {queue.code}: {queue.error}"
    names = [[(event["event"], event.get("job")) for event in ran.events] for ran in (basic, queue)]
    if names[0] != names[1]:
        return f"callbacks {names[0]} and {names[1]}"
    for one, other in zip(basic.events, queue.events, strict=True):
        if found := _first_difference(one, other):
            return f"{one['event']} {one.get('job', '')}{found}"
    return ""


def _first_difference(one: Any, other: Any) -> str:
    """Return where two values differ first, and how."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return next((f", {key}{found}" for key in one if (found := _first_difference(one[key], other[key]))), "")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return next(filter(None, map(_first_difference, one, other)), "")
    return "" if one == other else f": {one} and {other}"


def compare(program: Path, sweep: list[str]) -> tuple[str, int, str]:
    """Return how a program came out, how many jobs it had, and what there is to say of it."""
    has_own = any(text.startswith("hydra/launcher=") for text in sweep)
    basic = run(program, [*sweep, *([] if has_own else ["hydra/launcher=basic"])], "basic")
    if not basic.num_jobs:
        return "not run", 0, basic.error or "it has no jobs"
    one_worker = ["hydra.sweeper.n_workers=1", *([] if has_own else ["hydra/launcher=processes"])]
    queue = run(program, [*sweep, *one_worker], "queue")
    if has_own:  # jobs may overlap
        for ran in (basic, queue):
            ran.events.sort(key=lambda event: (event["event"] == "multirun_end", event.get("job", -1)))
    if found := difference(basic, queue):
        return "differs", basic.num_jobs, found
    return "equal", basic.num_jobs, f"fails under both: {basic.error}" if basic.code else ""


def main() -> None:
    """Print a line for each program, then counts."""
    clone = Path(sys.argv[1]).absolute()
    counts: Counter[str] = Counter()
    for program in programs(clone):
        name = str(program.relative_to(clone))
        if not any(part in name for part in sys.argv[2:] or [""]):
            continue
        sweep = swept(name, program)
        outcome, num_jobs, note = compare(program, sweep)
        counts[outcome] += 1
        counts["jobs"] += num_jobs
        print(f"{outcome:<8} {num_jobs:>2} jobs  {name}  {' '.join(sweep)}", flush=True)
        if note:
            print(f"             {note[:1000]}", flush=True)
    print(", ".join(f"{number} {what}" for what, number in counts.items()))


if __name__ == "__main__":
    main()
