"""Rules for Pod, Job and CronJob."""

from collections.abc import Iterator, Mapping
from typing import Any

from gitops.core.health.verdict import (
    Verdict,
    condition,
    degraded,
    healthy,
    is_true,
    number,
    progressing,
    section,
    suspended,
    words,
)
from gitops.core.objects import Body

_HARMLESS_WAITS = frozenset({"ContainerCreating", "PodInitializing", ""})


def pod(body: Body) -> Verdict:
    """A container that waits for any reason except its own creation is Degraded: it does not start by itself."""
    status = section(body, "status")
    phase = status.get("phase")
    if phase == "Succeeded":
        return healthy("completed")
    if phase == "Failed":
        return degraded(
            str(status.get("message") or "; ".join(_find_failures(body)) or status.get("reason") or "failed")
        )
    if stuck := "; ".join(_find_stuck(body)):
        return degraded(stuck)
    if is_true(body, "Ready"):
        return healthy("ready")
    unready = condition(body, "PodScheduled") if phase == "Pending" else condition(body, "Ready")
    return progressing(f"{str(phase or 'Pending').lower()}; {words(unready)}".rstrip("; "))


def has_run(body: Body) -> bool:
    """True for a pod that is ready or has succeeded: proof that its images run."""
    return section(body, "status").get("phase") == "Succeeded" or is_true(body, "Ready")


def _containers(body: Body) -> Iterator[Mapping[str, Any]]:
    for group in ("initContainerStatuses", "containerStatuses"):
        yield from section(body, "status").get(group) or ()


def _find_stuck(body: Body) -> Iterator[str]:
    for container in _containers(body):
        waiting = section(container, "state", "waiting")
        if waiting.get("reason", "") not in _HARMLESS_WAITS:
            yield f"container {container.get('name')}: {waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")


def _find_failures(body: Body) -> Iterator[str]:
    for container in _containers(body):
        ended = section(container, "state", "terminated")
        if number(ended, "exitCode"):
            why = f"{ended.get('reason', '')}: {ended.get('message', '')}".strip(": ")
            yield f"container {container.get('name')} ended with exit code {ended['exitCode']}: {why}".rstrip(": ")


def job(body: Body) -> Verdict:
    spec, status = section(body, "spec"), section(body, "status")
    wanted = number(spec, "completions", 1)
    for failed in ("Failed", "FailureTarget"):
        if is_true(body, failed):
            return degraded(f"{words(condition(body, failed))}; failed pods: {number(status, 'failed')}")
    if is_true(body, "Complete"):
        return healthy("completed")
    counts = f"{number(status, 'succeeded')} of {wanted} completions"
    if spec.get("suspend"):
        return suspended(f"suspended with {counts}")
    return progressing(f"{counts}, {number(status, 'active')} active, {number(status, 'failed')} failed")


def cron_job(body: Body) -> Verdict:
    last = section(body, "status").get("lastScheduleTime")
    ran = f"last run {last}" if last else "never ran yet"
    return suspended(f"suspended; {ran}") if section(body, "spec").get("suspend") else healthy(ran)
