"""What a saved adapter, head or task says of itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from polyhead.composition import names_of, parse_setup
from polyhead.contracts import EncoderShape, TextSettings, explain
from polyhead.errors import ArtifactError, ConfigError, NewerFormatError, shown
from polyhead.names import is_name

__all__ = [
    "ADAPTER_FILE",
    "FORMAT",
    "BackboneInfo",
    "FileInfo",
    "Manifest",
    "ProviderInfo",
    "TaskManifest",
    "adapter_file",
    "parse",
]

ADAPTER_FILE: Final = "adapter.safetensors"
FORMAT: Final = 1
"""The version of the format that is written; every version up to it is read."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class BackboneInfo(_Part):
    """The encoder that an artifact belongs to."""

    name: str = Field(description="Path, hub id or name it was loaded under; for finding it again.")
    fingerprint: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of what it computes.")
    shape: EncoderShape


class ProviderInfo(_Part):
    """The distribution to install for an artifact's kind."""

    distribution: str
    version: str


class FileInfo(_Part):
    """One file of a task."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    n_bytes: int = Field(ge=0)


class _Stamped(_Part):
    format: int = Field(default=FORMAT, ge=1, description="Version of the format.")
    name: str
    polyhead: str = Field(
        default_factory=lambda: version("polyhead"), description="The version that wrote it."
    )
    created: datetime = Field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    metrics: dict[str, float] = Field(default_factory=dict)


class Manifest(_Stamped):
    """In the metadata of one adapter's or head's file."""

    artifact: Literal["adapter", "head"]
    kind: str
    config: dict[str, Any]
    provider: ProviderInfo
    backbone: BackboneInfo


class TaskManifest(_Stamped):
    """`task.json`: one head, its adapter, and how its texts are read."""

    artifact: Literal["task"] = "task"
    text: TextSettings
    head: FileInfo
    adapter: FileInfo | None = Field(
        description="None for a head on the bare encoder, and where several are put together."
    )
    setup: str | None = Field(
        default=None, description="How several adapters are put together: Stack('a', 'b')."
    )
    adapters: dict[str, FileInfo] = Field(
        default_factory=dict, description="The files of these adapters, by their names."
    )
    backbone: BackboneInfo
    training: dict[str, Any] = Field(default_factory=dict, description="How it was trained.")

    @field_validator("setup")
    @classmethod
    def _check_setup(cls, value: str | None) -> str | None:
        try:
            return value if value is None else str(parse_setup(value))
        except ConfigError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _check_adapters(self) -> Self:
        if self.setup is None:
            if self.adapters:
                raise ValueError("`adapters` are given without a `setup`")
            return self
        if self.adapter is not None:
            raise ValueError("`setup` and `adapter` are both given")
        odd = [name for name in self.adapters if not is_name(name)]
        if odd:
            raise ValueError(f"{shown(odd[0])} cannot name an adapter")
        lacking = [name for name in names_of(parse_setup(self.setup)) if name not in self.adapters]
        if lacking:
            raise ValueError(f"`setup` names {lacking[0]!r}, which is not among `adapters`")
        return self

    @property
    def adapter_files(self) -> dict[str, FileInfo]:
        """The adapters' files by their paths in the task's folder."""
        if self.adapter is not None:
            return {ADAPTER_FILE: self.adapter}
        return {adapter_file(name): info for name, info in self.adapters.items()}


def adapter_file(name: str) -> str:
    """The path, in a task's folder, of one of several adapters."""
    return f"adapters/{name}.safetensors"


ManifestT = TypeVar("ManifestT", bound=_Stamped)


def parse(text: str, manifest_class: type[ManifestT], source: object) -> ManifestT:
    """The manifest that `text` holds as JSON.

    Raises:
        NewerFormatError: It was written in a later version of the format.
        ArtifactError: It is not a manifest of that class.
    """
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        raise ArtifactError(f"{source}: its manifest is not JSON.") from None
    written = fields.get("format") if isinstance(fields, dict) else None
    if isinstance(written, int) and written > FORMAT:
        raise NewerFormatError(
            f"{source} is in format {written}, written by polyhead "
            f"{fields.get('polyhead', '?')}; this "
            f"polyhead reads up to format {FORMAT}. Upgrade polyhead."
        )
    try:
        return manifest_class.model_validate_json(text)
    except ValidationError as error:
        raise ArtifactError(
            f"{source}: its manifest is not understood: {explain(error)}."
        ) from None
