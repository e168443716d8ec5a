"""Tags of a real remote, signed with real keys: their fields, signers, and malformed tags."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops.adapters.git.config_repo import GitConfigRepo, GitOptions
from gitops.core.config_repo.commits import NewCommit
from gitops.core.promotion.requests import SignedTag
from tests.core.promotion.test_proof import START
from tests.worlds.git import Remote, git


class Place:
    """A remote, a person with a clone and keys, and the config repo of the controller."""

    def __init__(self, directory: Path) -> None:
        self.remote = Remote(directory / "remote.git", {"environments/pipeline.yaml": b"x\n"})
        self.clone = directory / "person"
        git(directory, "clone", "--quiet", self.remote.url, str(self.clone))
        self.signers = directory / "signers"
        for name in ("li", "wang", "eve"):
            key = directory / name
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        self.allow("li", "wang")
        self.repo = GitConfigRepo(
            self.remote.url, "main", directory / "controller", GitOptions(allowed_signers=self.signers)
        )
        self.repo.fetch()

    def allow(self, *names: str) -> None:
        lines = [f"{name}@example {self.signers.with_name(name + '.pub').read_text()}" for name in names]
        self.signers.write_text("".join(lines))

    def tag(self, name: str, *, by: str = "", message: str = "please") -> str:
        signing = ["-c", "gpg.format=ssh", "-c", f"user.signingkey={self.signers.with_name(by)}"] if by else []
        git(self.clone, *signing, "tag", "-f", "-s" if by else "-a", "-m", message, name)
        return self.push(name)

    def push(self, name: str, ref: str = "") -> str:
        git(self.clone, "push", "--quiet", "--force", "origin", f"refs/tags/{name}:refs/tags/{ref or name}")
        return git(self.clone, "rev-parse", f"refs/tags/{name}")

    def push_malformed(self, name: str, *, seconds: str = "1700000000", message: bytes = b"x\n") -> None:
        """Push a malformed tag that git itself would not write."""
        head = f"object {self.remote.head()}\ntype commit\ntag {name}\ntagger Eve <eve@example> {seconds} +0000\n\n"
        directory, raw = self.remote.directory, head.encode() + message
        made = git(directory, "hash-object", "--literally", "-t", "tag", "-w", "--stdin", stdin=raw)
        git(directory, "update-ref", f"refs/tags/{name}", made)

    def read_tags(self) -> dict[str, SignedTag]:
        return {tag.name: tag for tag in self.repo.tags(["promote/", "approve/"])}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.repo.close()


def test_tags_that_are_annotated_are_read_with_all_fields(place: Place) -> None:
    made = place.tag("promote/prod/friday", message="out with it\n\nServices: order")
    place.tag("v1.0")
    (found,) = place.read_tags().values()
    assert (found.name, found.name_inside, found.id) == ("promote/prod/friday", "promote/prod/friday", made)
    assert found.commit == place.remote.head()
    assert found.message == "out with it\n\nServices: order\n"
    assert (found.signer, found.tagger) == (None, "A Person")
    assert found.tagged_at is not None


def test_tag_signatures_are_verified_by_the_allowed_signers(place: Place) -> None:
    for who in ("li", "eve"):
        place.tag(f"approve/prod/friday/{who}", by=who)
    seen = place.read_tags()
    assert seen["approve/prod/friday/li"].signer == "li@example"
    assert seen["approve/prod/friday/li"].message == "please\n"
    assert seen["approve/prod/friday/eve"].signer is None
    place.allow("eve")
    seen = place.read_tags()
    assert seen["approve/prod/friday/li"].signer is None
    assert seen["approve/prod/friday/eve"].signer == "eve@example"


def test_tag_that_was_tampered_with_has_no_signer(place: Place) -> None:
    place.tag("promote/prod/friday", by="li")
    raw = git(place.clone, "cat-file", "tag", "promote/prod/friday").replace("please", "now, please") + "\n"
    forged = git(place.clone, "hash-object", "-t", "tag", "-w", "--stdin", stdin=raw.encode())
    git(place.clone, "update-ref", "refs/tags/promote/prod/friday", forged)
    place.push("promote/prod/friday")
    assert place.read_tags()["promote/prod/friday"].signer is None


@pytest.mark.parametrize("seconds", ["253402300800", "99999999999999999999", "-1"])
def test_tag_with_an_impossible_date_hides_no_other_tag(place: Place, seconds: str) -> None:
    place.tag("promote/prod/friday")
    place.push_malformed("promote/prod/far", seconds=seconds)
    seen = place.read_tags()
    assert seen["promote/prod/friday"].tagged_at is not None
    assert seen["promote/prod/far"].tagged_at is None


def test_tag_with_a_zero_byte_hides_no_other_tag(place: Place) -> None:
    place.tag("promote/prod/friday")
    place.push_malformed("promote/prod/odd", message=b"a\0\1b\0\1c\n")
    assert "promote/prod/friday" in place.read_tags()


def test_tag_pushed_under_another_name_has_its_signed_name_inside(place: Place) -> None:
    place.tag("promote/test/friday", by="li")
    place.push("promote/test/friday", "promote/prod/friday")
    found = place.read_tags()["promote/prod/friday"]
    assert (found.signer, found.name_inside) == ("li@example", "promote/test/friday")


def test_tags_that_are_moved_deleted_or_lightweight_are_seen(place: Place) -> None:
    first = place.tag("promote/prod/friday", message="one")
    assert place.read_tags()["promote/prod/friday"].id == first
    second = place.tag("promote/prod/friday", message="two")
    assert place.read_tags()["promote/prod/friday"].id == second != first
    git(place.clone, "push", "--quiet", "origin", ":refs/tags/promote/prod/friday")
    git(place.clone, "tag", "promote/prod/light")
    place.push("promote/prod/light")
    (light,) = place.read_tags().values()
    assert not light.is_annotated


def test_commits_that_are_written_locally_can_be_published_later(place: Place) -> None:
    head = place.remote.head()
    first = place.repo.write(head, [NewCommit({"a": b"1"}, "one\n", START)])
    second = place.repo.write(first, [NewCommit({"b": first.encode()}, "two\n", START)])
    assert place.remote.head() == head
    assert place.repo.read(place.repo.tree(second)["b"].id) == first.encode()
    assert place.repo.publish(head, second) == second == place.remote.head()
    assert place.remote.subjects() == ["two", "one", "the first commit"]
