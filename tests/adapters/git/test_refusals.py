"""Refusals of hosts, proxies, git and ssh, word for word, and the reason that each becomes."""

from pathlib import Path

import pytest

from gitops.adapters.git.remote import GitAccess, GitRemote
from gitops.core.errors import GitopsError

SSH = GitRemote(
    "ssh://git@h/srv/certificates.git", GitAccess(key=Path("/k"), known_hosts=Path("/h")), "h/certificates (main)"
)
HTTPS = GitRemote("https://h/x.git", GitAccess(proxy="http://p:3128"), "h/x (certificate-renewal)")
END = "\nfatal: Could not read from remote repository."
UNABLE = "fatal: unable to access 'https://h/x.git/': "


def trouble(remote: GitRemote, stderr: str) -> GitopsError:
    return remote.translate(stderr, "fetched")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("fatal: '/srv/certificates.git' does not appear to be a git repository" + END, "RepositoryNotFound"),
        ("ERROR: Repository not found." + END, "RepositoryNotFound"),
        (
            "remote: \nremote: ====\nremote: \nremote: ERROR: The project you were looking for could not be found or "
            "you don't have permission to view it.\nremote: " + END,
            "RepositoryNotFound",
        ),
        ("ERROR: The key you are authenticating with has been marked as read only." + END, "AccessDenied"),
        ("ERROR: Permission to shop/config.git denied to deploy key" + END, "AccessDenied"),
        (
            "remote: ERROR: This deploy key does not have write access to this project." + END,
            "AccessDenied",
        ),
        ("git@h: Permission denied (publickey)." + END, "AuthenticationFailed"),
        ("ssh: Could not resolve hostname h: Name or service not known" + END, "RemoteUnavailable"),
    ],
)
def test_refusals_over_ssh_have_a_reason(said: str, reason: str) -> None:
    assert trouble(SSH, said).reason == reason


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("fatal: couldn't find remote ref refs/heads/certificate-renewal", "TrunkGone"),
        (UNABLE + "Failed to connect to certificate-renewal port 443", "RemoteUnavailable"),
        (UNABLE + "SSL certificate problem: certificate has expired", "CertificateRefused"),
        (UNABLE + "server certificate verification failed. CAfile: none CRLfile: none", "CertificateRefused"),
        (UNABLE + "error setting certificate verify locations:  CAfile: /run/ca.pem", "CertificateRefused"),
        (UNABLE + "error adding trust anchors from file: /run/ca.pem", "CertificateRefused"),
        (
            UNABLE + "SSL: no alternative certificate subject name matches target host name '127.0.0.1'",
            "CertificateRefused",
        ),
        (UNABLE + "The requested URL returned error: 407", "ProxyRefused"),
        (UNABLE + "Received HTTP code 403 from proxy after CONNECT", "ProxyRefused"),
        (UNABLE + "CONNECT tunnel failed, response 407", "ProxyRefused"),
        (UNABLE + "The requested URL returned error: 403", "AccessDenied"),
        (UNABLE + "The requested URL returned error: 404", "RepositoryNotFound"),
    ],
)
def test_refusals_over_https_have_a_reason(said: str, reason: str) -> None:
    assert trouble(HTTPS, said).reason == reason


def test_refusals_are_not_read_from_the_output_of_a_hook() -> None:
    said = "remote: Authentication failed: HTTP 401\nfatal: the remote end hung up unexpectedly"
    assert trouble(HTTPS, said).reason == "RemoteUnavailable"
