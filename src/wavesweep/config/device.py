"""The device that a run computes on, found on this machine."""

from hydra_queue_sweeper.base.errors import Refused

UNTRIED = (
    "nobody has tried a GPU with this version: training and resuming there are untested, workers share the first one; "
    "runtime.device=cpu is what was measured"
)


def find_device(name: str) -> str:
    """Return the device to run on; `auto` is the first GPU where there is one.

    Raises:
        Refused: If the device is not there.
    """
    if name == "cpu":
        return name
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise Refused(f"runtime.device={name} can't be used ({reason:.80}); choose auto or cpu") from None
    return name
