"""TLS between the processes of one system: which certificate one shows, and whose it believes.

One authority of the system's own signs a certificate for every process. A process shows its own to
whoever calls it, and, where the other side demands one, to whomever it calls.
"""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from servicekit.config import ConfigurationError, ProcessSettings


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files, read when they are needed; a rotated one counts from the next start on.

    Attributes:
        certificate: our certificate, followed by what leads to the authority.
        key: its private key, not encrypted.
        authority: certificates of the authorities that other processes' are checked against.
        require_clients: whether only callers with a certificate of the authority get in.
    """

    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None
    require_clients: bool = False

    @classmethod
    def of(cls, settings: ProcessSettings) -> Self:
        """Returns what a process's settings say."""
        return cls(
            settings.tls_certificate,
            settings.tls_key,
            settings.tls_authority,
            settings.tls_require_clients,
        )

    def server_credentials(self) -> grpc.ServerCredentials | None:
        """Returns what to serve with; None: plaintext, as there is no certificate.

        Raises:
            ConfigurationError: a file cannot be read, or is not what it should be.
        """
        pair = self._pair()
        if pair is None:
            return None
        authority = self._authority() if self.require_clients else None
        return grpc.ssl_server_credentials([pair], authority, self.require_clients)

    def channel_credentials(self) -> grpc.ChannelCredentials | None:
        """Returns what to call with; None: plaintext, as there is no authority.

        Raises:
            ConfigurationError: a file cannot be read, or is not what it should be.
        """
        authority = self._authority()
        if authority is None:
            return None
        key, certificate = self._pair() or (None, None)
        return grpc.ssl_channel_credentials(authority, key, certificate)

    def _pair(self) -> tuple[bytes, bytes] | None:
        """Returns key and certificate, which belong together."""
        if self.certificate is None or self.key is None:
            return None
        certificate, key = read(self.certificate), read(self.key)
        check_pair(certificate, key, self.certificate, self.key)
        return key, certificate

    def _authority(self) -> bytes | None:
        if self.authority is None:
            return None
        pem = read(self.authority)
        _certificates(pem, self.authority)
        return pem


PLAINTEXT = Tls()


_REASONS = {
    "CERTIFICATE_VERIFY_FAILED": "the peer's certificate is not by the authority that we believe",
    "Hostname Verification Check failed": "the peer's certificate is for other names than its own",
    "WRONG_VERSION_NUMBER": "the peer does not speak TLS",
}
_CLOSED = ("Socket closed", "Connection reset")


def why_no_connection(details: str, *, over_tls: bool) -> str | None:
    """Returns in plain words what gRPC's `details` of a failed connection say about TLS, if any."""
    for mark, reason in _REASONS.items():
        if mark in details:
            return reason
    if "failed to connect" in details and any(mark in details for mark in _CLOSED):
        # A server that refuses a certificate, or the lack of one, only hangs up.
        if over_tls:
            return "the peer hangs up: it may demand a certificate by an authority that it believes"
        return "the peer hangs up: it may speak TLS, and we do not"
    return None


def https_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Returns what serves HTTPS, TLS 1.2 or newer, to clients without certificates.

    Raises:
        ConfigurationError: a file cannot be read, or is not what it should be.
    """
    check_pair(read(certificate), read(key), certificate, key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    return context


def read(path: Path) -> bytes:
    """Returns a file; ConfigurationError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"TLS: cannot read {path}: {error.strerror}") from None


def check_pair(certificate: bytes, key: bytes, certificate_at: Path, key_at: Path) -> None:
    """Raises ConfigurationError unless the key is the certificate's and the latter is valid now."""
    leaf = _certificates(certificate, certificate_at)[0]
    if _public_key(key, key_at) != leaf.public_key():
        raise ConfigurationError(f"TLS: {key_at} is not the key of {certificate_at}")
    now = datetime.now(UTC)
    if now > leaf.not_valid_after_utc:
        raise ConfigurationError(
            f"TLS: {certificate_at} expired at {leaf.not_valid_after_utc:%Y-%m-%dT%H:%MZ}"
        )
    if now < leaf.not_valid_before_utc:
        raise ConfigurationError(
            f"TLS: {certificate_at} is valid from {leaf.not_valid_before_utc:%Y-%m-%dT%H:%MZ} on"
        )


def _certificates(pem: bytes, path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise ConfigurationError(f"TLS: {path} is not a PEM certificate") from None


def _public_key(pem: bytes, path: Path) -> PublicKeyTypes:
    try:
        return load_pem_private_key(pem, password=None).public_key()
    except (ValueError, TypeError):
        raise ConfigurationError(f"TLS: {path} is not an unencrypted PEM key") from None
