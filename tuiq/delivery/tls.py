"""TLS contexts and passwords for sessions, from the configuration."""

from __future__ import annotations

import os
import ssl
import stat
from typing import TYPE_CHECKING

from tuiq.errors import DeliveryError

if TYPE_CHECKING:
    from pathlib import Path

    from tuiq.config import DeliveryConfig

_MAX_PASSWORD_BYTES = 4096


class CredentialsUnusable(DeliveryError):
    """A password file or certificate file that cannot be used."""


def client_context(config: DeliveryConfig) -> ssl.SSLContext:
    """Return the TLS context that *config* asks for.

    Loading authorities takes tens of milliseconds: make it once per configuration.

    Raises: CredentialsUnusable
    """
    if not config.tls_verify:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        return ssl.create_default_context(cafile=config.tls_ca_file)
    except OSError as error:
        raise CredentialsUnusable(
            f"{config.tls_ca_file}: cannot load authorities: {error}; "
            "set delivery.tls_ca_file to a PEM file"
        ) from error


def read_password(path: Path | None) -> bytes:
    """Return the first line of the password file.

    Raises: CredentialsUnusable when it cannot be read, when it is empty, or when
        anybody but its owner can read it.
    """
    if path is None:
        raise CredentialsUnusable(
            "delivery.username is set without a password; set delivery.password_file"
        )
    try:
        with open(path, "rb", opener=_nonblocking) as file:
            mode = os.fstat(file.fileno()).st_mode
            line = file.readline(_MAX_PASSWORD_BYTES)
    except OSError as error:
        raise CredentialsUnusable(
            f"{path}: cannot read the password: {error.strerror}; "
            "check delivery.password_file"
        ) from error
    if not stat.S_ISREG(mode) or mode & 0o077:
        raise CredentialsUnusable(f"{path}: others can read the password; chmod 600 it")
    password = line.rstrip(b"\r\n")
    if not password:
        raise CredentialsUnusable(
            f"{path}: no password on the first line; write it there"
        )
    return password


def _nonblocking(path: str, flags: int) -> int:
    """Open a file that may turn out to be a FIFO."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
