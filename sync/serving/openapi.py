"""The service's description for machines, and a page of it for people that loads nothing from elsewhere."""

from typing import Any

import msgspec

from sync.serving.requests import BatchRequest, OnlineRequest, RowsRequest
from sync.serving.settings import Settings

_ERRORS = {
    "400": "What is asked for makes no sense",
    "401": "No token, or none that is valid",
    "403": "Not of this consumer's service, or personal data without a grant",
    "404": "No such name in Redis",
    "405": "Another method is needed",
    "408": "The body did not come in time",
    "413": "More bytes or entities than one request may have",
    "429": "More requests than this token may ask",
    "503": "Redis cannot be asked now",
}
_STATUS = {"type": "string", "enum": ["PRESENT", "NULL", "NOT_FOUND", "OUTSIDE_MAX_AGE"]}
_EVENT = {"type": ["string", "null"], "format": "date-time"}
_ANSWERS: dict[str, Any] = {
    "BatchAnswer": {
        "type": "object",
        "description": "One result per request, in order. A result with `error` has no features.",
        "required": ["features"],
        "properties": {"features": {"type": "array", "items": {"$ref": "#/components/schemas/BatchResult"}}},
    },
    "BatchResult": {
        "type": "object",
        "required": ["entityId", "features"],
        "properties": {
            "entityId": {"type": ["string", "integer"]},
            "error": {"type": "string"},
            "features": {"type": "array", "items": {"$ref": "#/components/schemas/BatchValue"}},
        },
    },
    "BatchValue": {
        "type": "object",
        "description": "The value stands in the field of its kind; a null is in none.",
        "required": ["name", "status"],
        "properties": {
            "name": {"type": "string"},
            "status": _STATUS,
            "number": {"type": "number"},
            "text": {"type": "string"},
            "flag": {"type": "boolean"},
            "eventTimestamp": _EVENT,
        },
    },
    "OnlineAnswer": {
        "type": "object",
        "required": ["metadata", "results"],
        "properties": {
            "metadata": {
                "type": "object",
                "required": ["feature_names"],
                "properties": {"feature_names": {"type": "array", "items": {"type": "string"}}},
            },
            "results": {"type": "array", "items": {"$ref": "#/components/schemas/OnlineColumn"}},
        },
    },
    "OnlineColumn": {
        "type": "object",
        "required": ["values", "statuses", "event_timestamps"],
        "properties": {
            "values": {"type": "array"},
            "statuses": {
                "type": "array",
                "items": {"enum": ["PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE", "INVALID"]},
            },
            "event_timestamps": {"type": "array", "items": {"type": "string", "format": "date-time"}},
        },
    },
    "EntityAnswer": {
        "type": "object",
        "required": ["keys", "features"],
        "properties": {
            "keys": {"type": "object"},
            "features": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "required": ["value", "status", "event_timestamp"],
                    "properties": {"value": {}, "status": _STATUS, "event_timestamp": _EVENT},
                },
            },
        },
    },
    "Rows": {
        "type": "object",
        "required": ["as_of", "rows"],
        "properties": {
            "as_of": {"type": "string", "format": "date-time"},
            "rows": {"type": "array", "items": {"$ref": "#/components/schemas/EntityAnswer"}},
        },
    },
    "Services": {
        "type": "object",
        "required": ["services"],
        "properties": {"services": {"type": "array", "items": {"type": "object"}}},
    },
    "State": {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"type": "string"}, "views": {"type": "integer"}},
    },
    "Error": {
        "type": "object",
        "required": ["error", "request_id"],
        "properties": {"error": {"type": "string"}, "request_id": {"type": "string"}},
    },
}
_NAME, _KEY = (
    {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "description": text}
    for name, text in (
        ("view", "A view, `view@2`, or a feature service."),
        ("key", "The entity's key; `p1,casual` of a composite one."),
    )
)


def openapi(settings: Settings) -> bytes:
    request_schemas, components = msgspec.json.schema_components(
        [BatchRequest, OnlineRequest, RowsRequest],
        ref_template="#/components/schemas/{name}",
    )
    batch, online, rows = request_schemas
    limits = f"At most {settings.max_entities} entities and {settings.max_body} bytes."
    paths = {
        "/batch-features": {"post": _route("Features for a game client", "BatchAnswer", batch, limits)},
        "/get-online-features": {"post": _route("Features, as Feast asks", "OnlineAnswer", online, limits)},
        "/online-features": {"post": _route("Features, as the Python client asks", "Rows", rows, limits)},
        "/features/{view}/{key}": {
            "parameters": [_NAME, _KEY],
            "get": _route("Features of one entity", "EntityAnswer"),
        },
        "/services": {"get": _route("The feature services that this consumer may read", "Services")},
        "/health": {"get": _route("Whether the process answers", "State")},
        "/ready": {"get": _route("Whether Redis answers and holds views", "State")},
        "/metrics": {"get": _route("Counts for Prometheus", None)},
    }
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": f"fsync: features of {settings.project}", "version": "1"},
            "paths": paths,
            "components": {
                "schemas": {**components, **_ANSWERS},
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            },
            "security": [{"token": []}, {}],
        }
    )


def _route(summary: str, answer: str | None, body: Any = None, description: str = "") -> dict[str, Any]:
    content: dict[str, Any] = {"text/plain": {"schema": {"type": "string"}}}
    if answer is not None:
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{answer}"}}}
    failure = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    route: dict[str, Any] = {
        "summary": summary,
        "description": description,
        "responses": {
            "200": {"description": "The answer", "content": content},
            **{status: {"description": text, "content": failure} for status, text in _ERRORS.items()},
        },
    }
    if body is not None:
        route["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return route


DOCS = b"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>fsync</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font: 14px/1.5 ui-monospace, monospace; background: #8882; padding: .1em .3em }
pre { padding: .8em; overflow: auto }
</style>
<h1 id="title">fsync</h1><p>For machines: <a href="openapi.json">openapi.json</a></p><main></main>
<script>
fetch("openapi.json").then(answer => answer.json()).then(api => {
  document.title = document.getElementById("title").textContent = api.info.title
  const add = (kind, text, parent) => {
    const element = document.createElement(kind); element.textContent = text
    return parent.appendChild(element)
  }
  const main = document.querySelector("main")
  for (const [path, methods] of Object.entries(api.paths))
    for (const [method, route] of Object.entries(methods)) {
      if (!route.responses) continue
      add("h2", method.toUpperCase() + " " + path, main)
      add("p", route.summary + ". " + (route.description || ""), main)
      const show = (title, content) => {
        const name = content && content["application/json"] && content["application/json"].schema.$ref
        if (!name) return
        const block = main.appendChild(document.createElement("details"))
        add("summary", title, block)
        add("pre", JSON.stringify(api.components.schemas[name.split("/").pop()], null, 2), block)
      }
      show("Request", route.requestBody && route.requestBody.content)
      show("Answer", route.responses["200"].content)
    }
})
</script></html>
"""
