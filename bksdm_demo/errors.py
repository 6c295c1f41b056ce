"""The error tree of the demo: every message says what is wrong, which one, and what to do.

Rooms raise these; only the page, the command line and the job worker turn them into words for a person.
"""


class DemoError(Exception):
    """Base of every error this project raises on purpose; its text is fit to be shown to a visitor."""


class RequestError(DemoError):
    """A setting of a request is out of range or of the wrong kind."""


class PackageError(DemoError):
    """A Core ML file is missing, truncated, malformed or inconsistent."""


class UnsupportedModelError(DemoError):
    """A well-formed model uses something this engine cannot run; names every such thing at once."""


class EngineError(DemoError):
    """An engine got a wrong name, shape or type, or its runtime failed."""


class ModelUnavailableError(DemoError):
    """A system is unknown, or parts of it are not on this machine."""


class CancelledError(DemoError):
    """The visitor stopped the run."""


class BusyError(DemoError):
    """The queue is full or the memory budget cannot hold the model."""
