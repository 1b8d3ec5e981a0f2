"""Tasks asked in the server's own words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response

from polyhead.contracts import Prediction
from polyhead.errors import EngineError, PolyheadError
from polyhead.serve.codes import code_of
from polyhead.serve.http.access_log import note
from polyhead.serve.http.asking import Answered, Asker, Question
from polyhead.serve.http.bodies import PredictBody, TaskPredictBody, parsed
from polyhead.serve.http.declarations import ASKING, body_of, responses
from polyhead.serve.http.limits import read_body
from polyhead.serve.http.request_errors import RequestError
from polyhead.serve.http.schemas import PredictReply
from polyhead.serve.http.wire import json_response

if TYPE_CHECKING:
    from polyhead.serve.request import Outcome

__all__ = ["Predicting"]


class Predicting:
    """POST /v1/predict and POST /v1/tasks/{task}/predict."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    def add_to(self, app: FastAPI) -> None:
        """Adds the routes."""
        replies = responses(
            *ASKING,
            ok=PredictReply,
            partial={422, 500, 503, 504},
        )
        app.add_api_route(
            "/v1/predict",
            self.predict,
            methods=["POST"],
            tags=["predict"],
            summary="Ask one task or several",
            responses=replies,
            openapi_extra=body_of(PredictBody),
        )
        app.add_api_route(
            "/v1/tasks/{task}/predict",
            self.predict_task,
            methods=["POST"],
            tags=["predict"],
            summary="Ask one task",
            responses=replies,
            openapi_extra=body_of(TaskPredictBody),
        )

    async def predict(self, request: Request) -> Response:
        """Every task answers every input. An input that fails fails alone, under `errors`.

        Where nothing at all was answered, the status is that of the first error.
        """
        body = parsed(PredictBody, await self._body(request))
        return await self._answer(request, body, body.names)

    async def predict_task(self, request: Request, task: str) -> Response:
        """As /v1/predict, for the task in the path."""
        body = parsed(TaskPredictBody, await self._body(request))
        return await self._answer(request, body, [task])

    async def _body(self, request: Request) -> bytes:
        return await read_body(request, self._asker.settings.max_body_bytes)

    async def _answer(
        self, request: Request, body: TaskPredictBody, names: Sequence[str]
    ) -> Response:
        options = body.options
        question = Question(
            body.examples,
            names,
            priority=options.priority,
            timeout_s=options.timeout_s,
            private=options.private,
        )
        answered = await self._asker.ask(question, request)
        error = answered.first_error
        if error is None:
            return json_response(reply_of(answered))
        problem = RequestError.of(error)
        note(request.scope, error=problem.code)
        return json_response(reply_of(answered), status=problem.status, headers=problem.all_headers)


def reply_of(answered: Answered) -> bytes:
    """The body of the response; names of tasks need no escaping."""
    n_inputs = len(next(iter(answered.outcomes.values())))
    rows = ",".join(_row_of(answered, place) for place in range(n_inputs))
    tasks = {name: {"version": task.version} for name, task in answered.tasks.items()}
    usage = f'{{"n_tokens":{answered.n_tokens}}}'
    return f'{{"results":[{rows}],"tasks":{json.dumps(tasks)},"usage":{usage}}}'.encode()


def _row_of(answered: Answered, place: int) -> str:
    answers = []
    errors = []
    for name, outcomes in answered.outcomes.items():
        outcome: Outcome = outcomes[place]
        if isinstance(outcome, Prediction):
            answers.append(f'"{name}":{outcome.model_dump_json()}')
        else:
            errors.append(f'"{name}":{_error_of(outcome)}')
    return f'{{"answers":{{{",".join(answers)}}},"errors":{{{",".join(errors)}}}}}'


def _error_of(error: PolyheadError) -> str:
    shape: dict[str, object] = {"code": code_of(error), "message": str(error)}
    if isinstance(error, EngineError) and error.retry_after_s is not None:
        shape["retry_after_s"] = round(error.retry_after_s, 3)
    return json.dumps(shape)
