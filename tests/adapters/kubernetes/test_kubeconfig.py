"""A kubeconfig is input: it may run programs or disable TLS verification only if the configuration allows it."""

import json
from pathlib import Path
from typing import Any

import pytest

from gitops.adapters.kubernetes.kubeconfig import ClusterAccess
from gitops.core.errors import Rejected


def kubeconfig(directory: Path, *, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> Path:
    content = {
        "clusters": [{"name": "c", "cluster": {"server": "https://192.0.2.1:6443", **(cluster or {})}}],
        "users": [{"name": "u", "user": user or {"token": "t"}}, {"name": "other", "user": {"token": "of-other"}}],
        "contexts": [
            {"name": "x", "context": {"cluster": "c", "user": "u"}},
            {"name": "y", "context": {"cluster": "c", "user": "other"}},
        ],
        "current-context": "x",
    }
    path = directory / "kubeconfig"
    path.write_text(json.dumps(content))
    return path


def test_kubeconfig_uses_the_current_or_the_named_context(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path)
    for context, token in (("", "Bearer t"), ("y", "Bearer of-other")):
        loaded = ClusterAccess(path, context).load()
        assert loaded.host == "https://192.0.2.1:6443"
        assert loaded.get_api_key_with_prefix("BearerToken") == token
        assert loaded.verify_ssl


def test_a52_kubeconfig_runs_no_program_unless_allowed(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "/bin/sh",
        "args": [
            "-c",
            f"""touch {marker}; echo '{{"apiVersion": "client.authentication.k8s.io/v1",
                        "kind": "ExecCredential", "status": {{"token": "fresh"}}}}'""",
        ],
        "interactiveMode": "Never",
    }
    path = kubeconfig(tmp_path, user={"exec": plugin})
    with pytest.raises(Rejected, match="runs a program") as caught:
        ClusterAccess(path).load()
    assert caught.value.reason == "ExecRefused"
    assert not marker.exists()
    allowed = ClusterAccess(path, allow_exec=True).load()
    assert marker.exists()
    assert allowed.get_api_key_with_prefix("BearerToken") == "Bearer fresh"


@pytest.mark.parametrize("cluster", [{"insecure-skip-tls-verify": True}, {"server": "http://192.0.2.1:8080"}])
def test_a52_kubeconfig_without_tls_verification_is_refused_unless_allowed(
    tmp_path: Path, cluster: dict[str, Any]
) -> None:
    path = kubeconfig(tmp_path, cluster=cluster)
    with pytest.raises(Rejected) as caught:
        ClusterAccess(path).load()
    assert caught.value.reason == "InsecureRefused"
    assert ClusterAccess(path, allow_insecure=True).load().host.endswith(("6443", "8080"))


def test_kubeconfig_errors_name_the_file_or_context(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    with pytest.raises(Rejected, match="nowhere"):
        ClusterAccess(missing).load()
    with pytest.raises(Rejected, match="context z") as caught:
        ClusterAccess(kubeconfig(tmp_path), "z").load()
    assert caught.value.reason == "InvalidKubeconfig"
    empty = tmp_path / "empty"
    empty.write_text("")
    with pytest.raises(Rejected, match="empty"):
        ClusterAccess(empty).load()


def test_kubeconfig_is_needed_outside_a_pod() -> None:
    with pytest.raises(Rejected, match="service account of this pod") as caught:
        ClusterAccess().load()
    assert caught.value.reason == "InvalidKubeconfig"


def test_kubeconfig_stamp_changes_with_the_file_and_its_token_file(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    access = ClusterAccess(kubeconfig(tmp_path, user={"tokenFile": "token"}))
    before = access.stamp()
    assert access.stamp() == before
    token.write_text("second one")
    after = access.stamp()
    assert after != before
    assert access.load().get_api_key_with_prefix("BearerToken") == "Bearer second one"
