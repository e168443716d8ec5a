"""The refusals of a git host, recognised by the words of git and ssh, each with what a person has to do.

All of them can pass without a change here: a token is renewed, a certificate is replaced. So they are Unavailable: the
controller tries again, and the last known head stays in use.
"""

import re
from dataclasses import dataclass

from gitops.adapters.git.process import sanitize


@dataclass(frozen=True, slots=True)
class GitRefusal:
    """`complaint` matches the words of git or ssh. `sentence` may hold `{login}`, the refused log-in as a clause, and
    `{identity}`, the refused credentials.
    """

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
        "its host key is not a pinned one, so nothing was sent; if the host has a new key, compare it with the keys "
        "that the host publishes and put it into `repo.credentials.knownHosts`; else another server answers there",
    ),
    GitRefusal(
        re.compile(r"UNPROTECTED PRIVATE KEY|bad permissions|Load key |no such identity"),
        "KeyUnusable",
        "ssh cannot use {identity}: it must be a private key without a passphrase, for its owner only (mode 0400)",
    ),
    GitRefusal(
        re.compile(
            r"Permission denied \(|could not read (?:Username|Password)|Authentication failed|returned error: 401"
            r"|HTTP 401"
        ),
        "AuthenticationFailed",
        "{login}; set or renew `repo.credentials` in lockstep.yaml (a renewed file needs no restart)",
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
        "the host redirects to another URL, and Lockstep follows no redirect; write the URL of the repository itself "
        "into `repo.url`, often the same with `.git` at its end",
    ),
    GitRefusal(
        re.compile(
            # with blanks, so that no name of a repository or trunk matches
            r"SSL certificate |certificate verif|certificate subject name|issuer certificate|trust anchors"
        ),
        "CertificateRefused",
        "its certificate cannot be verified, so nothing was sent; check its end date and its names; if an authority of "
        "your own signed it, set `repo.caFile`",
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
    """Finds the refusal in the words of git and ssh, from which the caller has cut the remote's URL.

    The host's own lines may say anything, so only those that it marks as ERROR count.
    """
    lines = (
        line.removeprefix("remote: ") if line.startswith("remote: ERROR: ") else line for line in stderr.splitlines()
    )
    own = "\n".join(line for line in lines if not line.startswith("remote:"))
    return next((refusal for refusal in _REFUSALS if refusal.complaint.search(own)), None)


def quote_words(stderr: str) -> str:
    """Quotes the host and git in one line, without their advice for a terminal."""
    lines = (line.strip() for line in stderr.splitlines())
    return sanitize(" ".join(line for line in lines if not _NOISE.search(line)))
