"""Python ends without looking for garbage, but where somebody would complain."""

import gc
import sys
from types import ModuleType

import pytest

from hydra_queue_sweeper.base.garbage import leave_garbage


@pytest.mark.parametrize("with_triton", [True, False])
def test_it_is_looked_for_where_triton_would_call_it_a_leak(with_triton: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    if with_triton:
        monkeypatch.setitem(sys.modules, "triton", ModuleType("triton"))
    before = gc.get_freeze_count()
    try:
        leave_garbage()
        assert (gc.get_freeze_count() > before) == (not with_triton)
    finally:
        gc.unfreeze()
