"""Manifest: one object that git wants, parsed from the output of kustomize and checked."""

import base64
import hashlib
import hmac
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from gitops.core.config_repo.layout import Overlay
from gitops.core.errors import Place, Rejected
from gitops.core.objects import Body, Key, key
from gitops.core.ownership.applyset import PART_OF_LABEL
from gitops.core.parsing import yaml_reader
from gitops.core.parsing.yaml_reader import YamlLimits


class ScopeReader(Protocol):
    """Tells whether (apiVersion, kind) is namespaced. Raises: Rejected(NoMatches) for a kind that is not served."""

    def __call__(self, manifest_kind: tuple[str, str], /) -> bool: ...


_LIMITS = YamlLimits(size=32 << 20, documents=10_000, nodes=2_000_000)
_SERVER_FIELDS = ("uid", "resourceVersion", "managedFields")
_PRUNE_ANNOTATIONS = ("lockstep.gitops/prune", "kustomize.toolkit.fluxcd.io/prune")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One desired object. `hash`: hash of the canonical JSON of `body`. `body` is never changed in place."""

    key: Key
    body: Body
    hash: str

    @property
    def version(self) -> str:
        """The version of its apiVersion: `v1` of `apps/v1`."""
        return str(self.body["apiVersion"]).rpartition("/")[2]


def parse(
    text: bytes, overlay: Overlay, is_namespaced: ScopeReader, *, secret_key: bytes = b""
) -> tuple[Manifest, ...]:
    """Parses a render into manifests, in the order of the text. Expands Lists. A namespaced object without a namespace
    gets the overlay's namespace; a cluster-scoped object loses its namespace.

    Raises: Rejected(InvalidManifest, DuplicateObject, EmptyRender, InvalidYaml, LimitExceeded) with the line of the
    render. Raises what `is_namespaced` raises, except for kinds of a CustomResourceDefinition in the same render.
    """
    file = f"{overlay.path} (rendered)"
    found = [
        (_check(body, place), place)
        for document in yaml_reader.documents(text, file, _LIMITS)
        for body, place in _flatten(document.value, document.place())
    ]
    if not found:
        message = "renders to no object at all; to remove everything, remove the overlay"
        raise Rejected("EmptyRender", message, place=Place(overlay.file))
    scope = _Scope(overlay, is_namespaced, _find_declared_kinds(body for body, _ in found))
    manifests: dict[Key, Manifest] = {}
    for body, place in found:
        manifest = _manifest(_encode_strings(scope.place(body), place), secret_key)
        if manifest.key in manifests:
            raise Rejected("DuplicateObject", f"{manifest.key} is rendered twice", place=place)
        manifests[manifest.key] = manifest
    return tuple(manifests.values())


def body_hash(body: Body, secret_key: bytes = b"") -> str:
    """SHA-256 of the canonical JSON. For a Secret an HMAC with the installation's key, so that a reader of the hash
    cannot guess values.
    """
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    if body["kind"] == "Secret" and "/" not in str(body["apiVersion"]):
        return hmac.new(secret_key, canonical, hashlib.sha256).hexdigest()
    return hashlib.sha256(canonical).hexdigest()


def with_part_of(manifest: Manifest, part_of: str, *, secret_key: bytes = b"") -> Manifest:
    """The manifest with the part-of label of an ApplySet (KEP-3659)."""
    metadata = manifest.body["metadata"]
    labels = {**(metadata.get("labels") or {}), PART_OF_LABEL: part_of}
    return _manifest({**manifest.body, "metadata": {**metadata, "labels": labels}}, secret_key)


def with_replicas(manifest: Manifest, replicas: int) -> Manifest:
    """The manifest with another number of replicas. The hash stays that of the manifest in git."""
    spec = {**(manifest.body.get("spec") or {}), "replicas": replicas}
    return replace(manifest, body={**manifest.body, "spec": spec})


def without_owned_replicas(manifests: Collection[Manifest]) -> tuple[tuple[Manifest, ...], frozenset[Key]]:
    """Removes spec.replicas from workloads that an autoscaler of the same render scales, because it owns that field.

    Returns the manifests and the keys of all scaled workloads, also of those without spec.replicas.
    """
    targets = {target for manifest in manifests if (target := _scale_target(manifest)) is not None}
    scaled = frozenset(manifest.key for manifest in manifests if manifest.key in targets)
    kept = tuple(_without_replicas(manifest) if manifest.key in scaled else manifest for manifest in manifests)
    return kept, scaled


def is_prune_disabled(body: Body) -> bool:
    """True if an annotation of Lockstep, Flux or Argo CD forbids to prune the object."""
    annotations = body["metadata"].get("annotations") or {}
    if any(str(annotations.get(name)).lower() == "disabled" for name in _PRUNE_ANNOTATIONS):
        return True
    options = str(annotations.get("argocd.argoproj.io/sync-options") or "").split(",")
    return "Prune=false" in (option.strip() for option in options)


def _manifest(body: Body, secret_key: bytes) -> Manifest:
    return Manifest(key(body), body, body_hash(body, secret_key))


def _flatten(value: Any, place: Place, depth: int = 0) -> Iterator[tuple[Any, Place]]:
    items = value.get("items") if isinstance(value, dict) else None
    if not isinstance(items, list) or not str(value.get("kind")).endswith("List"):
        yield value, place
    elif depth > 3:
        raise Rejected("InvalidManifest", "Lists are nested deeper than 3 levels", place=place)
    else:
        for item in items:
            yield from _flatten(item, place, depth + 1)


def _check(body: Any, place: Place) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise Rejected("InvalidManifest", "is not an object, but a list or a scalar", place=place)
    metadata = body.get("metadata") or {}
    missing = [name for name in ("apiVersion", "kind") if not isinstance(body.get(name), str) or not body[name]]
    if missing or not isinstance(metadata, dict):
        raise Rejected("InvalidManifest", f"{_title(body)} has no {missing[0] if missing else 'metadata'}", place=place)
    if "generateName" in metadata:
        message = f"{_title(body)} has generateName: every pass would create another object; set metadata.name"
        raise Rejected("InvalidManifest", message, place=place)
    if not isinstance(metadata.get("name"), str) or not metadata["name"]:
        raise Rejected("InvalidManifest", f"{_title(body)} has no metadata.name", place=place)
    if metadata["name"] in {".", ".."} or set(metadata["name"]) & set("/%"):
        raise Rejected(
            "InvalidManifest",
            f"{_title(body)}: metadata.name may not be . or .., and may not contain / or %",
            place=place,
        )
    maps = all(isinstance(metadata.get(name) or {}, dict) for name in ("labels", "annotations"))
    if not maps or not isinstance(metadata.get("namespace") or "", str):
        message = f"{_title(body)}: metadata.labels and annotations must be mappings, metadata.namespace must be text"
        raise Rejected("InvalidManifest", message, place=place)
    _require_no_server_fields(body, metadata, place)
    return body


def _require_no_server_fields(body: Body, metadata: Mapping[str, Any], place: Place) -> None:
    written = [name for name in _SERVER_FIELDS if name in metadata]
    if written:
        message = f"{_title(body)} has metadata.{written[0]}, which only the API server writes; remove it from git"
        raise Rejected("InvalidManifest", message, place=place)


def _encode_strings(body: Body, place: Place) -> Body:
    """Moves a Secret's stringData to data, as the API server stores it. If Lockstep owned stringData, it would not own
    the stored data, and could not see drift in it.
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


def _find_declared_kinds(bodies: Iterator[Body]) -> Mapping[tuple[str, str], bool]:
    """(group, kind) -> is namespaced, from the CustomResourceDefinitions of the render, which may not be served yet."""
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
    is_namespaced: ScopeReader
    declared: Mapping[tuple[str, str], bool]

    def place(self, body: dict[str, Any]) -> Body:
        """Returns the body in its namespace."""
        metadata = body["metadata"]
        if self._is_namespaced(body):
            namespace = metadata.get("namespace") or self.overlay.namespace
            if not namespace:
                message = f"{_title(body)} needs a namespace: {self.overlay.name} has none of its own"
                raise Rejected("InvalidManifest", message, place=Place(self.overlay.file))
            return {**body, "metadata": {**metadata, "namespace": namespace}}
        if "namespace" in metadata:
            return {**body, "metadata": {name: value for name, value in metadata.items() if name != "namespace"}}
        return body

    def _is_namespaced(self, body: Body) -> bool:
        """A CustomResourceDefinition of the render may declare its kind cluster-scoped. It may declare it namespaced
        only if the cluster does not serve the kind: else a cluster-scoped object would pass the checks of `scope`.
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


def _scale_target(manifest: Manifest) -> Key | None:
    """The workload that this object scales: the target of a HorizontalPodAutoscaler or of a KEDA ScaledObject.

    Defaults of a ScaledObject: https://keda.sh/docs/latest/reference/scaledobject-spec/
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
