"""ApplySet parents: only this controller writes them, one writer at a time."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from kubernetes import client

from gitops.adapters.kubernetes.applysets import KubernetesApplySets
from gitops.adapters.kubernetes.state_namespace import NAMESPACE
from gitops.core.errors import Conflict, Rejected
from gitops.core.objects import Key
from gitops.core.ownership.applyset import Member, Parent, applyset_id, parent_name
from gitops.core.revision import Revision
from tests.worlds.clocks import now
from tests.worlds.control_plane import SharedControlPlane
from tests.worlds.kubernetes import KubernetesWorld

REPO = "https://git.example/shop.git"


@pytest.fixture
def parents(kubernetes_world: KubernetesWorld) -> KubernetesApplySets:
    return KubernetesApplySets(kubernetes_world.api, repo=REPO)


@pytest.fixture
def overlay(control_plane: SharedControlPlane) -> str:
    """Return an overlay name that only this test uses."""
    return control_plane.namespace("parents") + "/order"


def member(name: str, namespace: str = "shop-dev") -> Member:
    key = Key("apps", "Deployment", namespace, name)
    return Member(key, "v1", "8f4ad3f5-3c1c-4c39-a56e-1c8a6ef0a8d4", "m" * 64, "f" * 32, 3)


def parent(overlay: str, *members: Member) -> Parent:
    return Parent(
        overlay,
        REPO,
        members={each.key: each for each in members},
        applied=Revision("a" * 40, "b" * 40),
        pass_revision=Revision("c" * 40, "c" * 40),
    )


def raw(kubernetes_world: KubernetesWorld, overlay: str) -> client.V1ConfigMap:
    return client.CoreV1Api(kubernetes_world.console).read_namespaced_config_map(parent_name(overlay), NAMESPACE)


def test_applyset_is_read_back_as_written(parents: KubernetesApplySets, overlay: str) -> None:
    assert parents.read(overlay) is None
    written = parents.write(parent(overlay, member("order")))
    assert parents.read(overlay) == written
    again = parents.write(replace(written, members={}, applied=None))
    assert parents.read(overlay) == again != written


def test_applyset_parent_has_the_labels_and_annotations_of_the_specification(
    kubernetes_world: KubernetesWorld, parents: KubernetesApplySets, overlay: str
) -> None:
    cluster_scoped = Member(Key("", "PersistentVolume", "", "files"), "v1")
    parents.write(parent(overlay, member("order"), member("gateway", "shop-edge"), cluster_scoped))
    metadata = raw(kubernetes_world, overlay).metadata
    assert metadata.labels["applyset.kubernetes.io/id"] == applyset_id(parent_name(overlay), NAMESPACE)
    assert metadata.annotations == {
        "applyset.kubernetes.io/tooling": "lockstep/v1",
        "applyset.kubernetes.io/contains-group-kinds": "Deployment.apps,PersistentVolume",
        "applyset.kubernetes.io/additional-namespaces": "shop-dev,shop-edge",
        "lockstep.gitops/config-repo": REPO,
    }


def test_applyset_namespace_is_created_with_restricted_pod_security(
    kubernetes_world: KubernetesWorld, parents: KubernetesApplySets, overlay: str
) -> None:
    parents.write(parent(overlay))
    labels = client.CoreV1Api(kubernetes_world.console).read_namespace(NAMESPACE).metadata.labels
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_applyset_write_of_the_slower_writer_is_a_conflict(parents: KubernetesApplySets, overlay: str) -> None:
    base = parents.write(parent(overlay))
    winner = parents.write(replace(base, members={member("order").key: member("order")}))
    with pytest.raises(Conflict):
        parents.write(replace(base, members={member("gateway").key: member("gateway")}))
    with pytest.raises(Conflict):
        parents.write(parent(overlay))
    assert parents.read(overlay) == winner


def test_applyset_write_to_a_deleted_parent_is_a_conflict(
    kubernetes_world: KubernetesWorld, parents: KubernetesApplySets, overlay: str
) -> None:
    base = parents.write(parent(overlay))
    client.CoreV1Api(kubernetes_world.console).delete_namespaced_config_map(parent_name(overlay), NAMESPACE)
    with pytest.raises(Conflict):
        parents.write(base)


@pytest.mark.parametrize(
    "annotation",
    [
        {"lockstep.gitops/config-repo": "https://git.example/other.git"},
        {"applyset.kubernetes.io/tooling": "kubectl/v1.32"},
    ],
)
def test_applyset_parent_of_another_tool_is_refused_and_unchanged(
    kubernetes_world: KubernetesWorld, parents: KubernetesApplySets, overlay: str, annotation: dict[str, str]
) -> None:
    parents.write(parent(overlay, member("order")))
    client.CoreV1Api(kubernetes_world.console).patch_namespaced_config_map(
        parent_name(overlay), NAMESPACE, {"metadata": {"annotations": annotation}}
    )
    before = raw(kubernetes_world, overlay)
    with pytest.raises(Rejected, match=next(iter(annotation.values()))) as caught:
        parents.write(parent(overlay))
    assert caught.value.reason == "ForeignParent"
    with pytest.raises(Rejected):
        parents.read(overlay)
    assert overlay not in parents.read_all()
    assert raw(kubernetes_world, overlay) == before


def test_applyset_parent_that_is_damaged_is_named_and_hides_no_other(
    kubernetes_world: KubernetesWorld, parents: KubernetesApplySets, overlay: str
) -> None:
    sound = parents.write(parent(overlay.partition("/")[0]))
    parents.write(parent(overlay))
    client.CoreV1Api(kubernetes_world.console).patch_namespaced_config_map(
        parent_name(overlay), NAMESPACE, {"data": {"members": "[{"}}
    )
    with pytest.raises(Rejected, match=parent_name(overlay)) as caught:
        parents.read(overlay)
    assert caught.value.reason == "DamagedParent"
    everything = parents.read_all()
    assert everything[sound.overlay] == sound
    assert overlay not in everything


def test_applyset_of_500_members_fits_into_a_config_map(
    kubernetes_world: KubernetesWorld, parents: KubernetesApplySets, overlay: str
) -> None:
    written = parents.write(parent(overlay, *(member(f"a-service-with-a-long-name-{n:03}") for n in range(500))))
    assert len(raw(kubernetes_world, overlay).data["members"]) < 64 * 1024
    assert parents.read(overlay) == written


def test_reconcile_request_is_read_and_makes_older_writes_a_conflict(
    parents: KubernetesApplySets, overlay: str
) -> None:
    base = parents.write(parent(overlay))
    at = now()
    parents.request(overlay, at)
    read = parents.read(overlay)
    assert read is not None
    assert read.requested_at == at.isoformat()
    with pytest.raises(Conflict):
        parents.write(base)
    assert parents.write(read).requested_at == at.isoformat()


def test_reconcile_request_for_an_unknown_overlay_is_refused(parents: KubernetesApplySets, overlay: str) -> None:
    with pytest.raises(Rejected, match=overlay) as caught:
        parents.request(overlay, now())
    assert caught.value.reason == "NotFound"


@pytest.mark.parametrize("name", ["x?fieldManager=y", "x#y", "../../secrets/x", "x%2fy"])
def test_reconcile_request_name_is_never_a_path_or_a_query(parents: KubernetesApplySets, name: str) -> None:
    with pytest.raises(Rejected) as caught:
        parents.request(name, now())
    assert caught.value.reason in {"NotFound", "BadRequest"}  # BadRequest: the name is not valid for any object


def test_applyset_parent_is_refused_by_kubectl_prune(
    control_plane: SharedControlPlane,
    kubernetes_world: KubernetesWorld,
    parents: KubernetesApplySets,
    overlay: str,
    tmp_path: Path,
) -> None:
    """The specification forbids kubectl to touch another tooling. kubectl itself is run if it is installed."""
    namespace = overlay.partition("/")[0]
    name = parent_name(overlay)
    part_of = applyset_id(name, NAMESPACE)
    labelled = {"metadata": {"name": "member", "labels": {"applyset.kubernetes.io/part-of": part_of}}}
    core = client.CoreV1Api(kubernetes_world.console)
    core.create_namespaced_config_map(namespace, labelled)
    parents.write(parent(overlay, Member(Key("", "ConfigMap", namespace, "member"), "v1")))
    kubectl = shutil.which("kubectl")
    if kubectl is not None:
        done = subprocess.run(
            [kubectl, "apply", "--prune", f"--applyset=configmap/{name}", "--namespace", NAMESPACE, "-f", "-"],
            input='{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}}',
            env={"KUBECONFIG": str(control_plane.kubeconfig), "KUBECTL_APPLYSET": "true", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode != 0
        assert "managed by tooling" in done.stderr
    assert (
        not raw(kubernetes_world, overlay).metadata.annotations["applyset.kubernetes.io/tooling"].startswith("kubectl")
    )
    assert core.read_namespaced_config_map("member", namespace).metadata.labels == labelled["metadata"]["labels"]
