"""The OpenAPI document, and the page that shows it without the internet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.staticfiles import StaticFiles
from pydantic.json_schema import models_json_schema

from polyhead.serve.http.bodies import BODIES
from polyhead.serve.http.head_examples import HeadExample, head_examples
from polyhead.serve.http.wire import dumped, json_response

if TYPE_CHECKING:
    from polyhead.model import DistilBertModelWithHeads
    from polyhead.serve.http.keys import Keys

__all__ = ["Documentation"]

_ASSETS: Final = "/docs/assets"
_DOCUMENT: Final = "/openapi.json"
_REF: Final = "#/components/schemas/{model}"
_SCHEMES: Final = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_OPEN: Final = ("/livez", "/readyz", "/v2/health/")


class Documentation:
    """GET /openapi.json and GET /docs."""

    def __init__(self, app: FastAPI, model: DistilBertModelWithHeads, keys: Keys) -> None:
        self._app = app
        self._model = model
        self._keys = keys
        self._document: bytes | None = None
        self._lock = asyncio.Lock()

    def add_to(self, app: FastAPI) -> None:
        """Adds the routes."""
        app.add_api_route(_DOCUMENT, self.document, include_in_schema=False)
        app.add_api_route("/docs", self.page, include_in_schema=False)
        app.add_api_route("/favicon.ico", self.icon, include_in_schema=False)
        app.mount(_ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")))

    async def document(self) -> Response:
        """Everything this server understands, with an example of each kind of head.

        It is made when it is first asked for: the examples are answers of tiny random models.
        """
        async with self._lock:
            if self._document is None:
                made = await asyncio.to_thread(self._made)
                self._document = dumped(made)
        return json_response(self._document)

    async def page(self, request: Request) -> Response:
        """The document, to be read and tried out."""
        root = request.scope.get("root_path", "").rstrip("/")
        return get_swagger_ui_html(
            openapi_url=f"{root}{_DOCUMENT}",
            title=self._app.title,
            swagger_js_url=f"{root}{_ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{_ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{root}/favicon.ico",
            swagger_ui_parameters={"validatorUrl": None, "tryItOutEnabled": True},
        )

    async def icon(self) -> Response:
        """Three heads on one body."""
        return Response(_ICON.encode(), media_type="image/svg+xml")

    def _made(self) -> dict[str, Any]:
        app = self._app
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        _, schemas = models_json_schema(
            [(body, "validation") for body in BODIES], ref_template=_REF
        )
        components = document.setdefault("components", {})
        components.setdefault("schemas", {}).update(schemas["$defs"])
        components["securitySchemes"] = _SCHEMES
        for path, operation in _operations(document):
            self._demand_key(path, operation)
        _show(document, head_examples(self._model))
        return document

    def _demand_key(self, path: str, operation: dict[str, Any]) -> None:
        is_admin = "admin" in operation.get("tags", ())
        if not is_admin and (not self._keys.are_needed or path.startswith(_OPEN)):
            return
        if not is_admin and path == "/metrics":
            return
        operation["security"] = [{name: []} for name in _SCHEMES]


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation


def _show(document: dict[str, Any], examples: list[HeadExample]) -> None:
    """Puts the examples where they belong."""
    several = document["paths"]["/v1/predict"]["post"]
    one = document["paths"]["/v1/tasks/{task}/predict"]["post"]
    for operation, is_one in ((several, False), (one, True)):
        asked = operation["requestBody"]["content"]["application/json"]
        told = operation["responses"]["200"]["content"]["application/json"]
        asked["examples"] = {each.kind: {"value": each.request(is_one)} for each in examples}
        told["examples"] = {
            each.kind: {"value": each.reply} for each in examples if each.reply is not None
        }


_ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<path d="M16 29V18M16 20 6 10M16 20l10-10M16 18V8" stroke="#555" stroke-width="3"/>'
    '<circle cx="6" cy="8" r="4" fill="#d55e00"/><circle cx="16" cy="6" r="4" fill="#0072b2"/>'
    '<circle cx="26" cy="8" r="4" fill="#009e73"/></svg>'
)
