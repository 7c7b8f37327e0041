"""Learning rate schedules and optimizers. Importing it fills the tables."""

from paddlevideo.solver import lr, optimizer, paddle_lr

__all__ = ["lr", "optimizer", "paddle_lr"]
