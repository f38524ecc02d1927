"""Measures what a run and a job cost beside their training, and prints the table of docs/performance.md.

    python benchmarks/speed.py              all, ten minutes on two cores with nothing else to do
    python benchmarks/speed.py runs jobs    parts: commands, runs, jobs, file, training

Each row is a ratio within one part, to what its parts would take alone: others' clocks may run faster. Seconds are
medians. Works in a directory of its own, below the system's for temporary files.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

TIMES = 5
JOBS = 40
TRIVIAL = ["dataset.num_series=3", "dataset.length=20", "dataset.width=2", "model=linear"]
IMPORTS = "import torch, mlflow, matplotlib.pyplot"
PROGRAM = """
    import hydra

    @hydra.main(version_base="1.3", config_path=None)
    def main(config):
        import torch, matplotlib.pyplot as plt
        torch.linalg.lstsq(torch.randn(40, 8), torch.randn(40, 1))
        figure, panels = plt.subplots(4)
        for axes in panels:
            axes.plot(range(20))
        figure.savefig("plot.png")
        plt.close(figure)
        return 0.0

    if __name__ == "__main__":
        main()
"""  # what a job of ours does at the least: fit, and four panels in one picture instead of four pictures
STUDY = """
    import joblib, optuna, sys

    def objective(trial):
        import torch, matplotlib.pyplot as plt
        trial.suggest_int("seed", 0, 1000)
        torch.linalg.lstsq(torch.randn(40, 8), torch.randn(40, 1))
        figure, panels = plt.subplots(4)
        for axes in panels:
            axes.plot(range(20))
        figure.savefig(f"plot{trial.number}.png")
        plt.close(figure)
        return 0.0

    def work(jobs):
        study = optuna.load_study(study_name="any", storage="sqlite:///study.db")
        study.optimize(objective, n_trials=jobs)

    if __name__ == "__main__":
        optuna.create_study(study_name="any", storage="sqlite:///study.db")
        workers = int(sys.argv[2])
        each = [int(sys.argv[1]) // workers] * workers
        joblib.Parallel(workers)(joblib.delayed(work)(jobs) for jobs in each)
"""


def main() -> None:
    """Run the parts named on the command line, or all."""
    parts = {part.__name__: part for part in (commands, runs, jobs, file, training)}
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path[1:]))}
        wavesweep(*TRIVIAL)  # makes the store
        for name in sys.argv[1:] or parts:
            print(f"\n## {name}\n\n| measured | seconds | beside | ratio |\n| --- | ---: | --- | ---: |", flush=True)
            parts[name]()


def row(what: str, seconds: float, beside: str, reference: float) -> None:
    """Print a row of the table."""
    print(f"| {what} | {seconds:.2f} | {beside} {reference:.2f} | {seconds / reference:.2f} |", flush=True)


def call(*words: str, fails: bool = False) -> float:
    """Run a command; return the seconds it took."""
    began = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603
    seconds = time.monotonic() - began
    assert bool(done.returncode) == fails, done.stderr
    return seconds


def python(code: str) -> float:
    """Run code in a new interpreter; return the seconds it took."""
    return call(sys.executable, "-c", code)


def wavesweep(*words: str, fails: bool = False) -> float:
    """Run the command; return the seconds it took."""
    return call(sys.executable, "-m", "wavesweep", *words, fails=fails)


def by_turns(*each: Callable[[], float], times: int = TIMES) -> list[float]:
    """Take several measurements by turns, so that a machine's moods meet all; return the median of each."""
    return [statistics.median(column) for column in zip(*([one() for one in each] for _ in range(times)), strict=True)]


def once(place: Path, key: str) -> float:
    """Return what a run in a directory measured once."""
    return json.loads((place / "metrics.jsonl").read_text("utf-8").splitlines()[-1])[key]


def commands() -> None:
    """Measure what runs nothing, beside importing Hydra."""
    hydra, shown, printed, refused = by_turns(
        lambda: python("import hydra"),
        lambda: wavesweep("--help"),
        lambda: wavesweep("--cfg", "job"),
        lambda: wavesweep("no.such.key=1", fails=True),
    )
    for what, seconds in (("`--help`", shown), ("`--cfg job`", printed), ("a refusal", refused)):
        row(what, seconds, "importing Hydra", hydra)


def runs() -> None:
    """Measure a trivial run, and the default one beside its own training, from start to exit."""
    imports, trivial = by_turns(lambda: python(IMPORTS), lambda: wavesweep(*TRIVIAL))
    row("a trivial run", trivial, "importing torch, MLflow and pyplot", imports)
    ratios = []
    for number in range(TIMES):
        torch, place = python("import torch"), Path(f"default{number}")
        ratios.append((wavesweep(f"hydra.run.dir={place}"), torch + once(place, "time/train_seconds")))
    whole, floor = sorted(ratios, key=lambda pair: pair[0] / pair[1])[TIMES // 2]
    row("the default run", whole, "importing torch, and its training", floor)


def jobs() -> None:
    """Measure a further trivial job, by one worker and by two, beside Hydra's basic sweeper and a study of Optuna's."""
    Path("program.py").write_text(textwrap.dedent(PROGRAM))
    Path("study.py").write_text(textwrap.dedent(STUDY))

    def further(run: Callable[[int], float]) -> Callable[[], float]:
        return lambda: (run(JOBS + 2) - run(2)) / JOBS

    def ours(workers: int, *words: str) -> Callable[[int], float]:
        sweeper = f"hydra.sweeper.n_workers={workers}"
        return lambda count: wavesweep("-m", *TRIVIAL, f"seed=range({count})", sweeper, *words)

    def study(workers: int) -> Callable[[int], float]:
        def run(count: int) -> float:
            Path("study.db").unlink(missing_ok=True)
            return call(sys.executable, "study.py", str(count), str(workers))

        return run

    basic = ("hydra/sweeper=basic", "hydra/launcher=basic")
    torch, one, two, untracked, as_basic, hydra, optuna, optuna_by_two = by_turns(
        lambda: python("import torch"),
        further(ours(1)),
        further(ours(2)),
        further(ours(1, "tracking.followers=[]")),
        further(lambda count: wavesweep("-m", *TRIVIAL, f"seed=range({count})", *basic)),
        further(lambda count: call(sys.executable, "program.py", "-m", f"+seed=range({count})")),
        further(study(1)),
        further(study(2)),
        times=3,
    )
    row("a further trivial job, one worker", one, "importing torch", torch)
    row("by two workers", two, "importing torch", torch)
    row("by one worker, untracked", untracked, "importing torch", torch)
    row("the same by one worker", one, "Hydra's basic sweeper with our task", as_basic)
    row("the same by one worker", one, "Hydra's basic sweeper, fit and picture alone", hydra)
    row("the same by one worker, untracked", untracked, "Optuna on sqlite, fit and picture alone", optuna)
    row("the same by two workers", two, "Optuna and joblib on sqlite, likewise", optuna_by_two)


def file() -> None:
    """Measure a file of 14,400 hours and seven channels: evaluation and baselines beside its training."""
    from wavesweep import compose, iterate

    draws, hours = np.random.default_rng(0), np.arange(14_400)
    noise = np.cumsum(draws.normal(0, 0.05, (len(hours), 7)), axis=0)
    waves = np.sin(2 * np.pi * hours[:, None] / 24 + np.arange(7)) + np.sin(2 * np.pi * hours[:, None] / 168)
    names = ",".join(f"c{number}" for number in range(7))
    np.savetxt("seven.csv", waves + noise + draws.normal(0, 0.3, noise.shape), delimiter=",", header=names, comments="")
    spent = dict.fromkeys(("evaluation", "judging", "baselines", "testing"), 0.0)
    phase = "before"
    last = time.monotonic()
    config = compose("dataset=csv", "dataset.path=seven.csv", "forecast.horizon=24", "tracking.followers=[]")
    for event in iterate(config, "seven"):
        now = time.monotonic()
        kind = type(event).__name__
        if kind == "Recorded":
            spent["evaluation"] += now - last
        elif phase in spent:
            spent[phase] += now - last
        phase, last = getattr(event, "name", phase) if kind == "Phase" else phase, now
    trained = once(Path("seven"), "time/train_seconds")
    # What comes between two events of an epoch is its training and its judgement together.
    spent["evaluation"] += spent.pop("judging") + spent["testing"] - trained
    for what in ("evaluation", "baselines"):
        row(f"seven channels: {what}", spent[what], "training", trained)


def training() -> None:
    """Measure an evaluation of the loss and its gradient beside torch's bare LSTM, and its matrix products alone."""
    code = """
        import sys, time
        import torch
        from torch import nn
        torch.set_num_threads(1)
        count, steps, size = 16, 200, 64
        layer, head = nn.LSTM(1, size, batch_first=True), nn.Linear(size, 1)
        values = torch.randn(count, steps + 1, 1)
        def bare():
            loss = (head(layer(values[:, :-1])[0]) - values[:, 1:]).square().mean()
            torch.autograd.grad(loss, [*layer.parameters(), *head.parameters()])
        left, right = torch.randn(count, size), torch.randn(size, 4 * size)
        wide = torch.randn(4 * size, count * steps)
        tall = torch.randn(count * steps, size)
        def products():
            for _ in range(steps):
                left @ right
                (left @ right) @ right.T
            wide @ tall
        for one in (bare, products):
            for _ in range(5): one()
            began = time.process_time()
            for _ in range(40): one()
            print((time.process_time() - began) / 40)
    """
    shown = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)  # noqa: S603
    bare, products = map(float, shown.stdout.split())
    wavesweep("hydra.run.dir=main", "training.refine_epochs=0", "tracking.followers=[]")
    ours = once(Path("main"), "time/train_seconds") / once(Path("main"), "cost/loss_evaluations")
    for what, reference in (("torch's bare LSTM", bare), ("the matrix products of its layer", products)):
        row("1,000 evaluations of the main stage", 1000 * ours, what, 1000 * reference)


if __name__ == "__main__":
    main()
