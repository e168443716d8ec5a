"""Desired objects: the text that kustomize prints -> checked manifests."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gitops.core.config_repo.layout import Overlay
from gitops.core.errors import Place, Rejected
from gitops.core.objects import Body, Key, key
from gitops.core.ownership.applyset import PART_OF_LABEL
from gitops.core.parsing import yaml_reader
from gitops.core.parsing.yaml_reader import YamlLimits

IsNamespaced = Callable[[tuple[str, str]], bool]
"""(apiVersion, kind) -> scope, as ports.Cluster has it."""

_LIMITS = YamlLimits(size=32 << 20, documents=10_000, nodes=2_000_000)
_SERVER_FIELDS = ("uid", "resourceVersion", "managedFields")
_PRUNE_ANNOTATIONS = ("lockstep.gitops/prune", "kustomize.toolkit.fluxcd.io/prune")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One desired object. `hash` is a hash of the canonical JSON of `body`; `body` is never changed in place."""

    key: Key
    body: Body
    hash: str

    @property
    def version(self) -> str:
        """`v1` of `apps/v1`."""
        return str(self.body["apiVersion"]).rpartition("/")[2]


def parse(
    text: bytes, overlay: Overlay, is_namespaced: IsNamespaced, *, secret_key: bytes = b""
) -> tuple[Manifest, ...]:
    """Rendered text -> manifests, in the order of the text. Lists are taken apart; namespaced objects that name no
    namespace get the overlay's, cluster-scoped ones lose theirs.

    Raises: Rejected(InvalidManifest, DuplicateObject, EmptyRender, InvalidYaml, LimitExceeded) with the line of the
    render, and what `is_namespaced` raises, except for kinds that a CustomResourceDefinition of the same render brings.
    """
    file = f"{overlay.path} (rendered)"
    found = [
        (_checked(body, place), place)
        for document in yaml_reader.documents(text, file, _LIMITS)
        for body, place in _objects(document.value, document.place())
    ]
    if not found:
        message = "renders to no object at all; to remove everything, remove the overlay"
        raise Rejected("EmptyRender", message, place=Place(overlay.file))
    scope = _Scope(overlay, is_namespaced, _declared_kinds(body for body, _ in found))
    manifests: dict[Key, Manifest] = {}
    for body, place in found:
        manifest = _manifest(_with_encoded_strings(scope.placed(body), place), secret_key)
        if manifest.key in manifests:
            raise Rejected("DuplicateObject", f"{manifest.key} is rendered twice", place=place)
        manifests[manifest.key] = manifest
    return tuple(manifests.values())


def body_hash(body: Body, secret_key: bytes = b"") -> str:
    """SHA-256 of the canonical JSON; for Secrets an HMAC with the installation's key, so that nobody who reads the hash
    can try values.
    """
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    if body["kind"] == "Secret" and "/" not in str(body["apiVersion"]):
        return hmac.new(secret_key, canonical, hashlib.sha256).hexdigest()
    return hashlib.sha256(canonical).hexdigest()


def with_part_of(manifest: Manifest, part_of: str, *, secret_key: bytes = b"") -> Manifest:
    """The manifest as a member of an ApplySet (KEP-3659)."""
    metadata = manifest.body["metadata"]
    labels = {**(metadata.get("labels") or {}), PART_OF_LABEL: part_of}
    return _manifest({**manifest.body, "metadata": {**metadata, "labels": labels}}, secret_key)


def with_replicas(manifest: Manifest, replicas: int) -> Manifest:
    """The same manifest with another count. Its hash stays: it says what git wants."""
    spec = {**(manifest.body.get("spec") or {}), "replicas": replicas}
    return replace(manifest, body={**manifest.body, "spec": spec})


def without_owned_replicas(manifests: Collection[Manifest]) -> tuple[tuple[Manifest, ...], frozenset[Key]]:
    """Leaves spec.replicas out of workloads that an autoscaler of the same render scales: that field is its own.

    Returns the manifests and the keys of the workloads that are scaled so, with or without replicas of their own.
    """
    targets = {target for manifest in manifests if (target := _scaled(manifest)) is not None}
    scaled = frozenset(manifest.key for manifest in manifests if manifest.key in targets)
    kept = tuple(_without_replicas(manifest) if manifest.key in scaled else manifest for manifest in manifests)
    return kept, scaled


def is_prune_disabled(body: Body) -> bool:
    """True when an annotation asks to keep the object though git no longer has it: ours, Flux's or Argo CD's."""
    annotations = body["metadata"].get("annotations") or {}
    if any(str(annotations.get(name)).lower() == "disabled" for name in _PRUNE_ANNOTATIONS):
        return True
    options = str(annotations.get("argocd.argoproj.io/sync-options") or "").split(",")
    return "Prune=false" in (option.strip() for option in options)


def _manifest(body: Body, secret_key: bytes) -> Manifest:
    return Manifest(key(body), body, body_hash(body, secret_key))


def _objects(value: Any, place: Place, depth: int = 0) -> Iterator[tuple[Any, Place]]:
    items = value.get("items") if isinstance(value, dict) else None
    if not isinstance(items, list) or not str(value.get("kind")).endswith("List"):
        yield value, place
    elif depth > 3:
        raise Rejected("InvalidManifest", "Lists are nested too deep", place=place)
    else:
        for item in items:
            yield from _objects(item, place, depth + 1)


def _checked(body: Any, place: Place) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise Rejected("InvalidManifest", "is not an object, but a list or a plain value", place=place)
    metadata = body.get("metadata") or {}
    missing = [name for name in ("apiVersion", "kind") if not isinstance(body.get(name), str) or not body[name]]
    if missing or not isinstance(metadata, dict):
        raise Rejected("InvalidManifest", f"{_title(body)} has no {missing[0] if missing else 'metadata'}", place=place)
    if "generateName" in metadata:
        message = f"{_title(body)} has generateName: every pass would create another one; give it a name"
        raise Rejected("InvalidManifest", message, place=place)
    if not isinstance(metadata.get("name"), str) or not metadata["name"]:
        raise Rejected("InvalidManifest", f"{_title(body)} has no metadata.name", place=place)
    if metadata["name"] in {".", ".."} or set(metadata["name"]) & set("/%"):
        raise Rejected("InvalidManifest", f"{_title(body)}: that is no name, but a path in a URL", place=place)
    maps = all(isinstance(metadata.get(name) or {}, dict) for name in ("labels", "annotations"))
    if not maps or not isinstance(metadata.get("namespace") or "", str):
        message = f"{_title(body)}: metadata.labels and annotations must be mappings and metadata.namespace text"
        raise Rejected("InvalidManifest", message, place=place)
    _require_no_server_fields(body, metadata, place)
    return body


def _require_no_server_fields(body: Body, metadata: Mapping[str, Any], place: Place) -> None:
    written = [name for name in _SERVER_FIELDS if name in metadata]
    if written:
        message = f"{_title(body)} has metadata.{written[0]}, which only the API server writes; remove it from git"
        raise Rejected("InvalidManifest", message, place=place)


def _with_encoded_strings(body: Body, place: Place) -> Body:
    """A Secret's stringData as data, as the API server stores it. Owned as stringData, a change of the stored data
    would be nobody's loss, so drift could not be seen.
    """
    if body["kind"] != "Secret" or "/" in str(body["apiVersion"]) or not body.get("stringData"):
        return body
    strings = body["stringData"]
    if not isinstance(strings, dict) or not all(isinstance(value, str) for value in strings.values()):
        raise Rejected("InvalidManifest", f"{_title(body)}: stringData must map names to text", place=place)
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in strings.items()}
    rest = {name: value for name, value in body.items() if name != "stringData"}
    return {**rest, "data": {**(body.get("data") or {}), **encoded}}


def _title(body: Body) -> str:
    metadata = body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f"{str(body.get('kind') or 'an object')[:80]} {str(name or '(without a name)')[:253]}"


def _declared_kinds(bodies: Iterator[Body]) -> Mapping[tuple[str, str], bool]:
    """(group, kind) -> namespaced, of the render's own CustomResourceDefinitions: the cluster may not have them yet."""
    found = {}
    for body in bodies:
        spec = body.get("spec")
        names = spec.get("names") if isinstance(spec, dict) else None
        if body["kind"] == "CustomResourceDefinition" and isinstance(spec, dict) and isinstance(names, dict):
            found[str(spec.get("group")), str(names.get("kind"))] = spec.get("scope") == "Namespaced"
    return found


@dataclass(frozen=True, slots=True)
class _Scope:
    overlay: Overlay
    is_namespaced: IsNamespaced
    declared: Mapping[tuple[str, str], bool]

    def placed(self, body: dict[str, Any]) -> Body:
        """The body in the namespace that it belongs to."""
        metadata = body["metadata"]
        if self._namespaced(body):
            namespace = metadata.get("namespace") or self.overlay.namespace
            if not namespace:
                message = f"{_title(body)} needs a namespace: {self.overlay.name} has none of its own"
                raise Rejected("InvalidManifest", message, place=Place(self.overlay.file))
            return {**body, "metadata": {**metadata, "namespace": namespace}}
        if "namespace" in metadata:
            return {**body, "metadata": {name: value for name, value in metadata.items() if name != "namespace"}}
        return body

    def _namespaced(self, body: Body) -> bool:
        """A render may say of its own kinds that they are cluster-scoped, never that one of the cluster's is not: that
        would take it past what an overlay may hold.
        """
        group, _, _ = str(body["apiVersion"]).rpartition("/")
        declared = self.declared.get((group, body["kind"]))
        if declared is False:
            return False
        try:
            return self.is_namespaced((body["apiVersion"], body["kind"]))
        except Rejected as error:
            if declared and error.reason == "NoMatches":
                return True
            raise Rejected(error.reason, f"{_title(body)}: {error.message}", place=Place(self.overlay.file)) from error


def _scaled(manifest: Manifest) -> Key | None:
    """The workload whose replicas this object owns: a HorizontalPodAutoscaler's or a KEDA ScaledObject's target.

    https://keda.sh/docs/latest/reference/scaledobject-spec/ for the defaults of the latter.
    """
    autoscaler = (manifest.key.group, manifest.key.kind)
    if autoscaler not in {("autoscaling", "HorizontalPodAutoscaler"), ("keda.sh", "ScaledObject")}:
        return None
    spec = manifest.body.get("spec")
    target = spec.get("scaleTargetRef") if isinstance(spec, dict) else None
    if not isinstance(target, dict):
        return None
    group, _, _ = str(target.get("apiVersion") or "apps/v1").rpartition("/")
    return Key(group, str(target.get("kind") or "Deployment"), manifest.key.namespace, str(target.get("name")))


def _without_replicas(manifest: Manifest) -> Manifest:
    spec = manifest.body.get("spec")
    if not isinstance(spec, dict) or "replicas" not in spec:
        return manifest
    kept = {name: value for name, value in spec.items() if name != "replicas"}
    return _manifest({**manifest.body, "spec": kept}, b"")
