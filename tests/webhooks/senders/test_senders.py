"""Every sample of every kind of sender: the events it gives, or the reason why it gives none."""

import json
from typing import Any

import pytest

from gitops.core.errors import Rejected
from gitops.core.image_updates.events import ConfigPushed, Event, Ignored, ImageDeleted, ImagePushed, ImageScanned
from gitops.core.parsing import git_urls
from tests.webhooks import samples
from tests.webhooks.samples import Sample
from webhooks.deliveries import Delivery
from webhooks.senders.kinds import KINDS

AFTER = "9f2c1d7e4b6a8c0f3e5d7b9a1c2e4f6081a3b5c7"
MAIN = ("refs/heads/main", AFTER)
TAG = ("refs/tags/promote/test/42", AFTER)
GONE = ("refs/heads/feature/x", None)
NO_REF = (None, None)

MOVED = {
    "github-push": [MAIN],
    "github-push-forced": [MAIN],
    "github-push-tag": [TAG],
    "github-push-branch-deleted": [GONE],
    "github-delete": [("refs/tags/promote/test/42", None)],
    "gitlab-push": [MAIN],
    "gitlab-push-deleted": [GONE],
    "gitlab-tag_push": [TAG],
    "gitlab-signed-push": [MAIN],
    "gitlab-system-push": [MAIN],
    "gitlab-system-repository_update": [MAIN, TAG, GONE],
    "gitea-push": [("refs/heads/main", "30d8cec7604488fda746a59c1a98d82e582304b6")],
    "gitea-delete": [("refs/tags/v1.2.0", None)],
    "forgejo-push": [MAIN],
    "forgejo-push-tag-deleted": [("refs/tags/promote/test/42", None)],
    "forgejo-delete": [("refs/heads/main", None)],
    "gogs-push": [MAIN],
    "gogs-delete": [("refs/heads/main", None)],
    "bitbucket-cloud-push": [MAIN, TAG, GONE],
    "bitbucket-cloud-push-without-changes": [NO_REF],
    "bitbucket-data-center-refs_changed": [MAIN, TAG, GONE],
    "cloudevents-config": [MAIN],
}
IMAGE, DIGEST = "harbor.tuling.internal/tuling/print-service", "sha256:" + "5f" * 32
RECORDED_IMAGE = "127.0.0.1:8480/demo/web"
SCANNED = {
    "harbor-default-SCANNING_COMPLETED",
    "harbor-default-SCANNING_STOPPED",
    "harbor-default-SCANNING_FAILED",
    "harbor-cloudevents-scan.completed",
    "harbor-cloudevents-scan.failed",
    "harbor-cloudevents-scan.stopped",
}
PUSHED = {
    "harbor-default-PUSH_ARTIFACT",
    "harbor-cloudevents-harbor.artifact.pushed",
    "cloudevents-image",
    "cloudevents-image-binary",
}
DELETED = {"harbor-default-DELETE_ARTIFACT", "harbor-cloudevents-artifact.deleted"}
IGNORED = {
    "github-ping": "the webhook works",
    "github-create": "event 'create' needs no action",
    "github-package": "event 'package' needs no action",
    "gitlab-merge_request": "event 'Merge Request Hook' needs no action",
    "gitlab-system-user_create": "event 'user_create' needs no action",
    "gitea-create": "event 'create' needs no action",
    "gitea-release": "event 'release' needs no action",
    "forgejo-release": "event 'release' needs no action",
    "gogs-create": "event 'create' needs no action",
    "bitbucket-cloud-pullrequest": "event 'pullrequest:created' needs no action",
    "bitbucket-data-center-ping": "the webhook works",
    "bitbucket-data-center-pr": "event 'pr:opened' needs no action",
    "cloudevents-other": (
        "type 'dev.cdevents.artifact.published.0.2.0' needs no action; "
        "send lockstep.image.pushed or lockstep.config.pushed"
    ),
    "harbor-default-SCANNING_COMPLETED-sbom": "the scan made a bill of materials; it did not look for vulnerabilities",
    "harbor-default-PULL_ARTIFACT": "PULL_ARTIFACT needs no action",
    "harbor-default-QUOTA_WARNING": "QUOTA_WARNING needs no action",
    "harbor-default-REPLICATION": "REPLICATION needs no action",
    "harbor-default-TAG_RETENTION": "TAG_RETENTION needs no action",
    "harbor-cloudevents-artifact.pulled": "harbor.artifact.pulled needs no action",
    "harbor-cloudevents-quota.exceeded": "harbor.quota.exceeded needs no action",
    "harbor-cloudevents-quota.warned": "harbor.quota.warned needs no action",
    "harbor-cloudevents-replication.status.changed": "harbor.replication.status.changed needs no action",
    "harbor-cloudevents-harbor.tag_retention.finished": "harbor.tag_retention.finished needs no action",
    "harbor-before-2.0-pushImage": "pushImage comes from a Harbor before 2.0, which is not supported: upgrade Harbor",
}


def parse(sample: Sample, **changes: Any) -> Delivery:
    """The sample with some fields of its body replaced."""
    body = json.dumps(json.loads(sample.delivery.body) | changes).encode() if changes else sample.delivery.body
    return sample.kind.parse(sample.delivery.headers, body)


def events(sample: Sample, **changes: Any) -> tuple[Event, ...]:
    content = parse(sample, **changes).content
    assert isinstance(content, tuple)
    return content


def moved(sample: Sample, **changes: Any) -> list[tuple[str | None, str | None]]:
    found = events(sample, **changes)
    assert all(isinstance(event, ConfigPushed) for event in found)
    return [(event.ref, event.after) for event in found if isinstance(event, ConfigPushed)]


def test_samples_are_each_in_exactly_one_table() -> None:
    tables = [set(MOVED), PUSHED, SCANNED, DELETED, set(IGNORED)]
    assert set.union(*tables) == set(samples.ALL)
    assert sum(map(len, tables)) == len(samples.ALL)
    assert {sample.kind_name for sample in samples.ALL.values()} == set(KINDS)


@pytest.mark.parametrize("name", MOVED)
def test_git_push_gives_one_event_for_each_ref(name: str) -> None:
    sample = samples.ALL[name]
    assert moved(sample) == MOVED[name]
    repos = frozenset(repo for url in samples.REPOS if (repo := git_urls.parse(url)) is not None)
    assert all(git_urls.names_any(event.urls, repos) for event in events(sample) if isinstance(event, ConfigPushed))


@pytest.mark.parametrize("name", sorted(PUSHED))
def test_image_push_gives_one_event(name: str) -> None:
    (event,) = events(samples.ALL[name])
    assert isinstance(event, ImagePushed)
    expected = (RECORDED_IMAGE, "1.0.0") if name.startswith("harbor") else (IMAGE, "1.4.2")
    assert (event.image, event.tag) == expected


@pytest.mark.parametrize("name", sorted(SCANNED))
def test_scan_gives_an_event_whatever_its_end(name: str) -> None:
    assert events(samples.ALL[name]) == (ImageScanned(IMAGE, DIGEST),)


def test_image_deletion_names_one_of_its_tags() -> None:
    assert events(samples.ALL["harbor-cloudevents-artifact.deleted"]) == (ImageDeleted(IMAGE, DIGEST, "1.4.2"),)
    (event,) = events(samples.ALL["harbor-default-DELETE_ARTIFACT"])
    assert isinstance(event, ImageDeleted)
    assert event.image.startswith("127.0.0.1:8480/demo/")


@pytest.mark.parametrize("name", IGNORED)
def test_other_deliveries_are_ignored_with_the_reason(name: str) -> None:
    assert parse(samples.ALL[name]).content == Ignored(IGNORED[name])


@pytest.mark.parametrize(
    ("name", "own_id"),
    [
        ("github-push", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        ("gitlab-push", "4b9a1c60-2f53-4f2f-9c0a-0d5b3a8f1a72"),
        ("gitea-push", "99c398a3-548b-42d6-be26-37f785b3d849"),
        ("forgejo-push", "f4d8a5e4-52f0-4b8b-8f7c-2d6f1f1b6a01"),
        ("gogs-push", "f4d8a5e4-52f0-4b8b-8f7c-2d6f1f1b6a01"),
        ("bitbucket-cloud-push", "0f3a7c52-6b7b-4f8e-a2b1-7a1f0e5d3c2b"),
        ("bitbucket-data-center-refs_changed", "6f8d6a2a-2ab9-4b8e-bd6c-0fba1e6f5c31"),
        ("cloudevents-image-binary", "print-service-4711"),
    ],
)
def test_delivery_has_the_sender_s_own_id(name: str, own_id: str) -> None:
    assert parse(samples.ALL[name]).id == own_id


def test_delivery_id_is_signed_only_with_a_signature_that_covers_it() -> None:
    assert parse(samples.ALL["gitlab-signed-push"]).signed_id == "6e1f3f0a-3b8e-4c39-9d67-6a2f5f0c8d11"
    assert parse(samples.ALL["gitlab-push"]).signed_id is None


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("github-push", "x-github-event"),
        ("gitlab-push", "x-gitlab-event"),
        ("gitea-push", "x-gitea-event"),
        ("forgejo-push", "x-forgejo-event"),
        ("gogs-push", "x-gogs-event"),
        ("bitbucket-cloud-push", "x-event-key"),
        ("bitbucket-data-center-refs_changed", "x-event-key"),
        ("cloudevents-image-binary", "ce-type"),
    ],
)
def test_sender_s_own_event_header_is_required(name: str, header: str) -> None:
    sample = samples.ALL[name]
    headers = {key: value for key, value in sample.delivery.headers.items() if key != header}
    with pytest.raises(Rejected) as caught:
        sample.kind.parse(headers, sample.delivery.body)
    assert caught.value.reason == "MalformedDelivery"


def test_git_push_of_too_many_refs_gives_one_event_without_a_ref() -> None:
    sample = samples.ALL["bitbucket-data-center-refs_changed"]
    one = json.loads(sample.delivery.body)["changes"][0]
    assert moved(sample, changes=[one] * 101) == [NO_REF]
    assert moved(sample, changes=[]) == [NO_REF]
    assert len(moved(sample, changes=[one] * 100)) == 100


def test_git_push_with_an_invalid_ref_keeps_the_others() -> None:
    sample = samples.ALL["gitlab-system-repository_update"]
    changes = json.loads(sample.delivery.body)["changes"]
    assert moved(sample, changes=[{**changes[0], "ref": "refs/heads/--upload-pack=x"}, changes[1]]) == [TAG]


def test_bitbucket_data_center_without_a_url_is_ignored() -> None:
    sample = samples.ALL["bitbucket-data-center-refs_changed"]
    content = parse(sample, repository={"slug": "config", "project": {"key": "PLATFORM"}}).content
    assert content == Ignored("the payload names no repository")
