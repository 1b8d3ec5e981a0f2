"""Saving and loading a model's adapters, heads and tasks, each on its own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from polyhead.artifact import (
    ADAPTER_FILE,
    HEAD_FILE,
    Manifest,
    ProviderInfo,
    TaskContents,
    TaskManifest,
    check_free,
    read_contents,
    read_manifest,
    tensor_file,
    write_file,
    write_task,
)
from polyhead.composition import AdapterSetup, Block, acting_of, check_taps, parse_setup, renamed
from polyhead.contracts import Adapter, FusingAdapter, Head, TextSettings, field_names
from polyhead.errors import ArtifactError
from polyhead.hub import is_hub_address, pull
from polyhead.model.loading import (
    adapter_class_of,
    check_backbone,
    load_adapter_module,
    load_head_module,
)
from polyhead.model.parts import ModelParts
from polyhead.model.same import is_same
from polyhead.model.unset import UNSET, Unset
from polyhead.names import check_name
from polyhead.registry import Provider, registry

__all__ = ["SavableModel"]


class SavableModel(ModelParts):
    """A model whose parts are files."""

    def save_adapter(
        self,
        name: str,
        folder: str | Path,
        *,
        overwrite: bool = False,
        metrics: Mapping[str, float] | None = None,
    ) -> Path:
        """Saves one adapter as `folder`/adapter.safetensors and returns that path.

        Args:
            name: The adapter.
            folder: Where to; made if it is missing.
            overwrite: Whether a file there may be replaced.
            metrics: Kept in the manifest.

        Raises:
            UnknownAdapterError: There is none of that name.
            OutputExistsError: The file exists.
            WriteError: It could not be written; nothing was changed.
        """
        content = tensor_file(self._adapters.find(name), self._adapter_manifest(name, metrics))
        return _write(Path(folder) / ADAPTER_FILE, content, overwrite=overwrite)

    def save_head(
        self,
        name: str,
        folder: str | Path,
        *,
        overwrite: bool = False,
        metrics: Mapping[str, float] | None = None,
    ) -> Path:
        """Saves one head as `folder`/head.safetensors and returns that path.

        Args:
            name: The head.
            folder: Where to; made if it is missing.
            overwrite: Whether a file there may be replaced.
            metrics: Kept in the manifest.

        Raises:
            UnknownHeadError: There is none of that name.
            OutputExistsError: The file exists.
            WriteError: It could not be written; nothing was changed.
        """
        content = tensor_file(self._heads.find(name), self._head_manifest(name, name, metrics))
        return _write(Path(folder) / HEAD_FILE, content, overwrite=overwrite)

    def save_task(
        self,
        name: str,
        folder: str | Path,
        *,
        overwrite: bool = False,
        metrics: Mapping[str, float] | None = None,
        training: Mapping[str, Any] | None = None,
        files: Mapping[str, str] | None = None,
    ) -> TaskManifest:
        """Saves a task as a folder: its head, its adapters, task.json and a model card.

        Args:
            name: The task.
            folder: Where to; written as a whole or not at all.
            overwrite: Whether a task that lies there may be replaced.
            metrics: Kept in the manifest and the card.
            training: How it was trained, likewise.
            files: Further text files by name.

        Raises:
            UnknownTaskError: There is none of that name.
            OutputExistsError: The folder exists.
            WriteError: It could not be written; nothing was changed.
        """
        task = self.task(name)
        adapters = self.adapters_of(task.adapter)
        is_one = len(adapters) <= 1 and not isinstance(task.adapter, Block)
        return write_task(
            Path(folder),
            (self._heads.find(task.head), self._head_manifest(task.head, name, metrics)),
            [(part, self._adapter_manifest(own, metrics)) for own, part in adapters.items()],
            task.text,
            setup=None if is_one else str(task.adapter),
            overwrite=overwrite,
            training=training,
            files=files,
        )

    def load_adapter(self, path: str | Path, *, name: str | None = None) -> str:
        """Adds a saved adapter.

        Args:
            path: Its file, or the folder that holds it; or "hub:owner/name" for one of the hub.
            name: What to call it; the name it was saved under when None.

        Returns:
            Its name in this model.

        Raises:
            ArtifactError: It is damaged, of another backbone, or of a kind that is not installed;
                the model is unchanged.
            NameTakenError: There is an adapter of that name.
            UnknownAdapterError: It fuses adapters that are not there: load these first.
        """
        file, manifest = self._read("adapter", _place(path), ADAPTER_FILE)
        name = self._adapters.check_new(manifest.name if name is None else name)
        adapter = self._fitted(load_adapter_module(manifest, file, self.shape, self.dtype))
        check_taps(acting_of(adapter, self._adapters), self.shape.n_layers)
        self._adapters.add(name, adapter)
        return name

    def load_head(
        self, path: str | Path, *, name: str | None = None, adapter: AdapterSetup | Unset = UNSET
    ) -> str:
        """Adds a saved head.

        Args:
            path: Its file, or the folder that holds it; or "hub:owner/name" for one of the hub.
            name: What to call it; the name it was saved under when None.
            adapter: The head's own adapter, as in `add_head`.

        Returns:
            Its name in this model.

        Raises:
            ArtifactError: It is damaged, of another backbone, or of a kind that is not installed;
                the model is unchanged.
            NameTakenError: There is a head of that name.
        """
        file, manifest = self._read("head", _place(path), HEAD_FILE)
        name = self._heads.check_new(manifest.name if name is None else name)
        own = UNSET if adapter is UNSET else self._checked_setup(adapter)
        self._heads.add(
            name, self._fitted(load_head_module(manifest, file, self.shape, self.dtype))
        )
        if own is not UNSET:
            self._own_adapters[name] = own
        return name

    def load_task(
        self,
        folder: str | Path | TaskContents,
        *,
        name: str | None = None,
        own_names: bool = False,
    ) -> str:
        """Adds a saved task, with its head and adapters.

        Of several adapters put together, each keeps its own name; one that this model has already,
        of that name and with the same weights, is shared.

        Args:
            folder: The task's folder; or "hub:owner/name" for one of the hub; or what
                `polyhead.artifact.read_contents` read of a folder.
            name: What to call it; the name it was saved under when None.
            own_names: Whether several adapters get names made from the task's in place of their
                own. Nothing is shared then, other versions of the task can be loaded beside this
                one, and `delete_task` takes the adapters along.

        Returns:
            Its name in this model.

        Raises:
            ArtifactError: It is damaged, of another backbone, or of a kind that is not installed;
                the model is unchanged.
            NameTakenError: There is a task, head or adapter of that name.
        """
        contents = folder if isinstance(folder, TaskContents) else read_contents(_place(folder))
        saved = contents.saved
        name = saved.manifest.name if name is None else name
        self._check_new_task(name)
        check_backbone(saved.head, self.backbone, saved.folder)
        text = self._fitting_text(saved.manifest.text, saved.manifest.text)
        head = load_head_module(
            saved.head,
            saved.folder / HEAD_FILE,
            self.shape,
            self.dtype,
            contents.weights[HEAD_FILE],
        )
        if saved.manifest.setup is None:
            adapter = next(iter(self._adapters_in(contents, {}).values()), None)
            self._put_task(name, head, adapter, None, text)
            return name
        names = _names_after(name, saved.adapters.values()) if own_names else {}
        setup = renamed(parse_setup(saved.manifest.setup), names)
        adapters = self._adapters_in(contents, names)
        own = tuple(names.values())
        self._put_composed(name, head, setup, adapters, text, own_adapters=own)
        return name

    def _adapters_in(self, contents: TaskContents, names: Mapping[str, str]) -> dict[str, Adapter]:
        """The adapters of a task by their names, or by those that `names` gives them."""
        found = {}
        for path, part in contents.saved.adapters.items():
            file = contents.saved.folder / path
            if names and issubclass(adapter_class_of(part, file), FusingAdapter):
                part = _fusing_renamed(part, names)  # noqa: PLW2901 - the same under other names
            module = load_adapter_module(part, file, self.shape, self.dtype, contents.weights[path])
            found[names.get(part.name, part.name)] = self._fitted(module)
        return found

    def _put_composed(
        self,
        name: str,
        head: Head,
        setup: AdapterSetup,
        adapters: Mapping[str, Adapter],
        text: TextSettings,
        *,
        own_adapters: tuple[str, ...],
    ) -> None:
        """Registers a task on several adapters: all that is new of it, or nothing."""
        new = []
        for own, adapter in adapters.items():
            if not is_same(self._adapters.view.get(own), adapter):
                new.append(self._adapters.check_new(own))
        try:
            for own in new:
                self._adapters.add(own, adapters[own])
            setup = self._checked_setup(setup)
            self._check_used(adapters, setup)
            self._put_task(name, head, None, setup, text, own_adapters=own_adapters)
        except BaseException:
            for own in new:
                if own in self._adapters.view:
                    self._adapters.remove(own)
            raise

    def _check_used(self, names: Iterable[str], setup: AdapterSetup) -> None:
        """Refuses adapters that would be there for nothing."""
        used = self.adapters_of(setup)
        strange = [name for name in names if name not in used]
        if strange:
            raise ArtifactError(
                f"the task comes with the adapter {strange[0]!r}, which {setup} does not use."
            )

    def _adapter_manifest(self, name: str, metrics: Mapping[str, float] | None) -> Manifest:
        adapter = self._adapters.find(name)
        provider = registry().provider_of_adapter(adapter.kind)
        return self._manifest("adapter", name, adapter, provider, metrics)

    def _head_manifest(
        self, head_name: str, name: str, metrics: Mapping[str, float] | None
    ) -> Manifest:
        head = self._heads.find(head_name)
        provider = registry().provider_of_head(head.kind)
        return self._manifest("head", name, head, provider, metrics)

    def _manifest(
        self,
        artifact: str,
        name: str,
        part: Head | Adapter,
        provider: Provider,
        metrics: Mapping[str, float] | None,
    ) -> Manifest:
        fields = part.config.model_dump(mode="json")
        return Manifest(
            artifact=artifact,  # type: ignore[arg-type]  # one of the two callers above
            name=name,
            kind=part.kind,
            config={name: fields[name] for name in field_names(type(part.config))},
            provider=ProviderInfo(distribution=provider.distribution, version=provider.version),
            backbone=self.backbone,
            metrics=dict(metrics or {}),
        )

    def _read(self, artifact: str, path: Path, file_name: str) -> tuple[Path, Manifest]:
        # os.path, not path.is_dir: that raises for names that are too long
        file = path / file_name if os.path.isdir(path) else path  # noqa: PTH112
        manifest = read_manifest(file)
        if manifest.artifact != artifact:
            raise ArtifactError(f"{file} was saved as {manifest.artifact!r}, not as {artifact!r}.")
        check_backbone(manifest, self.backbone, file)
        return file, manifest


def _place(given: str | Path) -> Path:
    """Where it lies on disk; what is on the hub comes to its client's cache."""
    return pull(given) if is_hub_address(given) else Path(given)


def _names_after(task: str, parts: Iterable[Manifest]) -> dict[str, str]:
    """Names for a task's adapters that no other task's have.

    Raises:
        InvalidNameError: The task's leaves no room for a number.
    """
    return {
        part.name: check_name(f"{task}-{number}", "adapter")
        for number, part in enumerate(parts, start=1)
    }


def _fusing_renamed(part: Manifest, names: Mapping[str, str]) -> Manifest:
    """The manifest of an adapter that fuses others, which are called otherwise now."""
    fused = part.config.get("adapters")
    if not isinstance(fused, list):  # which its config refuses, with a better message
        return part
    others = [names.get(name, name) if isinstance(name, str) else name for name in fused]
    return part.model_copy(update={"config": {**part.config, "adapters": others}})


def _write(path: Path, content: bytes, *, overwrite: bool) -> Path:
    check_free(path, overwrite=overwrite)
    write_file(path, content)
    return path
