"""Other programs than ours, which tests start."""

from hydra_queue_sweeper.base.hydra_releases import IS_OLD


def for_this_hydra(program: str) -> str:
    """Return a program that was written for Hydra 1.3 as the Hydra that is here wants it: what it calls is its own."""
    return program if IS_OLD else program.replace('version_base="1.3"', 'execution_whitelist="__main__.*"')
