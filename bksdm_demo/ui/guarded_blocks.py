"""Gradio's Blocks for strangers: they take no files and no huge values, and log a failed event in one line.

Gradio downloads every URL in a value that looks like a file, and keeps each session's values (sessions.py). This page
needs neither.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.components.api_component import Api
from gradio_client.utils import is_file_obj_with_meta

from bksdm_demo.errors import RequestError
from bksdm_demo.languages import language, marked, say, speaking
from bksdm_demo.logs import about, request_id
from bksdm_demo.phrase_book import said, translated
from bksdm_demo.records import repaired
from bksdm_demo.ui.request_ids import id_of
from bksdm_demo.ui.sessions import SharedConfig
from bksdm_demo.ui.speaking import Variants, event_language

logger = logging.getLogger(__name__)

LARGEST_VALUES = 256_000  # bytes of JSON in one event: two prompts of 20,000 characters fit
NO_FILES = "This page takes no files and no addresses of files. Send the values themselves."
TOO_LONG = f"The values of this request are too long: together they may take {LARGEST_VALUES:,} bytes of JSON."
FAILED = marked(
    "This request could not be handled. Check the number and the types of its values; /gradio_api/info has them."
)


class GuardedBlocks(gr.Blocks):
    """Blocks that refuse what no component here needs, and speak each visitor's language (speaking.py)."""

    variants: Variants | None = None
    _config: Any = None

    @property
    def config(self) -> Any:
        """Gradio's description of the page, in the language of the current request."""
        return self._config if self.variants is None else self.variants.config(self._config, language())

    @config.setter
    def config(self, config: Any) -> None:
        self._config = config

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.default_config = SharedConfig(self)

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *others: Any, **options: Any) -> list[Any]:
        """Check the values before Gradio sees them. Raises gr.Error."""
        try:
            check_values(inputs)
        except RequestError as error:
            raise gr.Error(said(error), print_exception=False) from error
        return await super().preprocess_data(block_fn, completed(inputs, block_fn.inputs), *others, **options)

    async def process_api(self, *values: Any, **options: Any) -> dict[str, Any]:
        """Handle one event. An unexpected error becomes one line in the log and a sentence for the client."""
        request = options.get("request")
        with about(request_id, id_of(request) or request_id.get()), speaking(event_language(request)):
            return await self._process_api(*values, **options)

    async def _process_api(self, *values: Any, **options: Any) -> dict[str, Any]:
        try:
            return await super().process_api(*values, **options)
        except gr.Error as error:  # a sentence for the client already, such as a slider's about its range
            error.print_exception = False
            error.message = repaired(translated(str(error.message)))  # it may quote what no answer can hold
            raise
        except Exception as error:
            logger.warning("An event failed: %s", one_line(error))
            logger.debug("The error in full:", exc_info=True)
            raise gr.Error(say(FAILED), print_exception=False) from error


def completed(values: list[Any], inputs: Sequence[Any]) -> list[Any]:
    """Return the values of an endpoint with the defaults of its last inputs, which programs of earlier days lack."""
    missing = inputs[len(values) :]
    if not all(isinstance(component, Api) and component.value is not None for component in missing):
        return values
    return [*values, *(component.value for component in missing)]


def check_values(values: list[Any]) -> None:
    """Raise RequestError if the values contain a file, or are too long to keep."""
    if _has_file(values):
        raise RequestError(NO_FILES)
    if len(json.dumps(values, ensure_ascii=False, default=str).encode(errors="replace")) > LARGEST_VALUES:
        raise RequestError(TOO_LONG)


def _has_file(value: object) -> bool:
    """Look for what Gradio takes for a file, at any depth."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if is_file_obj_with_meta(value) or "path" in value:
                return True
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)
    return False


def one_line(error: BaseException) -> str:
    """Return an error's type, place and first line."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    first = str(error).strip().partition("\n")[0][:200]
    return f"{type(error).__name__}{place}: {first}"
