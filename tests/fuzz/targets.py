"""Fuzz targets: each takes any bytes and returns unless there is a defect.

A target may refuse an input, but only by a declared error. An accepted input must have the properties that the target
asserts.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from gitops.adapters.git import damage as git_damage
from gitops.adapters.git import push as git_push
from gitops.adapters.git.process import GitResult
from gitops.adapters.git.remote import GitAccess, GitRemote
from gitops.adapters.registry import oci as oci_registry
from gitops.config import model as config
from gitops.core.config_repo import layout, pipeline, release
from gitops.core.config_repo.layout import Overlay
from gitops.core.contract import cross_environment as across
from gitops.core.contract import survey
from gitops.core.contract.variations import rule_book as book
from gitops.core.errors import Rejected
from gitops.core.image_updates import changes
from gitops.core.image_updates.changes import Change, ChangeTarget
from gitops.core.images import reference as images
from gitops.core.images.reference import Image
from gitops.core.kustomize import build_errors, file_references, guard, image_edit
from gitops.core.kustomize.file_references import FileReference
from gitops.core.manifests import cluster_scoped, container_images, scope
from gitops.core.manifests import manifest as manifests
from gitops.core.parsing import yaml_reader
from gitops.core.parsing.yaml_reader import YamlLimits
from gitops.core.promotion import requests
from gitops.core.promotion.requests import SignedTag
from gitops.core.sync import apply_order, diff, masking
from tests.webhooks import samples
from tests.webhooks.test_mutations import post, world_of
from tests.worlds.trees import Trees

T = TypeVar("T")
DEV = Overlay("dev", "dev", "environments/dev", "shop-dev")
FILE = f"{DEV.path}/kustomization.yaml"
IMAGE = Image("registry.example/shop/app", "1.5.0", "sha256:" + "a" * 64)
WHEN = datetime(2026, 11, 26, tzinfo=UTC)
TRAILERS = 6
_LONGEST = 10_000
RULES = book.compile_rule_book(
    pipeline.parse(
        b"""services: {app: {image: registry.example/shop/app, tags: {semver: ">=1"}}}
environments: {dev: {namespace: shop-dev}, prod: {namespace: shop-prod, after: dev}}
variations:
- {objects: [{kind: ConfigMap, name: '*'}], field: /data/a, format: yaml, distinct: [name], required: [base]}
- {field: /spec/template/spec/containers/*/env/**}
- {preset: standard}
"""
    )
)
_SEVERAL = YamlLimits(size=8 << 20, documents=10_000, nodes=2_000_000)


def try_read(read: Callable[[], T]) -> T | None:
    """Call `read`. Returns None if it refuses the input."""
    try:
        return read()
    except Rejected:
        return None


def text(data: bytes) -> str:
    return data.decode(errors="replace")


def walk(data: bytes) -> None:
    """Walk with the guard: accepted files name plain paths and read the same after they are written for kustomize."""
    parts = [*data.split(b"\0"), b"", b""]
    trees = Trees()
    tree = trees.tree({f"{DEV.path}/a": "a: 1", "base/a": "a: 1"})
    given = {FILE: parts[0], f"{DEV.path}/g": parts[1], "base/kustomization.yaml": parts[2]}
    for path, content in given.items():
        tree |= trees.tree({path: text(content)})
    found = try_read(lambda: guard.closure(tree, trees.read, DEV.path))
    if found is None:
        return
    source = guard.source(found, trees.read)
    for path, use in found.rewritten.items():
        is_plugin = use is file_references.ReferenceUse.PLUGIN
        before = references(trees.read(tree[path].id), path, is_plugin=is_plugin)
        after = references(source.files[path], path, is_plugin=is_plugin)
        assert [(each.text, each.use) for each in after] == [(each.text, each.use) for each in before]
        assert not [each.text for each in after if set(each.text) & set(":@?%~\\\n")]


def references(data: bytes, path: str, *, is_plugin: bool) -> tuple[FileReference, ...]:
    if is_plugin:
        return file_references.plugin_references(file_references.plugin_documents(data, path, _SEVERAL))
    return file_references.references(yaml_reader.document(data, path))


def edit(data: bytes) -> None:
    """Edit an overlay: only one image differs afterwards, and a second edit changes nothing."""
    edited = try_read(lambda: image_edit.set_image(data, IMAGE, FILE))
    if edited is None:
        return
    before, after = values(data), values(edited)
    entries, expected = after.pop("images"), before.pop("images", None) or []
    assert after == before
    assert len([entry for entry in entries if entry not in expected]) <= 1
    assert len(entries) - len(expected) in {0, 1}
    assert image_edit.set_image(edited, IMAGE, FILE) == edited
    declared = try_read(lambda: image_edit.images(edited, FILE))  # None: another entry was wrong before, and still is
    assert declared is None or IMAGE in declared


def values(data: bytes) -> dict[str, Any]:
    return dict(yaml_reader.document(data, FILE).value)


def read_pipeline(data: bytes) -> None:
    found = try_read(lambda: pipeline.parse(data))
    if found is not None:
        paths = [f"environments/{name}/kustomization.yaml" for name in found.environments]
        assert {each.environment for each in layout.overlays(found, paths)} <= {*found.environments, "platform"}
        scope.of(DEV, found)


def read_release(data: bytes) -> None:
    """Parse a release: its text parses to an equal release."""
    found = try_read(lambda: release.parse_release(data, "release.yaml"))
    if found is not None:
        assert release.parse_release(release.release_text(found), "release.yaml") == found


def read_hold(data: bytes) -> None:
    found = try_read(lambda: release.parse_hold(data, "hold.yaml"))
    if found is not None:
        assert release.parse_hold(release.hold_text(found), "hold.yaml") == found
        found.is_in_force(WHEN)


def read_configuration(data: bytes, directory: Path) -> None:
    file = directory / "lockstep.yaml"
    file.write_bytes(data)
    with suppress(Rejected):
        config.load(file, {})


def read_render(data: bytes) -> None:
    """Parse the output of kustomize: each object in scope is in the overlay's own namespace."""
    with suppress(Rejected):
        found = manifests.parse(data, DEV, cluster_scoped.is_namespaced, secret_key=b"key")
        outside = {each.manifest.key for each in scope.violations(found, scope.of(DEV, None))}
        for manifest in found:
            assert manifest.key in outside or manifest.key.namespace == DEV.namespace
            assert manifests.with_part_of(manifest, "set").key == manifest.key
            assert diff.changes(manifest.body, manifest.body) == ()
            assert diff.declared_changes(manifest.body, manifest.body) == ()
            diff.changes(None, manifest.body)
            manifests.is_prune_disabled(manifest.body)
            apply_order.wave(manifest.body)
        container_images.images(found)
        manifests.without_owned_replicas(found)


def survey_renders(data: bytes) -> None:
    """Survey two renders for the contract: any two objects give a verdict."""
    own, _, reference = data.partition(b"\0")
    found = [try_read(lambda each=each: parse_manifests(each)) for each in (own, reference or own)]  # type: ignore[misc]
    bodies = [[manifest.body for manifest in each or ()] for each in found]
    surveyed = survey.survey(survey.SurveyInput("dev", "dev", bodies[0], "base", bodies[1]), RULES)
    across.check_all([surveyed, surveyed], RULES, None)
    for violation in surveyed.violations:
        assert str(violation)


def parse_manifests(data: bytes) -> tuple[manifests.Manifest, ...]:
    return manifests.parse(data, DEV, cluster_scoped.is_namespaced)


def read_image(data: bytes) -> None:
    found = try_read(lambda: images.parse(text(data)))
    assert found is None or str(found) == text(data)


def write_message(data: bytes) -> None:
    """Write a commit message: text from outside makes no line of its own and commands no CI system."""
    said = text(data)
    for tag in {said, IMAGE.tag}:
        change = Change(ChangeTarget("dev", "dev", "shop"), Image(IMAGE.name, tag, IMAGE.digest), IMAGE, WHEN, said)
        written = changes.commit_message(change)
        *_, trailers = written.strip("\n").split("\n\n")
        lines = trailers.splitlines()
        assert len(lines) == TRAILERS
        assert all(line.startswith("Lockstep-") for line in lines)
        assert written.count("\n") == len(written.splitlines())
        assert not set(written) & set("[]{}\r\x1b\u2028\u202e")


def read_request(data: bytes) -> None:
    """Read a promotion tag that a person pushed."""
    name, _, message = text(data).partition("\n")
    for each in (name, "promote/prod/x"):
        tag = SignedTag(each, "1" * 40, "2" * 40, is_annotated=True, name_inside=each, tagged_at=WHEN, message=message)
        found = requests.read(tag, {"shop"}, {"soak"})
        assert isinstance(found, requests.RefusedRequest) or found.services <= {"shop"}
        requests.approval(tag)


def show(data: bytes) -> None:
    """Describe the output of programs: one short line without control characters."""
    said = build_errors.describe(text(data), "/tree")
    assert len(said) < 1_000
    assert not set(said) & set("\n\r\x1b\u2028\u202e")
    masking.without_credentials(text(data))


def read_lockstep(data: bytes) -> None:
    with TemporaryDirectory() as directory:
        read_configuration(data, Path(directory))


def read_delivery(data: bytes) -> None:
    """Parse a body for every sender, under the headers of each sample: accepted or refused."""
    for sample in samples.ALL.values():
        for body in (data, splice(sample.delivery.body, data)):
            found = try_read(lambda sample=sample, body=body: sample.kind.parse(sample.delivery.headers, body))  # type: ignore[misc]
            assert found is None or found.id is None or found.id.isprintable()


def deliver(data: bytes) -> None:
    """Post a body to the webhook endpoint, signed as its sender signs, and unsigned."""
    chosen = [*samples.ALL.values()][len(data) % len(samples.ALL)]
    world = world_of(chosen)
    for body in (data, splice(chosen.delivery.body, data)):
        assert is_answer(post(world, chosen, body))
        assert is_answer(world.client.post("/hooks/it", data=body, headers=chosen.delivery.headers).status_code)


def is_answer(status: int) -> bool:
    return status // 100 in {2, 4} or status == HTTPStatus.SERVICE_UNAVAILABLE


def splice(body: bytes, data: bytes) -> bytes:
    """Replace the fields of a delivery by values of other types."""
    with suppress(ValueError, RecursionError):
        before, fields = json.loads(body), json.loads(data)
        if isinstance(before, dict) and isinstance(fields, dict):
            values = [*fields.values(), fields]
            return json.dumps({key: values[number % len(values)] for number, key in enumerate(before)}).encode()
    return data


def translate_git(data: bytes) -> None:
    """Translate output of git and its host: a verdict on a push, and one line for a message."""
    said = text(data)
    found = git_push.parse_verdict(GitResult(1, data, said))
    assert found.landed is git_push.PushOutcome.UNKNOWN or is_one_line(found.text)
    for remote in (
        GitRemote("https://h/x.git", GitAccess(), "h/x (main)"),
        GitRemote("git@h:x", GitAccess(), "h/x (main)"),
    ):
        trouble = remote.translate(said, "fetched")
        assert is_one_line(trouble.message)
        assert trouble.reason.isalpha() or trouble.reason == "Sha256Repository"
    git_damage.is_reported(said)


def is_one_line(said: str) -> bool:
    return not set(said) & set("\n\r\x1b\u2028\u202e")


def read_labels(data: bytes) -> None:
    """Read the labels of an image from its registry's answer."""
    with suppress(ValueError, RecursionError):
        assert all(len(value) <= _LONGEST for value in oci_registry.labels(json.loads(data)).values())


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "walk": walk,
    "edit": edit,
    "pipeline": read_pipeline,
    "release": read_release,
    "hold": read_hold,
    "render": read_render,
    "judge": survey_renders,
    "image": read_image,
    "message": write_message,
    "request": read_request,
    "show": show,
    "lockstep": read_lockstep,
    "delivery": read_delivery,
    "door": deliver,
    "git": translate_git,
    "labels": read_labels,
}
