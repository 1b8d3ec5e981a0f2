"""A model's tasks, adapters and heads to the hub."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypedDict, Unpack

from polyhead.hub import Pushed, push
from polyhead.model.saving import SavableModel

__all__ = ["PushOptions", "SharingModel"]


class PushOptions(TypedDict, total=False):
    """What the methods take beside a name and a repository, as `polyhead.push` does."""

    subfolder: str | None
    private: bool
    revision: str | None
    message: str | None
    create_pr: bool
    overwrite_card: bool
    license: str | None
    language: Iterable[str]
    datasets: Iterable[str]
    token: str | None


class SharingModel(SavableModel):
    """A model whose parts are pushed."""

    def push_task(
        self,
        name: str,
        repo_id: str,
        *,
        metrics: Mapping[str, float] | None = None,
        training: Mapping[str, Any] | None = None,
        **options: Unpack[PushOptions],
    ) -> Pushed:
        """Puts a task on the hub, as it is in this model.

        Args:
            name: The task.
            repo_id: As "owner/name", or "owner/name/folder" for a folder there.
            metrics: As `save_task` takes them.
            training: Likewise.
            options: As `polyhead.push` takes them.

        Raises:
            UnknownTaskError: There is none of that name.
            HubError: The hub refuses it, or could not be asked.
        """
        self.task(name)
        with TemporaryDirectory() as folder:
            place = Path(folder) / name
            self.save_task(name, place, metrics=metrics, training=training)
            return push(place, repo_id, **options)

    def push_adapter(
        self,
        name: str,
        repo_id: str,
        *,
        metrics: Mapping[str, float] | None = None,
        **options: Unpack[PushOptions],
    ) -> Pushed:
        """Puts one adapter on the hub, without a head.

        Args:
            name: The adapter.
            repo_id: As "owner/name", or "owner/name/folder" for a folder there.
            metrics: Kept in the manifest and the card.
            options: As `polyhead.push` takes them.

        Raises:
            UnknownAdapterError: There is none of that name.
            HubError: The hub refuses it, or could not be asked.
        """
        with TemporaryDirectory() as folder:
            return push(self.save_adapter(name, folder, metrics=metrics), repo_id, **options)

    def push_head(
        self,
        name: str,
        repo_id: str,
        *,
        metrics: Mapping[str, float] | None = None,
        **options: Unpack[PushOptions],
    ) -> Pushed:
        """Puts one head on the hub, without an adapter.

        Args:
            name: The head.
            repo_id: As "owner/name", or "owner/name/folder" for a folder there.
            metrics: Kept in the manifest and the card.
            options: As `polyhead.push` takes them.

        Raises:
            UnknownHeadError: There is none of that name.
            HubError: The hub refuses it, or could not be asked.
        """
        with TemporaryDirectory() as folder:
            return push(self.save_head(name, folder, metrics=metrics), repo_id, **options)
