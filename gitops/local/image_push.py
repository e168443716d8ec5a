"""One pushed image, followed from Harbor's webhook to the healthy workload."""

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

_PATIENCE = 60


@dataclass(frozen=True, slots=True)
class PushStep:
    """`at`: seconds since the push; `who` saw or did it. `is_end`: nothing more comes of the push."""

    at: float
    who: str
    what: str


@dataclass(frozen=True, slots=True)
class PushWatch:
    """Where to look."""

    site: LocalSite
    kubeconfig: Path
    page: PageClient


def image(site: LocalSite, service: str, tag: str) -> Image:
    """What Harbor would announce when the service's pipeline pushes this tag.

    Raises: Rejected(UnknownService) naming those that there are; Rejected(InvalidImage).
    """
    services = declared(site).services
    if service not in services:
        raise Rejected("UnknownService", f"pipeline.yaml has no service {service}; it has {', '.join(services)}")
    return harbor_webhook.image(services[service].image, tag)


def declared(site: LocalSite) -> Pipeline:
    """pipeline.yaml at the trunk's head."""
    return pipeline.parse(config_repo.read(site.config_repo, pipeline.FILE))


def deployed_tag(site: LocalSite, service: str) -> str:
    """What the first environment says in git; empty when it does not have the service, or no tag of it."""
    found = declared(site)
    if service not in found.services:
        return ""
    path = f"{pipeline.ENVIRONMENTS}/{found.order[0]}/kustomization.yaml"
    images = image_edit.images(config_repo.read(site.config_repo, path), path)
    name = found.services[service].image
    return next((each.tag or "" for each in images if each.name == name), "")


def next_build(tag: str) -> str:
    """`SNAPSHOT-master-118` -> `SNAPSHOT-master-119`: the last number of a tag plus one; empty without a number."""
    found = re.fullmatch(r"(.*?)(\d+)(\D*)", tag, re.DOTALL)
    return f"{found[1]}{int(found[2]) + 1}{found[3]}" if found else ""


def follow(world: PushWatch, service: str, pushed: Image, at: datetime) -> Iterator[PushStep]:
    """Sends Harbor's webhook and yields what comes of it, each as soon as it is seen. After a delivery that changes
    nothing, the answer is the last one.

    Raises: Unavailable(NoAnswer, NotAccepted); Unavailable(NotSeen) when an expected step is not seen within a minute.
    """
    repository, site = world.site.config_repo, world.site
    before = config_repo.head(repository)
    with config.new_client_from_config(str(world.kubeconfig)) as api:
        apps = client.AppsV1Api(api)
        version = _version(apps.list_deployment_for_all_namespaces(limit=1))
        followed = _Followed(world, service, pushed, time.monotonic())
        answer = harbor_webhook.push(site.hook(HARBOR), site.secret(HARBOR).read_text(), pushed, at)
        if not answer.is_accepted:
            raise Unavailable(
                "NotAccepted",
                f"answered {answer.status}: {'; '.join(answer.sentences)}. Harbor would try again; so can you",
            )
        yield from (followed.seen("Lockstep", f"{answer.status}: {sentence}") for sentence in answer.sentences)
        for commit in _caused(config_repo.commits(repository, before), service, pushed):
            yield followed.seen("git", f"{commit.id[:7]} {commit.subject}")
            environment = commit.trailers["Lockstep-Environment"]
            yield followed.until_changed(apps, version, environment)
            yield followed.until_healthy(environment)


def _caused(commits: Iterable[Commit], service: str, pushed: Image) -> Sequence[Commit]:
    wanted = {"Lockstep-Service": service, "Lockstep-Digest": pushed.digest}
    return [commit for commit in commits if wanted.items() <= commit.trailers.items()]


@dataclass(frozen=True, slots=True)
class _Followed:
    """One push on its way; `began` is on the monotonic clock."""

    world: PushWatch
    service: str
    pushed: Image
    began: float

    def seen(self, who: str, what: str) -> PushStep:
        return PushStep(time.monotonic() - self.began, who, what)

    def until_changed(self, apps: client.AppsV1Api, version: str, environment: str) -> PushStep:
        """The API server's own word, by a watch from the state before the push."""
        namespace = declared(self.world.site).environments[environment].namespace
        events = watch.Watch().stream(
            apps.list_namespaced_deployment, namespace, resource_version=version, timeout_seconds=_PATIENCE
        )
        with closing(events):
            for event in events:
                if self.pushed.digest in _digests(event["raw_object"]):
                    name = event["raw_object"]["metadata"]["name"]
                    what = f"Deployment {namespace}/{name} now has {self.pushed.tag}@sha256:{self.pushed.short_digest}"
                    return self.seen("Kubernetes", what)
        raise self._not_seen(f"no Deployment in {namespace} got the new image")

    def until_healthy(self, environment: str) -> PushStep:
        last = "nothing"
        for report in self.world.page.follow(_PATIENCE):
            found = report.services.get((self.service, environment))
            if found and found.digest == self.pushed.digest:
                if found.is_settled:
                    return self.seen(
                        found.health, f"{self.service} in {environment} is {found.sync} and {found.health}"
                    )
                last = f"{found.sync}, {found.health}"
        raise self._not_seen(f"{self.service} in {environment} did not become Healthy; last seen: {last}")

    def _not_seen(self, what: str) -> Unavailable:
        where = self.world.site
        return Unavailable("NotSeen", f"{what} within {_PATIENCE} s; {where.url('page')} and {where.log} say why")


def _version(listed: Any) -> str:
    """From where a watch goes on without a gap."""
    return str(listed.metadata.resource_version)


def _digests(deployment: Any) -> frozenset[str]:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return frozenset(each["image"].rpartition("@")[2] for each in containers)
