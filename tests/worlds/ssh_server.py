"""An ssh server that runs git's own programs, in a process of its own: `python -m tests.worlds.ssh_server`. It prints
its port, and ends when its standard input does.
"""

import asyncio
import contextlib
import os
import shlex
import subprocess
import sys

import asyncssh

_GIT_PROGRAMS = {"git-upload-pack", "git-receive-pack"}
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}


async def _serve(port: str, host_key: str, clients: str, passed: str) -> None:
    """`passed` names the variables that are accepted from the client, as AcceptEnv of sshd does."""
    server = await asyncssh.listen(
        "127.0.0.1",
        int(port),
        server_host_keys=[host_key],
        authorized_client_keys=clients,
        process_factory=lambda process: _run(process, passed.split()),
        encoding=None,
    )
    sys.stdout.write(f"{server.get_port()}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)  # also if a connection hangs


async def _run(process: "asyncssh.SSHServerProcess[bytes]", passed: list[str]) -> None:
    program, repository = shlex.split(process.command or "")
    assert program in _GIT_PROGRAMS
    accepted = {name: value for name, value in process.env.items() if name in passed}
    child = await asyncio.create_subprocess_exec(
        program,
        repository,
        env={**_ENVIRONMENT, **accepted},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin
    assert child.stdout
    assert child.stderr
    fed = asyncio.create_task(_feed(process.stdin, child.stdin))
    await asyncio.gather(_pass_on(child.stdout, process.stdout), _pass_on(child.stderr, process.stderr))
    code = await child.wait()
    fed.cancel()
    process.exit(code)


async def _feed(client: "asyncssh.SSHReader[bytes]", program: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncssh.Error):
        while received := await client.read(65536):
            program.write(received)
            await program.drain()
        program.close()


async def _pass_on(program: asyncio.StreamReader, client: "asyncssh.SSHWriter[bytes]") -> None:
    """Pass on all output. Output that is still on its way when the client learns of the exit never arrives."""
    with contextlib.suppress(ConnectionError, asyncssh.Error):
        while written := await program.read(65536):
            client.write(written)
            await client.drain()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
