"""Adapters on the classes of the DistilBERT documents: chosen per call, as everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from polyhead.artifact import (
    ADAPTER_FILE,
    BackboneInfo,
    Manifest,
    ProviderInfo,
    check_free,
    read_manifest,
    tensor_file,
    write_file,
)
from polyhead.composition import acting_of, check_taps
from polyhead.contracts import Adapter, AdapterConfig
from polyhead.errors import ArtifactError
from polyhead.model.adapter_table import AdapterTable as ModelAdapterTable
from polyhead.model.encoder_view import View
from polyhead.model.loading import check_backbone, load_adapter_module
from polyhead.registry import registry

if TYPE_CHECKING:
    from polyhead.encoder import Encoder

__all__ = ["AdapterTable"]


class AdapterTable(nn.Module):
    """The adapters of one encoder by name."""

    def __init__(self) -> None:
        super().__init__()
        self.table = ModelAdapterTable()

    @property
    def view(self) -> Mapping[str, Adapter]:
        """A live, read-only view."""
        return self.table.view

    def add(self, name: str, config: str | AdapterConfig, encoder: Encoder) -> None:
        """Adds one with fresh weights; see `DistilBertPreTrainedModel.add_adapter`."""
        self.table.check_new(name)
        resolved = registry().adapter_config(config)
        adapter = registry().adapter_for(resolved)(resolved, encoder.config.shape)
        adapter = self._fitted(adapter, encoder)
        with torch.no_grad():
            adapter.initialise(View(encoder, None))
        self.table.add(name, adapter)

    def load(self, path: Path, name: str | None, encoder: Encoder) -> str:
        """Adds a saved one; see `DistilBertPreTrainedModel.load_adapter`."""
        file = path / ADAPTER_FILE if path.is_dir() else path
        manifest = read_manifest(file)
        if manifest.artifact != "adapter":
            raise ArtifactError(f"{file} was saved as {manifest.artifact!r}, not as 'adapter'.")
        check_backbone(manifest, _backbone_of(encoder), file)
        name = self.table.check_new(manifest.name if name is None else name)
        weight = encoder.word_embeddings.weight
        adapter = load_adapter_module(manifest, file, encoder.config.shape, weight.dtype)
        self.table.add(name, self._fitted(adapter, encoder))
        return name

    def save(self, name: str, folder: Path, encoder: Encoder, *, overwrite: bool) -> Path:
        """Saves one; see `DistilBertPreTrainedModel.save_adapter`."""
        adapter = self.table.find(name)
        provider = registry().provider_of_adapter(adapter.kind)
        manifest = Manifest(
            artifact="adapter",
            name=name,
            kind=adapter.kind,
            config=adapter.config.model_dump(mode="json"),
            provider=ProviderInfo(distribution=provider.distribution, version=provider.version),
            backbone=_backbone_of(encoder),
        )
        path = folder / ADAPTER_FILE
        check_free(path, overwrite=overwrite)
        write_file(path, tensor_file(adapter, manifest))
        return path

    def _fitted(self, adapter: Adapter, encoder: Encoder) -> Adapter:
        """The adapter where and as the encoder's weights are.

        Raises:
            UnknownAdapterError: It fuses adapters that are not there.
            ConfigError: It cannot fuse those.
        """
        check_taps(acting_of(adapter, self.table), encoder.config.n_layers)
        weight = encoder.word_embeddings.weight
        return adapter.to(weight.device, weight.dtype).train(self.training)


def _backbone_of(encoder: Encoder) -> BackboneInfo:
    """The encoder as it is now: its fingerprint changes when it is trained.

    Raises:
        ArtifactError: It is in half precision, where fingerprints tell nothing.
    """
    if encoder.word_embeddings.weight.dtype != torch.float32:
        raise ArtifactError(
            "an adapter is loaded and saved while its model is float32, by which its backbone is "
            "known; load the model, then the adapter, then call model.half()."
        )
    return BackboneInfo(
        name=encoder.config.name_or_path or "unnamed",
        fingerprint=encoder.fingerprint(),
        shape=encoder.config.shape,
    )
