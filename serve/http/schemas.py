"""What responses hold, for the OpenAPI document and for those who read the code."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

__all__ = [
    "EmbeddingsReply",
    "ErrorReply",
    "HealthReply",
    "IndexEntry",
    "InferReply",
    "KServeError",
    "ModelMetadata",
    "ModelReady",
    "OpenAIError",
    "OpenAIModel",
    "OpenAIModels",
    "PredictReply",
    "RefreshReply",
    "ServerMetadata",
    "TaskList",
    "TaskSummary",
]


class ErrorDetail(BaseModel):
    """What is wrong."""

    code: str = Field(description="In one word, for machines.")
    message: str = Field(description="In one sentence, for people.")
    retry_after_s: float | None = Field(
        default=None, description="When it may be worth another try."
    )


class ErrorReply(BaseModel):
    """Why a request as a whole was not answered."""

    error: ErrorDetail


class RowReply(BaseModel):
    """What became of one input."""

    answers: dict[str, dict[str, Any]] = Field(description="By task, what its head answers.")
    errors: dict[str, ErrorDetail] = Field(description="By task, why there is no answer.")


class TaskVersion(BaseModel):
    """Which task answered."""

    version: str | None = Field(description="Its digest.")


class Usage(BaseModel):
    """What the inputs cost."""

    n_tokens: int = Field(description="Tokens of all inputs, for all tasks.")


class PredictReply(BaseModel):
    """What became of each input, in their order."""

    results: list[RowReply]
    tasks: dict[str, TaskVersion]
    usage: Usage


class TaskSummary(BaseModel):
    """One task of a list."""

    name: str
    head_kind: str | None
    state: str = Field(description="resident, loading, on_disk or damaged.")
    version: str | None


class TaskList(BaseModel):
    """All tasks, by name."""

    tasks: list[TaskSummary]


class RefreshReply(BaseModel):
    """What a look at the folder found."""

    tasks: list[str]


class HealthReply(BaseModel):
    """That all is well."""

    status: Literal["ok"]


class EmbeddingEntry(BaseModel):
    """The embedding of one text."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingsUsage(BaseModel):
    """What the texts cost."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsReply(BaseModel):
    """As OpenAI's clients read it."""

    object: Literal["list"]
    data: list[EmbeddingEntry]
    model: str
    usage: EmbeddingsUsage


class OpenAIModel(BaseModel):
    """One task, as OpenAI's clients read it."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class OpenAIModels(BaseModel):
    """All tasks, as OpenAI's clients read them."""

    object: Literal["list"]
    data: list[OpenAIModel]


class OpenAIErrorDetail(BaseModel):
    """What is wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIError(BaseModel):
    """As OpenAI's clients read it."""

    error: OpenAIErrorDetail


class KServeError(BaseModel):
    """As KServe's clients read it."""

    error: str


class ServerMetadata(BaseModel):
    """What the server is."""

    name: str
    version: str
    extensions: list[str]


class LiveReply(BaseModel):
    """Whether the server is alive."""

    live: bool


class ReadyReply(BaseModel):
    """Whether the server takes requests."""

    ready: bool


class ModelReady(BaseModel):
    """Whether a model answers."""

    name: str
    ready: bool


class TensorMetadata(BaseModel):
    """What a tensor looks like; -1 stands for any length."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class Tensor(BaseModel):
    """One tensor, flat."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any]


class InferReply(BaseModel):
    """What a model answered."""

    model_name: str
    model_version: str | None = None
    id: str | None = None
    outputs: list[Tensor]


class IndexEntry(BaseModel):
    """One model of a list."""

    name: str
    version: str | None = None
    state: str = Field(description="READY, LOADING or UNAVAILABLE.")
    reason: str
