"""Payloads in GitHub's form, recorded from Gitea and made up."""

import json
from typing import Any

import pytest

from gitops.core.errors import Rejected
from gitops.core.image_updates.events import ConfigPushed, Ignored
from tests.webhooks import recorded
from webhooks.deliveries import Delivery
from webhooks.senders import github

PUSH = recorded.ALL["gitea-push"]


def push(**fields: Any) -> Delivery:
    return github.parse(PUSH.headers, json.dumps(json.loads(PUSH.body) | fields).encode())


def pushed(**fields: Any) -> ConfigPushed:
    content = push(**fields).content
    assert isinstance(content, tuple)
    (event,) = content
    assert isinstance(event, ConfigPushed)
    return event


def test_push_has_all_urls_the_ref_and_the_new_head() -> None:
    assert pushed() == ConfigPushed(
        ("http://127.0.0.1:3300/dev/app.git", "root@127.0.0.1:dev/app.git", "http://127.0.0.1:3300/dev/app"),
        "refs/heads/main",
        "30d8cec7604488fda746a59c1a98d82e582304b6",
    )
    assert push().id == "99c398a3-548b-42d6-be26-37f785b3d849"


def test_push_of_a_deleted_ref_has_no_new_head() -> None:
    assert pushed(ref="refs/tags/v1", after="0" * 40).after is None
    assert pushed(after="0" * 64).after is None


def test_delete_event_names_the_ref_in_short_form() -> None:
    """Gitea sends no push for a deleted branch."""
    delivery = recorded.ALL["gitea-delete"]
    (event,) = github.parse(delivery.headers, delivery.body).content  # type: ignore[misc]
    assert isinstance(event, ConfigPushed)
    assert (event.ref, event.after) == ("refs/tags/v1.2.0", None)


def test_push_of_a_sha256_repo_has_longer_ids() -> None:
    assert pushed(after="a" * 64).after == "a" * 64


def test_other_events_and_ping_need_no_action() -> None:
    assert github.parse({"x-github-event": "ping"}, b'{"zen": "x"}').content == Ignored("the webhook works")
    for name in ("gitea-create", "gitea-release"):
        delivery = recorded.ALL[name]
        assert isinstance(github.parse(delivery.headers, delivery.body).content, Ignored)


def test_missing_event_header_is_malformed() -> None:
    with pytest.raises(Rejected, match="X-GitHub-Event"):
        github.parse({}, PUSH.body)


@pytest.mark.parametrize(
    "ref",
    ["main", "refs/heads/", "refs/heads/--upload-pack=touch x", "refs/heads/-x", "refs/heads/../../x",
     "refs/heads/a\nb",
     "refs/heads/a b", "refs/heads/a\x7f", "refs/heads/" + "x" * 10_000, "refs/heads/a..b", "refs/heads/a.lock",
     "refs/heads/a.lock/b", "refs/heads/.a", "refs/heads/a//b", "refs/heads/a@{1}", "refs/heads/a\\b", "refs/heads/a:b",
     "refs/heads/a.", "refs/heads/a/", "refs/remotes/x", "--upload-pack=x", "refs/heads/\u202etxt", "HEAD", ""],
)  # fmt: skip
def test_a09_ref_that_git_refuses_is_ignored(ref: str) -> None:
    content = push(ref=ref).content
    assert isinstance(content, Ignored)
    assert content.reason.startswith("ref ")
    assert content.reason.isprintable()


@pytest.mark.parametrize("ref", ["refs/heads/\U0001f468\u200d\U0001f469", "refs/heads/-x", "refs/heads/" + "x" * 300])
def test_a09_ref_that_git_allows_but_lockstep_does_not_is_ignored(ref: str) -> None:
    """Git allows these names in any repository, and hosts disable a webhook that answers 400."""
    assert isinstance(push(ref=ref).content, Ignored)


@pytest.mark.parametrize("ref", [7, None, ["refs/heads/main"]])
def test_a09_ref_that_is_no_string_is_malformed(ref: object) -> None:
    with pytest.raises(Rejected, match="ref"):
        push(ref=ref)


@pytest.mark.parametrize(
    "ref", ["refs/heads/main", "refs/heads/feature/a-b_c.d", "refs/tags/promote/test/1", "refs/heads/功能"]
)
def test_ref_of_a_branch_or_tag_is_accepted(ref: str) -> None:
    assert pushed(ref=ref).ref == ref


@pytest.mark.parametrize("after", ["", "0", "g" * 40, "A" * 40, "a" * 39, "a" * 41, "--output=x"])
def test_a09_after_that_is_no_object_id_is_ignored(after: str) -> None:
    content = push(after=after).content
    assert isinstance(content, Ignored)
    assert content.reason.startswith("after ")


def test_push_without_any_repository_url_is_ignored() -> None:
    assert isinstance(push(repository={"clone_url": None}).content, Ignored)
