"""The errors of the demo. Every message says what is wrong, which thing is meant, and what to do.

All rooms raise these errors. Only the page, the command line and the job worker show them to a person.
"""


class DemoError(Exception):
    """The base of all errors that this project raises on purpose. Visitors may read the text."""


class RequestError(DemoError):
    """A setting of a request is out of range or has the wrong type."""


class PackageError(DemoError):
    """A Core ML file is missing, truncated, malformed or inconsistent."""


class UnsupportedModelError(DemoError):
    """A well-formed model uses features that this engine cannot run. The message lists all of them."""


class EngineError(DemoError):
    """An engine received a wrong name, shape or type, or its runtime failed."""


class PartCrashedError(EngineError):
    """The process of a part died, or was ended because it hung. The part loads again at its next use."""


class ModelUnavailableError(DemoError):
    """A system is unknown, or some of its parts are not on this machine."""


class CancelledError(DemoError):
    """The visitor stopped the run."""


class BusyError(DemoError):
    """The queue is full or the memory budget cannot hold the model."""
