"""The key of a sheet's cell: what decides its picture and its time. Equal keys are drawn once.

A key covers the content of the model's files, every setting of the request, and the engine with its precision. Names
do not count: a model that was converted again under its old name has other keys. A setting that has its default does
not count either, so that a version with further settings keeps the keys.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from typing import Any

from bksdm_demo.errors import ModelUnavailableError
from bksdm_demo.library.catalog import Catalog
from bksdm_demo.mil.identity import content_identity
from bksdm_demo.records import Request

DEFAULTS = {field.name: field.default for field in fields(Request) if field.default is not MISSING}


class Keys:
    """The keys of one run. Each model's files are read once, so make new keys for the next run."""

    def __init__(self, catalog: Catalog, engine: Mapping[str, Any]) -> None:
        self._catalog = catalog
        self._engine = {str(name): str(value) for name, value in engine.items()}
        self._models: dict[str, list[str]] = {}

    def key(self, model: str, request: Request) -> str:
        """The key of a model with a request. Raises ModelUnavailableError and PackageError."""
        if model not in self._models:
            self._models[model] = self._identity(model)
        content = {"model": self._models[model], "request": settings_of(request), "engine": self._engine}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:40]

    def _identity(self, model: str) -> list[str]:
        system = self._catalog.get(model)
        if system.content:  # drawn by a pool
            return [system.content]
        if system.parts is None:
            raise ModelUnavailableError(f"{system.name} cannot be used: {system.reason}")
        return [content_identity(path) for path in system.parts.files]


def settings_of(request: Request) -> dict[str, Any]:
    """The settings that differ from their defaults; 7 and 7.0 are one value."""
    changed = {name: value for name, value in asdict(request).items() if value != DEFAULTS.get(name, MISSING)}
    return {name: _plain(value) for name, value in changed.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value
