"""Bottleneck configurations with names that go back to papers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from polyhead.adapters.bottleneck.config import BottleneckConfig

__all__ = ["PRESETS"]

_SEQ_BN: Final = BottleneckConfig(
    mh_adapter=False,
    output_adapter=True,
    reduction_factor=16,
    non_linearity="relu",
    original_ln_before=True,
)
_DOUBLE_SEQ_BN: Final = BottleneckConfig(
    mh_adapter=True,
    output_adapter=True,
    reduction_factor=16,
    non_linearity="swish",
)
_PAR_BN: Final = BottleneckConfig(
    mh_adapter=False,
    output_adapter=True,
    reduction_factor=2,
    non_linearity="relu",
    init_weights="mam_adapter",
    is_parallel=True,
    scaling=4.0,
)
_ADAPTER_PLUS: Final = BottleneckConfig(
    mh_adapter=False,
    output_adapter=True,
    reduction_factor=96,
    non_linearity="gelu",
    original_ln_before=True,
    original_ln_after=False,
    residual_before_ln=False,
    init_weights="houlsby",
    scaling="channel",
    stochastic_depth=0.1,
)

_SCALED_PAR_BN: Final = _PAR_BN.model_copy(update={"scaling": "learned"})
_NICE: Final = {"inv_adapter": "nice", "inv_adapter_reduction_factor": 2.0}
_SEQ_BN_INV: Final = _SEQ_BN.model_copy(update=_NICE)
_DOUBLE_SEQ_BN_INV: Final = _DOUBLE_SEQ_BN.model_copy(update=_NICE)
_COMPACT: Final = {"phm_layer": True, "reduction_factor": 32.0, "non_linearity": "gelu"}

PRESETS: Final[Mapping[str, BottleneckConfig]] = MappingProxyType(
    {
        "seq_bn": _SEQ_BN,
        "pfeiffer": _SEQ_BN,
        "double_seq_bn": _DOUBLE_SEQ_BN,
        "houlsby": _DOUBLE_SEQ_BN,
        "par_bn": _PAR_BN,
        "parallel": _PAR_BN,
        "scaled_par_bn": _SCALED_PAR_BN,
        "scaled_parallel": _SCALED_PAR_BN,
        "seq_bn_inv": _SEQ_BN_INV,
        "pfeiffer+inv": _SEQ_BN_INV,
        "double_seq_bn_inv": _DOUBLE_SEQ_BN_INV,
        "houlsby+inv": _DOUBLE_SEQ_BN_INV,
        "compacter": _DOUBLE_SEQ_BN.model_copy(update=_COMPACT),
        "compacter++": _SEQ_BN.model_copy(update=_COMPACT),
        "adapter_plus": _ADAPTER_PLUS,
    }
)
"""Configurations by name and old name.

`seq_bn` is Pfeiffer et al. 2020 (arXiv:2005.00052), with an invertible adapter `seq_bn_inv`;
`double_seq_bn` Houlsby et al. 2019 (arXiv:1902.00751); `par_bn` and `scaled_par_bn` He et al. 2021
(arXiv:2110.04366); `compacter` and `compacter++` Mahabadi et al. 2021 (arXiv:2106.04647);
`adapter_plus` Steitz and Roth 2024 (arXiv:2406.06820).
"""
