"""The controller in its own process, with its log read line by line."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ports:
    webhooks: int
    page: int
    metrics: int

    @classmethod
    def free(cls) -> Self:
        probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
        ports = [probe.getsockname()[1] for probe in probes]
        for probe in probes:
            probe.close()
        return cls(*ports)


class Controller:
    """One controller process. Its log is read line by line."""

    def __init__(self, config: Path, ports: Ports, entry: tuple[str, ...]) -> None:
        self.ports = ports
        self._heard: list[Line] = []
        self._news = threading.Condition()
        self._ended = False
        command = [sys.executable, "-X", "faulthandler", *entry, "run", "-c", str(config)]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def heard(self) -> list[Line]:
        with self._news:
            return list(self._heard)

    def until(self, event: str, *, seconds: float = 60.0, **keys: object) -> Line:
        """Waits for a line of the log with this event and these values."""

        def found() -> Line | None:
            wanted = {"message": event, **{f"lockstep.{key}": value for key, value in keys.items()}}
            return next((line for line in self._heard if all(line.get(key) == wanted[key] for key in wanted)), None)

        with self._news:
            self._news.wait_for(lambda: found() or self._ended, seconds)
            line = found()
        assert line is not None, f"never logged: {event} {keys}; the end: {self.heard()[-12:]}"
        return line

    def until_leading(self) -> None:
        self.until("leadership begins")

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """Sends SIGKILL: the controller finishes nothing and releases nothing."""
        self._process.kill()
        self.await_death()

    def await_death(self, seconds: float = 30.0) -> None:
        self._process.wait(seconds)
        self._reader.join()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def stop(self) -> None:
        """Sends SIGTERM, as Kubernetes does."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
        try:
            self.await_death(60)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGABRT)  # says where every thread is
            self.await_death()
            stacks = "\n".join(str(line.get("message", "")) for line in self.heard()[-400:])
            raise AssertionError(f"it did not end within 60 s of SIGTERM:\n{stacks}") from None

    def bugs(self) -> list[Line]:
        """The log lines with an unexpected exception, which a controller must never write."""
        return [
            line
            for line in self.heard()
            if "error.stack_trace" in line or line.get("log.level") in {"error", "critical"}
        ]

    def _listen(self) -> None:
        stream = self._process.stderr
        for raw in stream or ():
            try:
                line = json.loads(raw)
            except ValueError:
                line = {"message": raw.decode(errors="replace"), "log.level": "error"}  # nothing but JSON may come
            with self._news:
                self._heard.append(line)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()
