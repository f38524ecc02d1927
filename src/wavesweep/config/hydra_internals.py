"""What Hydra does for its own command line and offers nobody else: the one place that touches its internal names.

`tests/base/test_hydra_internals.py` names them, and fails where a release of Hydra's has others.
"""

from hydra._internal.utils import get_args_parser as get_args_parser
