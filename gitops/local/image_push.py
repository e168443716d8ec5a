"""Follows one pushed image from Harbor's webhook to the Healthy workload."""

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from kubernetes import client, config, watch

from gitops.core.config_repo import pipeline
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.errors import Rejected, Unavailable
from gitops.core.images.reference import Image
from gitops.core.kustomize import image_edit
from gitops.local import config_repo, harbor_webhook
from gitops.local.config_repo import Commit
from gitops.local.page_client import PageClient
from gitops.local.site import HARBOR, LocalSite

_STEP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class PushStep:
    """One observed step: `at` seconds after the push, `who` (Lockstep, git, Kubernetes, Healthy), `what` happened."""

    at: float
    who: str
    what: str


@dataclass(frozen=True, slots=True)
class PushSources:
    """The places where the steps of a push are observed: config repo, cluster, page."""

    site: LocalSite
    kubeconfig: Path
    page: PageClient


def image(site: LocalSite, service: str, tag: str) -> Image:
    """The image that Harbor would announce after a push of this tag.

    Raises: Rejected(UnknownService) naming the services of pipeline.yaml; Rejected(InvalidImage).
    """
    services = read_pipeline(site).services
    if service not in services:
        raise Rejected("UnknownService", f"pipeline.yaml has no service {service}; it has {', '.join(services)}")
    return harbor_webhook.image(services[service].image, tag)


def read_pipeline(site: LocalSite) -> Pipeline:
    """Reads pipeline.yaml at the trunk's head."""
    return pipeline.parse(config_repo.read(site.config_repo, pipeline.FILE))


def deployed_tag(site: LocalSite, service: str) -> str:
    """The service's tag in the first environment in git; empty if it has none there."""
    found = read_pipeline(site)
    if service not in found.services:
        return ""
    path = f"{pipeline.ENVIRONMENTS}/{found.order[0]}/kustomization.yaml"
    images = image_edit.images(config_repo.read(site.config_repo, path), path)
    name = found.services[service].image
    return next((each.tag or "" for each in images if each.name == name), "")


def next_build(tag: str) -> str:
    """Increments the last number of a tag: `SNAPSHOT-master-118` -> `SNAPSHOT-master-119`. Empty without a number."""
    found = re.fullmatch(r"(.*?)(\d+)(\D*)", tag, re.DOTALL)
    return f"{found[1]}{int(found[2]) + 1}{found[3]}" if found else ""


def follow(sources: PushSources, service: str, pushed: Image, at: datetime) -> Iterator[PushStep]:
    """Sends Harbor's webhook and yields each step when it is observed. If the delivery changes nothing, the answer is
    the only step.

    Raises: Unavailable(NoAnswer, NotAccepted); Unavailable(NotSeen) if a step is not observed within a minute.
    """
    repository, site = sources.site.config_repo, sources.site
    before = config_repo.head(repository)
    with config.new_client_from_config(str(sources.kubeconfig)) as api:
        apps = client.AppsV1Api(api)
        version = _resource_version(apps.list_deployment_for_all_namespaces(limit=1))
        follower = _PushFollower(sources, service, pushed, time.monotonic())
        answer = harbor_webhook.push(site.hook(HARBOR), site.secret(HARBOR).read_text(), pushed, at)
        if not answer.is_accepted:
            said = "; ".join(answer.sentences)
            raise Unavailable("NotAccepted", f"the controller answered {answer.status}: {said}. Try the command again")
        yield from (follower.step("Lockstep", f"{answer.status}: {sentence}") for sentence in answer.sentences)
        for commit in _select_caused(config_repo.commits(repository, before), service, pushed):
            yield follower.step("git", f"{commit.id[:7]} {commit.subject}")
            environment = commit.trailers["Lockstep-Environment"]
            yield follower.wait_changed(apps, version, environment)
            yield follower.wait_healthy(environment)


def _select_caused(commits: Iterable[Commit], service: str, pushed: Image) -> Sequence[Commit]:
    wanted = {"Lockstep-Service": service, "Lockstep-Digest": pushed.digest}
    return [commit for commit in commits if wanted.items() <= commit.trailers.items()]


@dataclass(frozen=True, slots=True)
class _PushFollower:
    """Waits for the steps of one push; `began` is on the monotonic clock."""

    sources: PushSources
    service: str
    pushed: Image
    began: float

    def step(self, who: str, what: str) -> PushStep:
        return PushStep(time.monotonic() - self.began, who, what)

    def wait_changed(self, apps: client.AppsV1Api, version: str, environment: str) -> PushStep:
        """Watches the Deployments from the state before the push until one has the image."""
        namespace = read_pipeline(self.sources.site).environments[environment].namespace
        events = watch.Watch().stream(
            apps.list_namespaced_deployment, namespace, resource_version=version, timeout_seconds=_STEP_SECONDS
        )
        with closing(events):
            for event in events:
                if self.pushed.digest in _digests(event["raw_object"]):
                    name = event["raw_object"]["metadata"]["name"]
                    what = f"Deployment {namespace}/{name} now has {self.pushed.tag}@sha256:{self.pushed.short_digest}"
                    return self.step("Kubernetes", what)
        raise self._describe_missing(f"no Deployment in {namespace} got the new image")

    def wait_healthy(self, environment: str) -> PushStep:
        last = "nothing"
        for report in self.sources.page.follow(_STEP_SECONDS):
            found = report.services.get((self.service, environment))
            if found and found.digest == self.pushed.digest:
                if found.is_settled:
                    return self.step(
                        found.health, f"{self.service} in {environment} is {found.sync} and {found.health}"
                    )
                last = f"{found.sync}, {found.health}"
        raise self._describe_missing(f"{self.service} in {environment} did not become Healthy; last seen: {last}")

    def _describe_missing(self, what: str) -> Unavailable:
        site = self.sources.site
        return Unavailable("NotSeen", f"{what} within {_STEP_SECONDS} s; see {site.url('page')} and {site.log}")


def _resource_version(listed: Any) -> str:
    """The version from which a watch continues without a gap."""
    return str(listed.metadata.resource_version)


def _digests(deployment: Any) -> frozenset[str]:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return frozenset(each["image"].rpartition("@")[2] for each in containers)
