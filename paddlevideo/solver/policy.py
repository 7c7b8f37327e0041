"""OPTIMIZER.policy: the recipe of TSM, for any network of convolutions and one classifier.

| parameter | learning rate | decay |
|---|---|---|
| weights of convolutions and of fully connected layers | x 1 | the optimizer's |
| their biases | x 2 | 0 |
| scales and offsets of normalisations | x 1 | 0 |
| weight of the last fully connected layer | x 5 | the optimizer's |
| its bias | x 10 | 0 |

It is what `get_optim_policies` of mit-han-lab's temporal-shift-module and mmaction2's `TSMOptimizerConstructor` with
`fc_lr5` do; the groups they have for the first convolution get the same there as all other convolutions.
"""

from __future__ import annotations

from typing import NamedTuple

from paddle import nn

from paddlevideo.utils.errors import UserError

CONVOLUTIONS = (nn.Conv1D, nn.Conv2D, nn.Conv3D)
NORMS = (nn.BatchNorm, nn.BatchNorm1D, nn.BatchNorm2D, nn.BatchNorm3D, nn.SyncBatchNorm, nn.GroupNorm)


class Own(NamedTuple):
    """What somebody says of a parameter.

    Attributes:
        lr_mult: learning rate, as a multiple of the optimizer's.
        decay: factor of its decay; None: the optimizer's.
    """

    lr_mult: float = 1.0
    decay: float | None = None


def tsm(model: nn.Layer) -> dict[str, Own]:
    """The table above for every parameter of `model`, by name.

    Raises:
        UserError: a parameter is of a layer that the recipe does not know, such as those of transformers.
    """
    layers = dict(model.named_sublayers(include_self=True))
    last = next((layer for layer in reversed(layers.values()) if isinstance(layer, nn.Linear)), None)
    found = {}
    for prefix, layer in layers.items():
        for name, parameter in layer.named_parameters(prefix=prefix, include_sublayers=False):
            if isinstance(layer, NORMS):
                found[name] = Own(1.0, 0.0)
            elif isinstance(layer, (*CONVOLUTIONS, nn.Linear)):
                weight = parameter is layer.weight
                fast = layer is last
                found[name] = Own(5.0 if fast else 1.0) if weight else Own(10.0 if fast else 2.0, 0.0)
            else:
                raise UserError(
                    f"OPTIMIZER.policy: TSM is for convolutional networks; it says nothing of '{name}' of a "
                    f"{type(layer).__name__}. OPTIMIZER.groups and layer_decay work with every model"
                )
    return found
