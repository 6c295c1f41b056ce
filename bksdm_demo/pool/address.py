"""The address of a pool's server and who we are there. A network may be used only with TLS and credentials."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bksdm_demo.errors import DemoError

PORT = 4222
SCHEMES = ("nats", "tls")
CREDENTIALS = (".creds", ".nk")  # a user's JWT with its nkey, and an nkey's seed alone
EXAMPLE = "nats://127.0.0.1:4222"


@dataclass(frozen=True)
class Address:
    """Where the server is: "nats://HOST:PORT", or "tls://" for TLS, both with or without "USER:PASSWORD@".

    `credentials` is a file that ends in .creds or .nk, `authority` one with the certificate that signed the server's.
    Raises DemoError for an address that cannot be read, and for another machine's without TLS or credentials.
    """

    url: str
    credentials: Path | None = None
    authority: Path | None = None

    def __post_init__(self) -> None:
        try:
            parts, _ = urlsplit(self.url), urlsplit(self.url).port
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in SCHEMES or not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise DemoError(f"The pool's address cannot be read. Give one such as {EXAMPLE}.")  # it may hold a password
        for file in (self.credentials, self.authority):
            if file is not None and not file.is_file():
                raise DemoError(f"The pool's file {file} is not there. Give the path of one that is.")
        if self.credentials is not None and self.credentials.suffix not in CREDENTIALS:
            raise DemoError(f"The pool's credentials {self.credentials.name} must end in {' or '.join(CREDENTIALS)}.")
        if not self.local and not (self.encrypted and self.identified):
            raise DemoError(
                f"{self.place} is another machine, and prompts and pictures would travel there unprotected. Use "
                "tls:// in the address and give credentials (docs/pool.md), or a server on this machine."
            )

    @property
    def place(self) -> str:
        """Host and port, without a password."""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        return f"{f'[{host}]' if ':' in host else host}:{parts.port or PORT}"

    @property
    def server(self) -> str:
        """The address without user and password."""
        return f"{urlsplit(self.url).scheme}://{self.place}"

    @property
    def local(self) -> bool:
        """Whether the server is on this machine."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    @property
    def encrypted(self) -> bool:
        return urlsplit(self.url).scheme == "tls"

    @property
    def user(self) -> tuple[str, str] | None:
        """User and password, if the address has them."""
        parts = urlsplit(self.url)
        return (unquote(parts.username), unquote(parts.password)) if parts.username and parts.password else None

    @property
    def identified(self) -> bool:
        return self.credentials is not None or self.user is not None

    def context(self) -> ssl.SSLContext | None:
        """What TLS trusts; None without TLS. Raises DemoError for a file that is no certificate."""
        if not self.encrypted:
            return None
        try:
            return ssl.create_default_context(cafile=self.authority)
        except (ssl.SSLError, OSError) as error:
            raise DemoError(f"The pool's file {self.authority} is no certificate: {error}.") from error
