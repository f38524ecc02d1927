"""The names of a run's tags, each once: they are written to files and to MLflow, and looked up there."""

OWN = "wavesweep."  # how tags begin that are not the user's, also of what a sweep varies
RUN_KEY = "wavesweep.run_key"
STATUS = "wavesweep.status"
REOPENED = "wavesweep.reopened"  # how often a sweep that had ended went on
CONFIG_HASH = "wavesweep.config_hash"
SWEEP_ID = "wavesweep.sweep_id"
CONFIGURATION = "wavesweep.configuration"
KEPT_EPOCH = "wavesweep.kept_epoch"
WEIGHTS_DIGEST = "wavesweep.weights_digest"
VERSIONS = "wavesweep.versions"
PLATFORM = "wavesweep.platform"
PROCESSOR = "wavesweep.processor"
SOURCE_DIGEST = "wavesweep.source_digest"
LOCAL_CHANGES = "wavesweep.local_changes"
COMMIT = "mlflow.source.git.commit"
REPRODUCES = "wavesweep.reproduces"
BASED_ON = "wavesweep.based_on"
