"""AdapterFusion by the names that AdapterHub's documents give its methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from polyhead.composition import Fuse, acting_of, fusion_of
from polyhead.contracts import AdapterConfig, validate_config
from polyhead.errors import ConfigError, shown
from polyhead.model.not_active import not_active
from polyhead.model.parts import ModelParts
from polyhead.registry import registry

__all__ = ["DocumentedFusions"]

_FUSED_SITES: Final = ("attention", "ffn")
_FUSION_FORMS: Final[Mapping[str, Mapping[str, bool]]] = {
    "dynamic": {},
    "static": {"value": False, "regularization": False, "value_initialized": False},
}


class DocumentedFusions(ModelParts):
    """A model whose adapters are fused."""

    def add_adapter_fusion(
        self,
        adapter_names: str | Sequence[str] | Fuse,
        config: str | AdapterConfig | Mapping[str, Any] = "dynamic",
        name: str | None = None,
        *,
        overwrite_ok: bool = False,
        set_active: bool = False,
    ) -> str:
        """Adds an AdapterFusion with fresh weights: an adapter that puts together what others do.

        It is used by its name, or by `Fuse` with those that it fuses; `train_adapter` with its name
        trains its weights alone.

        Args:
            adapter_names: Those that are fused, in their order; also in one string, "a,b".
            config: "dynamic", "static", a FusionConfig of these adapters, or some of its fields.
            name: Of the fusion; the names with "_" between them when None.
            overwrite_ok: Whether an adapter of that name may be replaced.
            set_active: False: no adapter is active by itself.

        Returns:
            Its name.

        Raises:
            UnknownAdapterError: One of them is not there.
            NameTakenError: There is an adapter of that name.
            InvalidNameError: It cannot be a name.
            ConfigError: The config is not understood, or they act where nothing can be fused.
            InputError: A task or a fusion uses the adapter to be replaced.
        """
        names = _fuse(adapter_names).fused
        name = "_".join(names) if name is None else name
        if set_active:
            raise ConfigError(not_active("adapter", f"adapter_names={name!r}"))
        fusion = self._new_adapter(self._fusion_config(names, config))
        if name in names:
            raise ConfigError(f"a fusion of {name!r} needs another name than that.")
        if overwrite_ok and name in self.adapters:
            self.delete_adapter(name)
        self._adapters.add(self._adapters.check_new(name), fusion)
        return name

    def delete_adapter_fusion(self, adapter_names: str | Sequence[str] | Fuse) -> None:
        """Removes a fusion; the adapters that it fuses stay.

        Args:
            adapter_names: Its name, or those that it fuses.

        Raises:
            UnknownAdapterError: There is none.
            ConfigError: There are several of these adapters.
            InputError: A task or a fusion uses it.
        """
        self.delete_adapter(self._fusion_called(adapter_names))

    def _fusion_called(self, names: str | Sequence[str] | Fuse) -> str:
        """The name of a fusion, out of it or of those that it fuses."""
        if isinstance(names, str) and names in self.adapter_table.fusions:
            return names
        return fusion_of(_fuse(names), self.adapter_table)

    def _fusion_config(
        self, names: Sequence[str], config: str | AdapterConfig | Mapping[str, Any]
    ) -> AdapterConfig:
        """The configuration of a fusion of these adapters at all sites where they act."""
        if isinstance(config, AdapterConfig):
            fused = getattr(config, "adapters", None)
            if fused != tuple(names):
                raise ConfigError(
                    f"{type(config).__name__} is no configuration of a fusion of "
                    f"{', '.join(names)}; give adapters={tuple(names)!r}."
                )
            return config
        parts = [acting_of(self._adapters.find(name), self._adapters) for name in names]
        layers = range(self.shape.n_layers)
        taps = [part.taps(layer) for part in parts for layer in layers]
        sites = [site for site in _FUSED_SITES if any(getattr(tap, site) for tap in taps)]
        fields: dict[str, Any] = {"adapters": tuple(names), "sites": tuple(sites) or ("ffn",)}
        kind = registry().adapter("fusion").Config
        if isinstance(config, str):
            if config not in _FUSION_FORMS:
                raise ConfigError(
                    f"a fusion is 'dynamic', 'static' or a FusionConfig, not {shown(config)}."
                )
            fields |= _FUSION_FORMS[config]
        elif isinstance(config, Mapping):
            fields |= config
        else:
            raise ConfigError(
                "a fusion is 'dynamic', 'static', a FusionConfig or some of its fields, not "
                f"{shown(config)}."
            )
        return self._fusion_config(names, validate_config(kind, fields, "adapter kind 'fusion'"))


def _fuse(names: str | Sequence[str] | Fuse) -> Fuse:
    """The block of those that a fusion is made of."""
    if isinstance(names, Fuse):
        return names
    try:
        return Fuse(*(map(str.strip, names.split(",")) if isinstance(names, str) else names))
    except TypeError:
        raise ConfigError(
            f"a fusion is named by the adapters that it fuses, a list of them, not {shown(names)}."
        ) from None
