"""Examples out of tensors of texts, and tensors out of predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from polyhead.contracts import Prediction, text_fields
from polyhead.errors import PolyheadError, listing, shown
from polyhead.registry import registry
from polyhead.serve.http.bodies import InferInput
from polyhead.serve.http.request_errors import RequestError

if TYPE_CHECKING:
    from polyhead.serve.store import TaskRecord

__all__ = ["inputs_of", "outputs_of", "tensors_of"]

_WHOLE: Final = "prediction"
_DATATYPES: Final[dict[type, str]] = {str: "BYTES", float: "FP64", int: "INT64", bool: "BOOL"}
_SCHEMA_DATATYPES: Final = {
    "string": "BYTES",
    "number": "FP64",
    "integer": "INT64",
    "boolean": "BOOL",
}


def inputs_of(tensors: Sequence[InferInput]) -> list[dict[str, object]]:
    """The fields of each example.

    A tensor of shape [n] or [n, 1] holds one text of each of n examples; one of shape [n, k] holds
    k texts of each, as a list.

    Raises:
        RequestError: The tensors do not go together, or one is not what its shape says.
    """
    names = [tensor.name for tensor in tensors]
    if len(set(names)) < len(names):
        raise _invalid("two inputs have the same name.")
    n_examples = tensors[0].shape[0]
    columns = [_column(tensor) for tensor in tensors]
    if any(len(column) != n_examples for column in columns):
        raise _invalid("the inputs have different numbers of rows.")
    if not n_examples:
        raise _invalid("the inputs have no rows.")
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _column(tensor: InferInput) -> list[object]:
    texts = [text for part in tensor.data for text in (part if isinstance(part, list) else [part])]
    n_rows, width = (*tensor.shape, 1)[:2]
    if n_rows < 0 or width < 1 or len(texts) != n_rows * width:
        raise _invalid(
            f"the input {shown(tensor.name)} has {len(texts)} texts, which is not its shape "
            f"{tensor.shape}."
        )
    for text in texts:
        if not isinstance(text, str):
            raise _invalid(f"the input {shown(tensor.name)} holds {shown(text)}, which is no text.")
    if width == 1:
        return list(texts)
    return [texts[start : start + width] for start in range(0, len(texts), width)]


def outputs_of(
    outcomes: Sequence[Prediction | PolyheadError], wanted: Sequence[str] | None
) -> list[dict[str, Any]]:
    """Tensors of some predictions of one head.

    Args:
        outcomes: All of them predictions.
        wanted: Which tensors; None for all.

    Raises:
        RequestError: One that is wanted is not there.
    """
    predictions = [outcome for outcome in outcomes if isinstance(outcome, Prediction)]
    makers: dict[str, Callable[[], dict[str, Any]]] = {
        _WHOLE: lambda: _tensor(_WHOLE, "BYTES", [each.model_dump_json() for each in predictions])
    }
    for name in type(predictions[0]).model_fields:
        values = [getattr(each, name) for each in predictions]
        datatype = _datatype_of(values)
        if datatype is not None and name != _WHOLE:
            makers[name] = lambda n=name, d=datatype, v=values: _tensor(n, d, v)  # type: ignore[misc]
    names = list(makers) if wanted is None else list(dict.fromkeys(wanted))
    unknown = next((name for name in names if name not in makers), None)
    if unknown is not None:
        raise _invalid(f"there is no output {shown(unknown)}; there are: {listing(list(makers))}.")
    return [makers[name]() for name in names]


def _datatype_of(values: Iterable[object]) -> str | None:
    """The datatype of values of one plain type; None for any other."""
    kinds = {type(value) for value in values}
    return _DATATYPES.get(kinds.pop()) if len(kinds) == 1 else None


def _tensor(name: str, datatype: str, data: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": data}


def tensors_of(record: TaskRecord) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the metadata of a task says of its inputs and of its outputs."""
    fields = dict(record.example or {})
    if record.head_kind is not None and record.head_kind in registry().head_kinds():
        fields |= dict.fromkeys(text_fields(registry().head(record.head_kind).Example), "")
    inputs = [
        _metadata(name, "BYTES", n_dims=2 if isinstance(value, list | tuple) else 1)
        for name, value in fields.items()
    ]
    outputs = [_metadata(_WHOLE, "BYTES")]
    schema = (record.schemas or {}).get("prediction") or {}
    for name, about in schema.get("properties", {}).items():
        if name != _WHOLE and about.get("type") in _SCHEMA_DATATYPES:
            outputs.append(_metadata(name, _SCHEMA_DATATYPES[about["type"]]))
    return inputs, outputs


def _metadata(name: str, datatype: str, n_dims: int = 1) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [-1] * n_dims}


def _invalid(message: str) -> RequestError:
    return RequestError(422, "invalid_request", message)
