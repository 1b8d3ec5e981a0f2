"""Prompt tuning of the `adapters` library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from polyhead.convert.adapterhub.adapter_map import AdapterMap, Place
from polyhead.convert.json_files import no_others
from polyhead.errors import ConversionError

if TYPE_CHECKING:
    from polyhead.contracts import EncoderShape
    from polyhead.convert.adapterhub.files import Part

__all__ = ["PromptMap"]

_KEY: Final = "prompt_tuning.prompt_tunings.*.prompt_embedding.weight"
_SHARED: Final = (
    "prompt_length",
    "prompt_init",
    "prompt_init_text",
    "random_uniform_scale",
    "combine",
    "init_weights_seed",
)
_CLS_THERE: Final = {"prefix": "prompt", "prefix_after_bos": "token"}
"""What heads read there as the first token's state: whatever stands first."""


class PromptMap(AdapterMap):
    """The kind `prompt`."""

    kind = "prompt"

    def fields_in(self, theirs: Mapping[str, Any], part: Part) -> dict[str, Any]:
        """See AdapterMap."""
        no_others(theirs, {*_SHARED, "architecture"}, part.source)
        fields = {name: theirs[name] for name in _SHARED if name in theirs}
        if fields.get("prompt_init", "random_uniform") != "from_string":
            fields.pop("prompt_init_text", None)  # it is not read
        combine = fields.get("combine", "prefix")
        if isinstance(combine, str) and combine in _CLS_THERE:
            fields["cls"] = _CLS_THERE[combine]
        return fields

    def fields_out(self, config: Any) -> dict[str, Any]:
        """See AdapterMap. A prompt made from a text is written as any: it has its weights now."""
        if config.cls != _CLS_THERE[config.combine]:
            raise ConversionError(
                f"under combine={config.combine!r} heads of the adapters library read what stands "
                f"first, which is cls={_CLS_THERE[config.combine]!r} here; this prompt has "
                f"cls={config.cls!r}."
            )
        return {
            "architecture": "prompt_tuning",
            "prompt_length": config.prompt_length,
            "prompt_init": "random_uniform",
            "prompt_init_text": None,
            "combine": config.combine,
            "init_weights_seed": config.init_weights_seed,
        }

    def place(self, name: str, config: Any, shape: EncoderShape) -> Place:
        """See AdapterMap."""
        del name, config, shape
        return Place((_KEY,))
