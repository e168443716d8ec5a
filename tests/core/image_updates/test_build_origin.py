"""Labels and pushes as the rule reads them: untrusted text, of which it believes little and links nothing."""

from datetime import UTC, datetime

import pytest

from gitops.core.config_repo import pipeline
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.errors import Rejected
from gitops.core.image_updates import build_origin as origin
from gitops.core.image_updates.build_origin import BuildOrigin, SourcePush

SHA = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40
NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
SOURCE = "https://git.example/team/print-service"


def labels(**named: str) -> dict[str, str]:
    return {f"org.opencontainers.image.{key}": text for key, text in named.items()}


def test_labels_tell_where_an_image_comes_from() -> None:
    said = labels(revision=SHA, source=f"{SOURCE}.git", version="1.4.2", created="2026-11-23T08:00:00Z")
    assert origin.origin(said | {"maintainer": "Li"}) == BuildOrigin(SHA, f"{SOURCE}.git", "1.4.2", NOW)
    assert origin.origin({}) == BuildOrigin()


@pytest.mark.parametrize(
    ("revision", "read"),
    [
        (SHA, SHA),
        (SHA.upper(), SHA),
        ("a" * 64, "a" * 64),
        (SHA[:12], ""),
        (f"{SHA}0", ""),
        (f"{SHA}\n{SHA}", ""),
        ("main", ""),
        ("<script>alert(1)</script>", ""),
        ("../../../admin", ""),
    ],
)
def test_only_a_whole_commit_id_is_a_revision(revision: str, read: str) -> None:
    assert origin.origin(labels(revision=revision)).revision == read


@pytest.mark.parametrize(
    "source",
    [
        "javascript:alert(1)",
        "ftp://git.example/team/app",
        "git@git.example:team/app",
        "file:///etc/passwd",
        "/etc/passwd",
        "https://git.example@evil.example/team/app",
        "https://user:token@git.example/team/app",
        "https://git.example/../admin",
        "https://git.exаmple/team/app",
        "https://git.example/te am",
        'https://git.example/"onmouseover="x',
        f"https://git.example/{'a' * 300}",
        "https://git.example/team\x00/app",
    ],
)
def test_no_other_address_is_a_source(source: str) -> None:
    assert origin.origin(labels(source=source)).source == ""


def test_other_labels_are_one_short_line() -> None:
    found = origin.origin(labels(version=f"1.0\n\nLockstep-Cause: [skip ci]\x1b[31m{'x' * 500}", created="yesterday"))
    assert found.version.startswith("1.0 Lockstep-Cause: (skip ci)")
    assert (len(found.version), found.created) == (100, None)
    assert "\n" not in found.version


@pytest.mark.parametrize(
    ("source", "declared", "address"),
    [
        ("", [SOURCE], f"{SOURCE}/commit/{SHA}"),
        (SOURCE, [f"{SOURCE}.git"], f"{SOURCE}/commit/{SHA}"),
        (f"{SOURCE}.git/", [SOURCE], f"{SOURCE}/commit/{SHA}"),
        ("http://GIT.example/team/print-service", [f"{SOURCE}/"], f"{SOURCE}/commit/{SHA}"),
        ("", ["https://bitbucket.org/team/app.git"], f"https://bitbucket.org/team/app/commits/{SHA}"),
        (SOURCE, ["https://git.example/team/other", SOURCE], f"{SOURCE}/commit/{SHA}"),
        ("", ["https://git.example/team/other", SOURCE], ""),
        ("https://evil.example/team/print-service", [SOURCE], ""),
        (f"{SOURCE}-evil", [SOURCE], ""),
        (SOURCE, [], ""),
        ("", ["git@git.example:team/print-service"], ""),
    ],
)
def test_a_link_leads_to_a_declared_repository_or_nowhere(source: str, declared: list[str], address: str) -> None:
    assert origin.commit_address(SHA, source, declared) == address


@pytest.mark.parametrize("revision", ["", SHA[:12], "x" * 40, f"{SHA}/../.."])
def test_nothing_but_a_whole_commit_id_is_linked_to(revision: str) -> None:
    assert origin.commit_address(revision, "", [SOURCE]) == ""


def declared(*sources: str) -> Pipeline:
    services = "".join(
        f'  s{number}: {{image: r.example/s{number}, tags: {{semver: ">=1"}}, source: {source}}}\n'
        for number, source in enumerate(sources)
    )
    return pipeline.parse(f"services:\n{services}environments:\n  dev: {{namespace: dev}}\n".encode())


def test_a_service_names_one_source_or_several() -> None:
    found = declared(SOURCE, f"[{SOURCE}, 'git@git.example:team/lib.git']")
    assert found.services["s0"].sources == (SOURCE,)
    assert origin.built_from(["https://x@git.example:443/team/print-service.git"], found) == ("s0", "s1")
    assert origin.built_from(["ssh://git@git.example/team/lib", "https://else.example/x"], found) == ("s1",)
    assert origin.built_from(["https://git.example/team/print-service-evil", "not a url", ""], found) == ()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("not a url", "must be the URL of a git repository, such as https://git.example/team/app"),
        ("/srv/git/app", "must be the URL of a git repository"),
        ("file:///srv/git/app", "must be the URL of a git repository"),
        ("https://li:hunter2@git.example/team/app", "must be without user and password"),
        ("[]", "at least 1 item"),
        ("{repo: x}", "must be a text or a list of texts"),
    ],
)
def test_a_source_that_is_none_is_refused(source: str, message: str) -> None:
    with pytest.raises(Rejected) as found:
        declared(source)
    assert found.value.reason == "InvalidPipeline"
    assert "services.s0.source" in str(found.value)
    assert message in str(found.value)
    assert "hunter2" not in str(found.value)


def push(revision: str, ref: str = "refs/heads/main") -> SourcePush:
    return SourcePush(revision, ref, NOW)


def test_a_push_waits_until_there_is_an_image_of_it_or_of_a_later_one() -> None:
    pushes = [push("d" * 40), push("c" * 40), push("b" * 40), push("a" * 40, "refs/heads/fix")]
    assert origin.without_image(pushes, {"c" * 40}) == (pushes[0], pushes[3])
    assert origin.without_image(pushes, set()) == tuple(pushes)
    assert origin.without_image(pushes, {""}) == tuple(pushes)


def test_a_trailer_names_the_revision_of_each_service_and_reads_back() -> None:
    assert origin.text({"print": SHA, "order": OTHER, "api": ""}) == f"order={OTHER} print={SHA}"
    assert origin.parse(f"order={OTHER} print={SHA} x=main ../y={SHA}") == {"order": OTHER, "print": SHA}
    assert len(origin.parse(origin.text({f"s{number}": SHA for number in range(60)}))) == 50
