"""`adapter_config.json` of PEFT, held to what can be carried over exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from polyhead.convert.json_files import field, read_json
from polyhead.convert.peft.targets import Targets
from polyhead.errors import ArtifactError, ConversionError, listing, shown

__all__ = ["CONFIG_FILE", "PeftConfig", "read_config"]

CONFIG_FILE: Final = "adapter_config.json"

_COMMON: Final = frozenset(
    {
        "auto_mapping",
        "base_model_name_or_path",
        "exclude_modules",
        "fan_in_fan_out",
        "inference_mode",
        "modules_to_save",
        "peft_type",
        "peft_version",
        "revision",
        "target_modules",
        "task_type",
    }
)
"""`fan_in_fan_out` is among those without effect: PEFT takes it back for layers such as these."""

_METHODS: Final[Mapping[str, frozenset[str]]] = {
    "LORA": frozenset(
        {
            "alpha_pattern",
            "bias",
            "corda_config",
            "ensure_weight_tying",
            "eva_config",
            "init_lora_weights",
            "layers_pattern",
            "layers_to_transform",
            "loftq_config",
            "lora_alpha",
            "lora_bias",
            "lora_dropout",
            "lora_ga_config",
            "megatron_core",
            "qalora_group_size",
            "r",
            "rank_pattern",
            "runtime_config",
            "use_dora",
            "use_rslora",
        }
    ),
    "IA3": frozenset({"feedforward_modules", "init_ia3_weights"}),
}
_OFF: Final = frozenset(
    {
        "alora_invocation_tokens",
        "arrow_config",
        "kasa_config",
        "layer_replication",
        "megatron_config",
        "monteclora_config",
        "target_parameters",
        "trainable_token_indices",
        "use_bdlora",
        "use_qalora",
        "velora_config",
    }
)
"""What changes a LoRA in ways that have no equal here; written, and mostly off, by PEFT 0.21."""

_SMALL_STARTS: Final = (True, False, None, "gaussian", "orthogonal", "eva")
"""How LoRA may start: with A and B alone. The other ways change the encoder's own weights too."""


@dataclass(frozen=True)
class PeftConfig:
    """What a folder of PEFT says of itself.

    Attributes:
        method: "LORA" or "IA3".
        fields: As they are in the file.
        targets: The linear layers that it acts on.
        source: The file.
        notes: What a user should know.
    """

    method: str
    fields: Mapping[str, Any]
    targets: Targets
    source: Path
    notes: tuple[str, ...]

    @property
    def model_class(self) -> str | None:
        """The class of transformers whose head may lie in the folder; None where it is not said."""
        mapping = self.fields.get("auto_mapping")
        named = mapping.get("base_model_class") if isinstance(mapping, dict) else None
        task = self.fields.get("task_type")
        return named if isinstance(named, str) else _CLASSES.get(task or "")

    def flag(self, name: str) -> bool:
        """A field that is true or false, false where it is missing."""
        return name in self.fields and field(self.fields, name, bool, self.source)

    def pattern(self, name: str) -> dict[str, Any]:
        """A field that maps names of modules to values, empty where it is missing."""
        if self.fields.get(name) is None:
            return {}
        return field(self.fields, name, dict, self.source)


_CLASSES: Final = {
    "SEQ_CLS": "DistilBertForSequenceClassification",
    "TOKEN_CLS": "DistilBertForTokenClassification",
    "QUESTION_ANS": "DistilBertForQuestionAnswering",
}


def read_config(folder: Path) -> PeftConfig:
    """The configuration of the adapter in a folder.

    Raises:
        ArtifactError: It is missing or damaged.
        ConversionError: It is of a method, or uses a setting, that has no equal here.
    """
    source = folder / CONFIG_FILE
    fields = read_json(source)
    method = field(fields, "peft_type", str, source)
    if method not in _METHODS:
        raise ConversionError(f"{source}: {_why_not(method)}")
    notes = [*_unknown(fields, method, source), *_base_model(fields)]
    if method == "LORA":
        _check_lora(fields, source)
    return PeftConfig(method, fields, Targets.read(fields, source), source, tuple(notes))


def _why_not(method: str) -> str:
    """Why a method cannot be carried over."""
    remedy = "LORA and IA3 can be carried over."
    match method:
        case "PROMPT_TUNING" | "MULTITASK_PROMPT_TUNING" | "P_TUNING":
            return (
                f"{method} puts its prompt in front of the embeddings, where it gets positions of "
                "its own and moves those of the text; the prompts here lie behind the embedding's "
                f"norm and move none, so there is no equal of it; {remedy}"
            )
        case "PREFIX_TUNING":
            return (
                "PREFIX_TUNING needs a model with past_key_values, which DistilBERT is not; "
                f"{remedy}"
            )
        case _:
            return f"the method {shown(method)} has no equal here; {remedy}"


def _unknown(fields: Mapping[str, Any], method: str, source: Path) -> list[str]:
    """Notes of settings that are not known and off.

    Raises:
        ConversionError: One of them is on.
    """
    unknown = sorted(fields.keys() - _COMMON - _METHODS[method])
    turned_on = [name for name in unknown if fields[name]]
    if turned_on:
        raise ConversionError(
            f"{source} uses settings that have no equal here: "
            f"{listing([name[:60] for name in turned_on])}."
        )
    newer = [name[:60] for name in unknown if name not in _OFF]
    return [f"Settings that are not known here are off: {listing(newer)}."] if newer else []


def _base_model(fields: Mapping[str, Any]) -> list[str]:
    name = fields.get("base_model_name_or_path")
    if not isinstance(name, str) or not name:
        return ["PEFT does not keep which weights an adapter was trained on: check its answers."]
    return [f"It was trained on {shown(name)}; PEFT keeps no fingerprint of its weights."]


def _check_lora(fields: Mapping[str, Any], source: Path) -> None:
    """Refuses what makes a LoRA more than A and B."""
    start = fields.get("init_lora_weights")
    if not (start is None or isinstance(start, bool) or start in _SMALL_STARTS):
        raise ConversionError(
            f"{source}: init_lora_weights {shown(start)} changes the encoder's own weights before "
            "training, and the encoder here is never changed; save the adapter with PEFT's "
            "path_initial_model_for_weight_conversion first."
        )
    bias = fields.get("bias", "none")
    if bias not in {"none", "lora_only", "all"}:
        raise ArtifactError(f"{source}: bias is {shown(bias)}, not 'none', 'all' or 'lora_only'.")
