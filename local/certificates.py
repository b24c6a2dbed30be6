"""An authority of one's own, and a certificate by it for every process.

For one machine and for a private deployment: the authority is made here, its key stays in the
folder, and nobody else believes it. Whoever has an authority already hands out certificates by that
one instead; the settings are the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=3650)
LIFE = timedelta(days=397)
RENEW_BEFORE = timedelta(days=30)
CLOCKS_DIFFER = timedelta(minutes=5)

_USES = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


@dataclass(frozen=True, slots=True)
class Files:
    """The PEM files of one process."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Certificates:
    """A folder of certificates: `authority.pem`, and `<process>.pem` and `.key` for each."""

    folder: Path

    @property
    def authority(self) -> Path:
        """The authority's certificate, which everybody is told to believe."""
        return self.folder / "authority.pem"

    def files(self, name: str) -> Files:
        """Returns the files of a process."""
        return Files(self.folder / f"{name}.pem", self.folder / f"{name}.key")


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def make_certificates(
    folder: Path,
    names: Iterable[str],
    *,
    hosts: Iterable[str] = (),
    now: datetime | None = None,
) -> Certificates:
    """Returns the folder's certificates, having made what is missing or ends within 30 days.

    A certificate is good for its process's name in a network of containers (`auth-service`), for
    `localhost`, the loopback addresses, and the further `hosts`.
    """
    now = now or datetime.now(UTC)
    # Only its owner enters the folder. The files themselves are readable by all, because the users
    # inside containers, who get them mounted one by one, are not the one who runs this.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificates = Certificates(folder.resolve())
    authority = _authority(certificates, now)
    for name in names:
        files = certificates.files(name)
        if not _is_good(files, authority, now):
            own = [name.replace("_", "-"), "localhost", "127.0.0.1", "::1", *hosts]
            _write_pair(files, *_issued(authority, name, own, now))
    return certificates


def _authority(certificates: Certificates, now: datetime) -> _Authority:
    files = Files(certificates.authority, certificates.folder / "authority.key")
    if not (files.certificate.exists() and files.key.exists()):
        _write_pair(files, *_new_authority(now))
    key = load_pem_private_key(files.key.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise SystemExit(f"{files.key} is not a key that was made here")
    return _Authority(x509.load_pem_x509_certificate(files.certificate.read_bytes()), key)


def _is_good(files: Files, authority: _Authority, now: datetime) -> bool:
    if not (files.certificate.exists() and files.key.exists()):
        return False
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    by_us = certificate.issuer == authority.certificate.subject
    return by_us and now + RENEW_BEFORE < certificate.not_valid_after_utc


def _new_authority(now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    # A number in the name: certificates by an earlier authority of this folder are told apart.
    name = _name(f"GPUaaS private authority {x509.random_serial_number() % 10**8:08d}")
    builder = (
        _builder(name, name, key.public_key(), now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, hashes.SHA256()), key


def _issued(
    authority: _Authority, name: str, hosts: list[str], now: datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    by = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = (
        _builder(_name(name), issuer.subject, key.public_key(), now, LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(_USES), critical=False)
        .add_extension(x509.SubjectAlternativeName(list(map(_host, hosts))), critical=False)
        .add_extension(by, critical=False)
    )
    return builder.sign(authority.key, hashes.SHA256()), key


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_DIFFER)
        .not_valid_after(now + life)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write_pair(
    files: Files, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> None:
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for path, content in (
        (files.key, secret),
        (files.certificate, certificate.public_bytes(Encoding.PEM)),
    ):
        unfinished = path.with_name(f"{path.name}.new")
        unfinished.write_bytes(content)
        unfinished.chmod(0o644)
        unfinished.replace(path)
