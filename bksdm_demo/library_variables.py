"""Environment variables that libraries read by themselves: GRADIO_*, HF_* and those of proxies.

Gradio asks its own address whether the page is up, so a proxy must not stand between. A variable that a library cannot
read gives a sentence. Imports nothing of those libraries: they read the variables when they are imported.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping

PREFIXES = ("GRADIO_", "HF_")
PROXIES = ("all_proxy", "http_proxy", "https_proxy")
LOCAL = ("localhost", "127.0.0.1", "::1")
ANY_ADDRESS = ("0.0.0.0", "::")
NO_PLACE = (
    "The page cannot listen there: another program uses the port, this user may not, or the host is no address of this "
    "machine. Choose others with --port and --host."
)


def drop_empty(environ: MutableMapping[str, str]) -> None:
    """Remove the libraries' variables that have no value; an empty port is no number."""
    for name in [name for name, value in environ.items() if name.startswith(PREFIXES) and not value.strip()]:
        del environ[name]


def reach_directly(environ: MutableMapping[str, str], host: str | None) -> None:
    """Add the page's own address to NO_PROXY, beside what is there."""
    own = [*LOCAL, *([host.strip("[]")] if host and host not in (*LOCAL, *ANY_ADDRESS) else [])]
    there = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    for name in ("no_proxy", "NO_PROXY"):
        environ[name] = ",".join([*([there] if there else []), *own])


def bracketed(host: str | None) -> str | None:
    """The host as Gradio takes it: an IPv6 address in brackets, which its own address needs."""
    return f"[{host}]" if host and ":" in host and not host.startswith("[") else host


def start_error(error: Exception, environ: Mapping[str, str]) -> str:
    """A sentence about an error at the start, with the variable that it is about where one can be told."""
    said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    if "empty port" in said:  # Gradio's words for whatever keeps it from listening
        return NO_PLACE
    return variable_error(error, environ) or f"The page cannot start: {said}."


def variable_error(error: Exception, environ: Mapping[str, str]) -> str:
    """A sentence about an error that comes from a library's variable; "" for any other error."""
    said = " ".join(str(error).split())
    proxies = [name for name, value in environ.items() if name.lower() in PROXIES and value]
    if "SOCKS" in said:
        socks = " and ".join(name for name in proxies if environ[name].startswith("socks"))
        return f"{socks} names a SOCKS proxy, which needs the package socksio: run `pip install socksio`, or unset it."
    named = [name for name, value in environ.items() if name.startswith(PREFIXES) and _quoted(value, said)]
    if named:
        return f"{' or '.join(named)} has a value that cannot be used ({said}); correct or unset it."
    if proxies and "URL" in type(error).__name__ + said:
        return f"{' or '.join(proxies)} is no address of a proxy ({said}); correct or unset it."
    return ""


def _quoted(value: str, said: str) -> bool:
    """Whether an error quotes this value, or names a place below it."""
    return repr(value) in said or (os.path.isabs(value) and value in said)
