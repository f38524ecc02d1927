"""Optimizers as they are configured; each takes `step(closure)`, so that L-BFGS is no special case."""

import math
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from wavesweep.base.schema import Count, Member, NonNegative, Positive

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch
    from torch.nn import Parameter
    from torch.optim.lr_scheduler import LRScheduler


Fraction = Annotated[float, Field(ge=0, lt=1)]
Schedule = Literal["constant", "cosine", "one_cycle"]


class Optimizer(Member):
    """An optimizer, as it is written. A new kind is found by its `kind`: only its file in conf/ names it too."""

    def resolve(self, *, highway: bool) -> "ResolvedOptimizer":
        """Return the optimizer with nothing left open.

        Args:
            highway: Whether the model learns what a linear autoregression leaves.
        """
        raise NotImplementedError


class ResolvedOptimizer(Optimizer):
    """An optimizer that can be built; one that leaves nothing open derives from here at once.

    Attributes:
        lr: The learning rate.
        full_batch: Whether a step takes all data at once, else random windows.
    """

    lr: Positive

    full_batch: ClassVar[bool] = False

    def resolve(self, *, highway: bool) -> "ResolvedOptimizer":
        """See `Optimizer.resolve`."""
        return self

    def steps_an_epoch(self, windows: int, batch_size: int) -> int:
        """Return the number of updates of the weights in an epoch."""
        return math.ceil(windows / batch_size)

    def build(self, parameters: "Iterable[Parameter]", direct: "Iterable[Parameter]" = ()) -> "torch.optim.Optimizer":
        """Build the optimizer of parameters.

        Args:
            parameters: Of networks in general.
            direct: Of those that forecast by themselves, from the last values as they are.
        """
        raise NotImplementedError

    def build_schedule(self, optimizer: "torch.optim.Optimizer", total_steps: int) -> "LRScheduler | None":
        """Build the learning rate's schedule over `total_steps`; None where the rate stays as it is."""
        return None


class LBFGS(ResolvedOptimizer):
    """Limited-memory BFGS; an epoch is one step, of at most `max_iter` iterations, on all data at once."""

    kind: Literal["lbfgs"]
    max_iter: Count
    history_size: Count
    tolerance_grad: NonNegative
    tolerance_change: NonNegative
    line_search: Literal["none", "strong_wolfe"]

    full_batch: ClassVar[bool] = True

    def steps_an_epoch(self, windows: int, batch_size: int) -> int:
        """See `ResolvedOptimizer.steps_an_epoch`: the iterations of a step."""
        return self.max_iter

    def build(self, parameters: "Iterable[Parameter]", direct: "Iterable[Parameter]" = ()) -> "torch.optim.Optimizer":
        """See `ResolvedOptimizer.build`."""
        import torch

        from wavesweep.training.compiler import without_compiler

        search = None if self.line_search == "none" else self.line_search
        options = self.model_dump(exclude={"kind", "line_search"})
        return without_compiler(torch.optim.LBFGS)([*parameters, *direct], line_search_fn=search, **options)


class FirstOrder(ResolvedOptimizer):
    """An optimizer that takes one gradient a step: torch.optim's class of the same name, with the same options.

    Attributes:
        direct_rate: By how much the rate is higher of networks that forecast from the last values as they are.
    """

    weight_decay: NonNegative
    schedule: Schedule

    direct_rate: ClassVar[float] = 1.0

    def build(self, parameters: "Iterable[Parameter]", direct: "Iterable[Parameter]" = ()) -> "torch.optim.Optimizer":
        """See `ResolvedOptimizer.build`: torch's class whose name is the kind, and with the same options."""
        import torch

        from wavesweep.training.compiler import without_compiler

        classes = {name.lower(): one for name, one in vars(torch.optim).items() if isinstance(one, type)}
        groups = [{"params": [*parameters]}, {"params": [*direct], "lr": self.direct_rate * self.lr}]
        groups = [group for group in groups if group["params"]]
        return without_compiler(classes[self.kind])(groups, **self.model_dump(exclude={"kind", "schedule"}))

    def build_schedule(self, optimizer: "torch.optim.Optimizer", total_steps: int) -> "LRScheduler | None":
        """See `ResolvedOptimizer.build_schedule`.

        Source:
            One cycle: Smith & Topin (2018); cosine annealing: Loshchilov & Hutter (2017).
        """
        from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

        if self.schedule == "cosine":
            return CosineAnnealingLR(optimizer, T_max=total_steps)
        if self.schedule == "one_cycle":
            rates = [group["lr"] for group in optimizer.param_groups]
            return OneCycleLR(optimizer, max_lr=rates, total_steps=total_steps, cycle_momentum=False)
        return None


class Adaptive(Optimizer):
    """An optimizer that scales the gradient by its running moments.

    Attributes:
        lr: Null: 1e-2, or 3e-3 beside a highway, where there is noise to be fitted.
        weight_decay: Of Adam, added to the gradient; of AdamW, decoupled from it.

    Source:
        Adam: Kingma & Ba (2015); AdamW: Loshchilov & Hutter (2019).
    """

    kind: Literal["adam", "adamw"]
    lr: Positive | None
    betas: Annotated[tuple[Fraction, Fraction], Field(strict=False)]
    weight_decay: NonNegative
    schedule: Schedule

    def resolve(self, *, highway: bool) -> ResolvedOptimizer:
        """See `Optimizer.resolve`."""
        lr = self.lr
        if lr is None:
            lr = 3e-3 if highway else 1e-2
        return ResolvedAdaptive.model_validate(self.model_dump() | {"lr": lr})


class ResolvedAdaptive(Adaptive, FirstOrder):
    """The same, with nothing left open."""

    lr: Positive

    direct_rate: ClassVar[float] = 30.0  # they see no noise, and have few steps


class SGD(FirstOrder):
    """Gradient descent with momentum."""

    kind: Literal["sgd"]
    momentum: Fraction


class RMSprop(FirstOrder):
    """Gradient descent scaled by a running mean of squared gradients. Tieleman & Hinton (2012)."""

    kind: Literal["rmsprop"]
    alpha: Fraction
    momentum: Fraction
