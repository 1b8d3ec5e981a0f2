"""What requests hold, and what is wrong with one that does not."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from polyhead.errors import shown
from polyhead.serve.http.request_errors import RequestError

__all__ = [
    "BODIES",
    "EmbeddingsBody",
    "IndexBody",
    "InferBody",
    "InferInput",
    "Options",
    "PredictBody",
    "RollbackBody",
    "TaskPredictBody",
    "parsed",
]

_MOST_REASONS: Final = 3
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_INPUT: Final = {
    "anyOf": [
        {"type": "string", "description": "A text."},
        {
            "type": "array",
            "items": {},
            "minItems": 1,
            "description": "The first fields of an example in their order: a text and its pair.",
        },
        {"type": "object", "description": "An example's fields, by name."},
    ]
}
_TEXTS: Final = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
    ]
}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Options(_Body):
    """How a request is to be answered."""

    priority: Literal["interactive", "bulk"] = Field(
        default="interactive", description="Bulk takes what others leave."
    )
    timeout_s: float | None = Field(
        default=None,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="How long the answer is of use; the server has a default.",
    )
    private: bool = Field(
        default=False, description="Whether the server's caches must not know of the inputs."
    )


Input = Annotated[Any, WithJsonSchema(_INPUT)]


class TaskPredictBody(_Body):
    """What one task is asked."""

    inputs: list[Input] = Field(min_length=1, description="Any number of examples.")
    options: Options = Field(default_factory=Options)

    @model_validator(mode="after")
    def _usable(self) -> TaskPredictBody:
        for place, value in enumerate(self.inputs):
            if not isinstance(value, str | dict) and not (isinstance(value, list) and value):
                raise PydanticCustomError(
                    "input",
                    "inputs[{place}] is {given}; give a text, a list such as [text, pair], or an "
                    "object of fields",
                    {"place": place, "given": shown(value)},
                )
        return self

    @property
    def examples(self) -> list[object]:
        """The inputs as heads take them: a list of fields is a tuple there."""
        return [tuple(value) if isinstance(value, list) else value for value in self.inputs]


def _one_of_two(schema: dict[str, Any]) -> None:
    schema["oneOf"] = [{"required": ["task"]}, {"required": ["tasks"]}]
    for name in ("task", "tasks"):
        schema["properties"][name].pop("default", None)


class PredictBody(TaskPredictBody):
    """What one task or several are asked."""

    model_config = ConfigDict(json_schema_extra=_one_of_two)

    task: str = Field(default="", description="The task; or else `tasks`.")
    tasks: list[str] = Field(
        default_factory=list, min_length=1, description="Each of them answers every input."
    )

    @model_validator(mode="after")
    def _one_or_several(self) -> PredictBody:
        if ("task" in self.model_fields_set) == ("tasks" in self.model_fields_set):
            raise PydanticCustomError("task", "give task, or tasks; not both")
        return self

    @property
    def names(self) -> list[str]:
        """The tasks, each once."""
        return list(dict.fromkeys(self.tasks)) if self.tasks else [self.task]


def _as_texts(value: object) -> object:
    texts = value if isinstance(value, list) else [value]
    if texts and all(isinstance(text, str) for text in texts):
        return value
    raise PydanticCustomError("texts", "give a text or a list of texts; token ids are not taken")


class EmbeddingsBody(_Body):
    """What OpenAI's clients send to have texts embedded."""

    model: str = Field(description="A task whose kind of head is embedding.")
    input: Annotated[Any, AfterValidator(_as_texts), WithJsonSchema(_TEXTS)] = Field(
        description="A text or several."
    )
    encoding_format: Literal["float", "base64"] = Field(
        default="float", description="Numbers, or the bytes of float32 in base64."
    )
    user: str | None = Field(default=None, description="Not read.")

    @property
    def texts(self) -> list[str]:
        """The texts, also where there is one."""
        return [self.input] if isinstance(self.input, str) else list(self.input)


class InferInput(_Body):
    """One tensor of texts."""

    name: str = Field(description="A field of the task's examples: text, question, ...")
    shape: list[int] = Field(min_length=1, max_length=2, description="[n] or [n, 1].")
    datatype: Literal["BYTES"]
    data: list[Any] = Field(description="The texts, flat or in rows.")
    parameters: dict[str, Any] | None = None


class InferOutput(_Body):
    """One tensor that is asked for."""

    name: str
    parameters: dict[str, Any] | None = None


class InferBody(_Body):
    """What KServe's open inference protocol sends to ask a model."""

    id: str | None = Field(default=None, description="Comes back as it is.")
    inputs: list[InferInput] = Field(min_length=1)
    outputs: list[InferOutput] | None = Field(
        default=None, description="Those wanted; all where they are not named."
    )
    parameters: dict[str, Any] | None = Field(
        default=None, description="priority, timeout_s and private are read."
    )


class IndexBody(_Body):
    """Which models a list shall have."""

    ready: bool = Field(default=False, description="Only those that are in memory.")


class RollbackBody(_Body):
    """Where to go back to."""

    version: str | None = Field(default=None, description="The one before where it is not given.")


BODIES: Final = (
    EmbeddingsBody,
    IndexBody,
    InferBody,
    PredictBody,
    RollbackBody,
    TaskPredictBody,
)
"""Those of all routes, for the OpenAPI document."""

BodyT = TypeVar("BodyT", bound=BaseModel)


def parsed(body_class: type[BodyT], raw: bytes) -> BodyT:
    """The body that `raw` is.

    Raises:
        RequestError: It is not JSON (400), or not what is asked for (422).
    """
    try:
        body = body_class.model_validate_json(raw)
    except ValidationError as error:
        raise _problem(error, raw) from None
    if b"NaN" in raw or b"Infinity" in raw:
        _refuse_constants(raw)
    return body


def _problem(error: ValidationError, raw: bytes) -> RequestError:
    found = error.errors(include_url=False)
    first = found[0]
    if first["type"] == "json_invalid":
        reason = first["msg"].removeprefix("Invalid JSON: ")
        if "hex escape" in reason and _SURROGATE.search(raw):
            return RequestError(422, "invalid_input", f"a text is not Unicode: {reason}.")
        return RequestError(400, "invalid_json", f"the body is not JSON: {reason}.")
    reasons = [_reason(problem) for problem in found[:_MOST_REASONS]]
    more = f"; and {len(found) - _MOST_REASONS} more" if len(found) > _MOST_REASONS else ""
    field = str(first["loc"][0])[:60] if first["loc"] else None
    return RequestError(422, "invalid_request", f"{'; '.join(reasons)}{more}.", field=field)


def _reason(problem: Any) -> str:
    place = _place(problem["loc"])
    kind = problem["type"]
    if kind == "extra_forbidden":
        return f"unknown field {shown(place)}"
    if kind == "missing":
        return f"field {shown(place)} is missing"
    if not place:
        return str(problem["msg"])
    return f"{place[:60]}: {problem['msg']} (got {shown(problem['input'])})"


def _place(loc: tuple[int | str, ...]) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return path.removeprefix(".")


def _refuse_constants(raw: bytes) -> None:
    """Refuses numbers that JSON does not have; the words may also stand in a text."""

    def refuse(name: str) -> None:
        raise RequestError(400, "invalid_json", f"the body is not JSON: {name} is no number in it.")

    json.loads(raw, parse_constant=refuse)
