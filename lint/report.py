"""The result of a rule: the places that break it, and the number of things that it looked at."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One place that breaks a rule. `message` says what is wrong and what to do."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class Report:
    """`counted` is a phrase for the summary, such as "275 modules, the largest has 347 lines"."""

    counted: str
    findings: tuple[Finding, ...]
