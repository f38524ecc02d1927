"""Takes the recipe for real series apart, and prints what each part does: a table of docs/real-data.md.

    python benchmarks/real_data.py elnino co2 taylor monthly-sunspots seattle-weather     writes the series
    python -m benchmarks.recipe                                                           an hour on two cores

Leaves the sweeps below outputs/, as any.
"""

import statistics

from benchmarks.real_data import measured, ratios, sweep

NAMES = ("elnino", "co2", "taylor", "monthly-sunspots", "seattle-weather")
CHANGES: dict[str, tuple[str, ...]] = {
    "none: the defaults": (),
    "values as they are": ("model.relative=false",),
    "one network": ("model.members=1",),
    "eight networks": ("model.members=8",),
    "no dropout": ("model.dropout=0",),
    "no noise": ("training.noise_start=0", "training.noise_end=0"),
    "neither": ("model.dropout=0", "training.noise_start=0", "training.noise_end=0"),
    "they see 8 steps": ("model.memory=8",),
    "they see 128 steps": ("model.memory=128",),
    "the last epoch kept": ("training.keep=last",),
    "no networks of the last values": ("model.memories=[]",),
    "from autoregression alone": ("model.start=autoregression",),
    "no highway": ("model.highway=false",),
}


def main() -> None:
    """Sweep over seeds with each change on each data set, and print a row of shares of the best baseline's error."""
    columns = ["change", *NAMES, "mean", "worst seed", "promised on validation"]
    print(f"| {' | '.join(columns)} |", f"| --- |{' ---: |' * (len(columns) - 1)}", sep="\n")
    for change, overrides in CHANGES.items():
        sets = [[*map(ratios, measured(sweep(name, "seed=0,1,2", *overrides)))] for name in NAMES]
        promised, held = ([statistics.median(run[part] for run in runs) for runs in sets] for part in (0, 1))
        worst = max(test for runs in sets for _, test in runs)
        shares = [*held, statistics.geometric_mean(held), worst, statistics.geometric_mean(promised)]
        print(f"| {change} | {' | '.join(f'{share:.3f}' for share in shares)} |", flush=True)


if __name__ == "__main__":
    main()
