"""Progress of a training run: what a checkpoint holds besides arrays."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Self

EpochRecord = dict[str, Any]
"""{`step`, `seconds`, `train`: {loss: mean over the epoch}, `valid`: {measure: value}}."""


@dataclasses.dataclass(kw_only=True)
class TrainerState:
    """Progress of a training run, JSON-ready."""

    seed: int
    step: int = 0
    seconds: float = 0.0
    """Training time over all resumed pieces."""
    best_valid_loss: float | None = None
    best_step: int = 0
    epochs_since_best: int = 0
    stopped: str | None = None
    """Reason of the end, in words; None while the budget lasts."""
    converged: bool = False
    last_losses: dict[str, float] = dataclasses.field(default_factory=dict)
    epoch_sums: dict[str, float] | None = None
    """Sums of the losses since the last epoch, and `steps`, their number."""
    history: list[EpochRecord] = dataclasses.field(default_factory=list)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the state that `to_dict` gave; raise ValueError for what it cannot have given."""
        try:
            state = cls(**values)
        except TypeError as error:
            raise ValueError(f"not a state: {error}") from error
        for name, hint in typing.get_type_hints(cls).items():
            kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
            allowed = tuple(typing.get_origin(kind) or kind for kind in kinds)
            # JSON has one kind of number.
            if not isinstance(getattr(state, name), (*allowed, int) if float in allowed else allowed):
                raise ValueError(f"{name} is {getattr(state, name)!r}")
        return state

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return dataclasses.asdict(self)

    def forget_validation(self) -> None:
        """Forget the best loss, with which those of other validation notes cannot be compared."""
        self.best_valid_loss, self.epochs_since_best, self.converged, self.stopped = None, 0, False, None

    def add_step(self, losses: Mapping[str, float]) -> None:
        """Count a step and add its losses to the epoch's."""
        self.step += 1
        sums = self.epoch_sums or dict.fromkeys([*losses, "steps"], 0)
        self.epoch_sums = {name: sums[name] + losses.get(name, 1) for name in sums}
        self.last_losses = dict(losses)

    def end_epoch(self, valid: dict[str, float]) -> EpochRecord:
        """Add an epoch to the history and return its record.

        Args:
            valid: the measures on the validation notes, `loss` among them: a lower one than before is the best.
        """
        sums, self.epoch_sums = self.epoch_sums or {}, None
        if self.best_valid_loss is None or valid["loss"] < self.best_valid_loss:
            self.best_valid_loss, self.best_step, self.epochs_since_best = valid["loss"], self.step, 0
        else:
            self.epochs_since_best += 1
        record = {
            "step": self.step,
            "seconds": round(self.seconds, 1),
            "train": {name: total / sums["steps"] for name, total in sums.items() if name != "steps"},
            "valid": valid,
        }
        self.history.append(record)
        return record
