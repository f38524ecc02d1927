"""Optimizers without torch's compiler."""

from collections.abc import Callable
from inspect import isfunction, unwrap
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


def without_compiler(kind: type[Optimizer]) -> Callable[..., Optimizer]:
    """Return a class of optimizers that do as those of `kind`, but don't import torch's compiler.

    Some of their methods are decorated so as to tell it that they are none of its business; torch 2.13 imports it for
    that when they are first called, which takes as long as importing torch. Here these methods are undecorated.
    """
    methods = {name: unwrap(one) for name, one in vars(Optimizer).items() if isfunction(one)}
    changed = {name: one for name, one in methods.items() if one is not vars(Optimizer)[name]}
    step = unwrap(kind.step)

    @torch.no_grad()
    def take_step(self: Optimizer, closure: Callable[[], Tensor]) -> Any:
        return step(self, closure)

    return type(kind.__name__, (kind,), {**changed, "step": take_step})
