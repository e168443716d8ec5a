"""What a host says no with, as git and ssh put it, and what a person has to do about it.

Time can mend all of these as well as a person: a token is renewed, a host gets its certificate back. So they are asked
again, and what is known stays in use.
"""

import re
from dataclasses import dataclass

from gitops.adapters.git.process import shown


@dataclass(frozen=True, slots=True)
class GitRefusal:
    """`sentence` holds `{asked}` and `{identity}`: who was refused, in two forms."""

    complaint: re.Pattern[str]
    reason: str
    sentence: str


_REFUSALS = (
    GitRefusal(
        re.compile(r"from proxy after CONNECT|CONNECT tunnel failed|returned error: 407|HTTP 407"),
        "ProxyRefused",
        "the proxy (`repo.proxy`) does not connect to the host; it must let this controller through, to this host and "
        "port, without a log-in",
    ),
    GitRefusal(
        re.compile(r"Host key verification failed|HOST IDENTIFICATION HAS CHANGED|No \S+ host key is known"),
        "HostKeyRefused",
        "its host key is not the pinned one, so nothing was sent; if the host has a new key, compare it with what the "
        "host publishes and put it into `repo.credentials.knownHosts`; if not, somebody else answers in its place",
    ),
    GitRefusal(
        re.compile(r"UNPROTECTED PRIVATE KEY|bad permissions|Load key |no such identity"),
        "KeyUnusable",
        "ssh cannot use {identity}: it must be a private key without a passphrase, readable by nobody else (mode 0400)",
    ),
    GitRefusal(
        re.compile(
            r"Permission denied \(|could not read (?:Username|Password)|Authentication failed|returned error: 401"
            r"|HTTP 401"
        ),
        "AuthenticationFailed",
        "{asked}; set or renew `repo.credentials` in lockstep.yaml, a renewed file is read by itself",
    ),
    GitRefusal(
        re.compile(
            r"returned error: 403|HTTP 403|^ERROR: The key you are authenticating with has been marked as read only"
            r"|^ERROR: Permission to \S+ denied|^ERROR: .*deploy key does not have write access",
            re.MULTILINE,
        ),
        "AccessDenied",
        "the host refuses {identity}: it needs to read and to write this repository",
    ),
    GitRefusal(
        re.compile(r"returned error: 30[0-9]|HTTP 30[0-9]|update url base from redirection"),
        "RedirectRefused",
        "the host redirects to another URL, which is never followed; write the URL of the repository itself into "
        "`repo.url`, often the same with `.git` at its end",
    ),
    GitRefusal(
        re.compile(
            # with blanks, so that no name of a repository or trunk is one
            r"SSL certificate |certificate verif|certificate subject name|issuer certificate|trust anchors"
        ),
        "CertificateRefused",
        "its certificate cannot be verified, so nothing was sent; is it expired, or made for another name? Signed by "
        "an authority of your own, it needs `repo.caFile`",
    ),
    GitRefusal(
        re.compile(
            r"returned error: 404|HTTP 404|repository '[^']*' not found|not appear to be a git repository"
            r"|^ERROR: Repository not found|^ERROR: The project you were looking for could not be found",
            re.MULTILINE,
        ),
        "RepositoryNotFound",
        "the host has no such repository, or does not show it to {identity}",
    ),
)
_NOISE = re.compile(
    r"askpass|could not read (?:Username|Password)|^Please make sure you have the correct access"
    r"|^and the repository exists|Could not read from remote repository|^@|^$"
)


def find(stderr: str) -> GitRefusal | None:
    """By what git and ssh say, without the remote's URL in it. What the host says may be anything; only what
    it calls an error of its own counts.
    """
    lines = (
        line.removeprefix("remote: ") if line.startswith("remote: ERROR: ") else line for line in stderr.splitlines()
    )
    own = "\n".join(line for line in lines if not line.startswith("remote:"))
    return next((refusal for refusal in _REFUSALS if refusal.complaint.search(own)), None)


def words(stderr: str) -> str:
    """What the host and git said themselves, without what a terminal would want, fit for a message."""
    lines = (line.strip() for line in stderr.splitlines())
    return shown(" ".join(line for line in lines if not _NOISE.search(line)))
