"""Certificates for development are made once, renewed in time, and good for the right hosts."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from local.certificates import LIFE, make_certificates
from servicekit.config import ConfigurationError
from servicekit.tls import Tls

NOW = datetime.now(UTC)


def certificate(path: Path) -> x509.Certificate:
    """Reads a certificate."""
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_a_certificate_names_the_process_and_this_machine(tmp_path: Path) -> None:
    """As containers call it, as programs on the machine do, and as whoever asks for more."""
    made = make_certificates(tmp_path, ["job_service"], hosts=["gpu.example", "203.0.113.7"])
    leaf = certificate(made.files("job_service").certificate)
    leaf.verify_directly_issued_by(certificate(made.authority))
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert ["job-service", "localhost", "gpu.example"] == names.get_values_for_type(x509.DNSName)
    addresses = [str(it) for it in names.get_values_for_type(x509.IPAddress)]
    assert ["127.0.0.1", "::1", "203.0.113.7"] == addresses


def test_what_is_good_is_kept_and_what_ends_soon_renewed(tmp_path: Path) -> None:
    """A second call changes nothing; a year later the certificate is another, by the same one."""
    made = make_certificates(tmp_path, ["gateway"], now=NOW)
    files = made.files("gateway")
    first, authority = files.certificate.read_bytes(), made.authority.read_bytes()
    make_certificates(tmp_path, ["gateway"], now=NOW + timedelta(days=100))
    assert first == files.certificate.read_bytes()
    make_certificates(tmp_path, ["gateway"], now=NOW + LIFE - timedelta(days=29))
    assert first != files.certificate.read_bytes()
    assert authority == made.authority.read_bytes()


def test_a_lost_authority_takes_its_certificates_along(tmp_path: Path) -> None:
    """They would be believed by nobody who believes the new one."""
    made = make_certificates(tmp_path, ["gateway"])
    made.authority.unlink()
    make_certificates(tmp_path, ["gateway"])
    leaf = certificate(made.files("gateway").certificate)
    leaf.verify_directly_issued_by(certificate(made.authority))


def test_only_its_owner_enters_the_folder(tmp_path: Path) -> None:
    """The keys lie in it."""
    made = make_certificates(tmp_path / "certificates", ["gateway"])
    assert 0o700 == stat.S_IMODE(made.folder.stat().st_mode)


def test_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    """At the start, not at the first connection."""
    made = make_certificates(tmp_path, ["job_service", "gateway"])
    ours, theirs = made.files("job_service"), made.files("gateway")
    not_ours = f"{theirs.key} is not the key of {ours.certificate}"
    with pytest.raises(ConfigurationError, match=not_ours):
        Tls(ours.certificate, theirs.key).server_credentials()
    with pytest.raises(ConfigurationError, match="nowhere: No such file"):
        Tls(tmp_path / "nowhere", ours.key).server_credentials()
    with pytest.raises(ConfigurationError, match=f"{ours.key} is not a PEM certificate"):
        Tls(ours.key, ours.key).server_credentials()
    with pytest.raises(ConfigurationError, match="is not an unencrypted PEM key"):
        Tls(ours.certificate, ours.certificate).server_credentials()
    with pytest.raises(ConfigurationError, match=f"{ours.key} is not a PEM certificate"):
        Tls(authority=ours.key).channel_credentials()


@pytest.mark.parametrize(("age", "complaint"), [
    (LIFE + timedelta(days=1), "expired at"), (-timedelta(days=1), "is valid from"),
])  # fmt: skip
def test_a_certificate_out_of_its_time_is_named(
    tmp_path: Path, age: timedelta, complaint: str
) -> None:
    """Every client would refuse it, and say less about why."""
    files = make_certificates(tmp_path, ["gateway"], now=NOW - age).files("gateway")
    with pytest.raises(ConfigurationError, match=complaint):
        Tls(files.certificate, files.key).server_credentials()
