"""Two people in a local installation, who can request promotions and approve each other's requests. Each has a git
configuration with a name and an SSH signing key, which no other installation accepts.
"""

import shutil
import subprocess
from pathlib import Path

from gitops.local.cluster.credentials import write_private

YOU, COLLEAGUE = "you", "colleague"
_SECONDS = 30.0


def create(directory: Path) -> Path | None:
    """Makes missing keys and configurations and returns git's allowed-signers file. Returns None without ssh-keygen:
    approvals, which must be signed, cannot be tried out then.
    """
    allowed = directory / "allowed-signers"
    keygen = shutil.which("ssh-keygen")
    if keygen is None:
        return allowed if allowed.exists() else None
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    lines = [_create_person(directory, name, keygen) for name in (YOU, COLLEAGUE)]
    write_private(allowed, "".join(lines))
    return allowed


def git_config(directory: Path, name: str) -> Path:
    """The file for GIT_CONFIG_GLOBAL that makes git commit and sign as this person."""
    return directory / f"{name}.gitconfig"


def _create_person(directory: Path, name: str, keygen: str) -> str:
    """Makes a missing key and returns the person's line for the allowed-signers file."""
    key, mail = directory / name, f"{name}@lockstep.invalid"
    if not key.with_name(f"{name}.pub").exists():
        key.unlink(missing_ok=True)
        arguments = ["-q", "-t", "ed25519", "-N", "", "-C", mail, "-f", str(key)]
        subprocess.run([keygen, *arguments], check=True, timeout=_SECONDS, stdin=subprocess.DEVNULL)
    text = f'[user]\n\tname = {name}\n\temail = {mail}\n\tsigningkey = "{key}"\n[gpg]\n\tformat = ssh\n'
    write_private(git_config(directory, name), text)
    return f"{mail} {key.with_name(f'{name}.pub').read_text()}"
