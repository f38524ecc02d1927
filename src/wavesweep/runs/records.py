"""What a run writes while it goes on: its records, and the weights that it keeps."""

from dataclasses import dataclass

from hydra_queue_sweeper.base.files import write_atomically
from wavesweep.evaluation.by_origin import pack
from wavesweep.evaluation.by_series import to_csv
from wavesweep.evaluation.metric_names import LOSS_EVALUATIONS, TRAIN_SECONDS
from wavesweep.experiment.events import Event, Finished, Kept, Recorded
from wavesweep.models.weights import serialize
from wavesweep.workspace.directory import RunDirectory


@dataclass
class Records:
    """Observes an experiment, and writes metrics and weights.

    Attributes:
        directory: Of the run.
        last: The last epoch that was recorded.
    """

    directory: RunDirectory
    last: Recorded | None = None

    def on(self, event: Event) -> None:
        """Write what there is to be written."""
        if isinstance(event, Recorded):
            costs = {"seconds": event.seconds, "evaluations": float(event.evaluations)}
            self.directory.append_metrics(event.epoch, event.metrics | costs)
            self.last = event
        elif isinstance(event, Kept):
            stored = serialize(event.weights, event.scaler, event.widths, event.effects)
            write_atomically(self.directory.weights, stored)
        elif isinstance(event, Finished):
            if event.by_origin:
                self.directory.write_by_origin(pack(event.by_origin))
            if event.result.by_series:
                write_atomically(self.directory.by_series, to_csv(event.result.by_series))
            self.directory.append_metrics(None, event.once)

    def write_costs(self) -> None:
        """Write what training has cost, of a run that is given up."""
        if self.last:
            costs = {TRAIN_SECONDS: self.last.seconds, LOSS_EVALUATIONS: float(self.last.evaluations)}
            self.directory.append_metrics(None, costs)
