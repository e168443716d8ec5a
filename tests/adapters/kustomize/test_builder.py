"""The builder with a real kustomize, under the limits of production; and its cache of renders."""

import multiprocessing
import os
import select
import shutil
import stat
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from gitops.adapters.kustomize.builder import Kustomize, RenderLimits
from gitops.adapters.kustomize.render_cache import RenderCache
from gitops.core.config_repo.tree import Blob, Source
from gitops.core.errors import Rejected, Unavailable
from gitops.core.kustomize import guard
from gitops.local.cluster import binaries

APP = "environments/dev"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  key: value\n"


@pytest.fixture(scope="session")
def binary() -> Path:
    return binaries.ensure("kustomize")


@pytest.fixture
def kustomize(binary: Path, tmp_path: Path) -> Kustomize:
    return Kustomize(binary, tmp_path / "cache", scratch=tmp_path)


def source(files: dict[str, str], key: str = "key", path: str = APP) -> Source:
    return Source(path, {f"{path}/{name}": text.encode() for name, text in files.items()}, key)


def refusal(kustomize: Kustomize, files: dict[str, str]) -> Rejected:
    with pytest.raises(Rejected) as caught:
        kustomize.render(source(files))
    return caught.value


def test_builder_renders_an_overlay_with_its_base(kustomize: Kustomize) -> None:
    files = {
        f"{APP}/kustomization.yaml": b"namespace: shop-dev\nresources: [../../base]\npatches: [{path: p.yaml}]\n",
        f"{APP}/p.yaml": b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {more: '1'}\n",
        "base/kustomization.yaml": b"resources: [a.yaml]\n",
        "base/a.yaml": CONFIG.encode(),
    }
    assert kustomize.render(Source(APP, files, "k")).decode() == (
        'apiVersion: v1\ndata:\n  key: value\n  more: "1"\nkind: ConfigMap\n'
        "metadata:\n  name: a\n  namespace: shop-dev\n"
    )


def test_render_of_a_known_key_is_cached_also_after_a_restart(binary: Path, tmp_path: Path) -> None:
    first = Kustomize(binary, tmp_path).render(source({"kustomization.yaml": "resources: [a]", "a": CONFIG}))
    again = Kustomize(binary, tmp_path)
    assert again.read_cached("key") == first
    assert again.render(source({"kustomization.yaml": "broken: ["})) == first
    assert again.read_cached("other") is None


def test_render_cache_is_not_shared_by_two_versions_of_kustomize(binary: Path, tmp_path: Path) -> None:
    Kustomize(binary, tmp_path / "cache").render(source({"kustomization.yaml": "resources: [a]", "a": CONFIG}))
    other = tmp_path / "kustomize"
    other.write_text(f'#!/bin/sh\n[ "$1" = version ] && echo v0.0.1 || exec {binary} "$@"\n')
    other.chmod(0o755)
    assert Kustomize(other, tmp_path / "cache").read_cached("key") is None


def test_build_error_has_kustomize_s_message_without_local_paths(kustomize: Kustomize, tmp_path: Path) -> None:
    error = refusal(kustomize, {"kustomization.yaml": "resources: [missing.yaml]"})
    assert error.reason == "BuildFailed"
    assert error.message.startswith("environments/dev: kustomize: accumulating resources")
    assert "missing.yaml" in error.message
    assert str(tmp_path) not in error.message


DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\nspec:\n  replicas: 1\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: s3cr3t}\n"
FAULTS = {
    "a patch without a target": (
        {"kustomization.yaml": "resources: [a]\npatches: [{path: p.yaml}]", "a": CONFIG, "p.yaml": DEPLOYMENT},
        'no resource matches strategic merge patch "Deployment.v1.apps/app": no matches for Id Deployment.v1.apps/app',
    ),
    "a patch of another shape": (
        {
            "kustomization.yaml": "resources: [a]\npatches: [{path: p.yaml}]",
            "a": DEPLOYMENT + "  template: {spec: {containers: [{name: app, image: app}]}}\n",
            "p.yaml": DEPLOYMENT + "  template: {spec: {containers: {password: s3cr3t}}}\n",
        },
        "wrong node kind: expected SequenceNode but got MappingNode",
    ),
    "a patch without a name": (
        {"kustomization.yaml": "resources: [a]\npatches: [{path: p.yaml}]", "a": DEPLOYMENT, "p.yaml": "kind: Pod"},
        'with config: (path: p.yaml): unable to parse SM or JSON patch from [path: "p.yaml"]',
    ),
    "an inline patch without a name": (
        {
            "kustomization.yaml": "resources: [a]\npatches:\n- patch: |\n    kind: Secret\n    stringData:\n"
            "      password: s3cr3t\n",
            "a": DEPLOYMENT,
        },
        "unable to parse SM or JSON patch from [patch: …]",
    ),
    "wrong YAML in an inline patch": (
        {"kustomization.yaml": "resources: [a]\npatches: [{patch: 'password: s3cr3t: x'}]", "a": CONFIG},
        "unable to parse SM or JSON patch from [patch: …]",
    ),
    "wrong YAML in a patch": (
        {"kustomization.yaml": "resources: [a]\npatches: [{path: p.yaml}]", "a": CONFIG, "p.yaml": "a: s3cr3t: b"},
        'unable to parse SM or JSON patch from [path: "p.yaml"]',
    ),
    "a path that is not there": (
        {
            "kustomization.yaml": "resources: [a]\npatches: [{target: {kind: Deployment}, "
            "patch: '- {op: replace, path: /spec/nope/x, value: s3cr3t}'}]",
            "a": DEPLOYMENT,
        },
        "replace operation does not apply: doc is missing path: /spec/nope/x: missing value",
    ),
    "a duplicate id": (
        {"kustomization.yaml": "resources: [a, b]", "a": CONFIG, "b": CONFIG},
        "already registered id: ConfigMap.v1/a': must build at directory: 'environments/dev/b'",
    ),
    "a merge of nothing": (
        {
            "kustomization.yaml": "resources: [a]\nconfigMapGenerator: [{name: settings, behavior: merge, "
            "literals: [A=s3cr3t]}]",
            "a": CONFIG,
        },
        "merging from generator: id ConfigMap/settings does not exist; cannot merge or replace",
    ),
    "a replacement of nothing": (
        {
            "kustomization.yaml": "resources: [a]\nreplacements: [{source: {kind: ConfigMap, name: nope, "
            "fieldPath: data.key}, targets: [{select: {kind: ConfigMap}, fieldPaths: [data.key]}]}]",
            "a": CONFIG,
        },
        "nothing selected by ConfigMap/nope:data.key",
    ),
    "a literal without a key": (
        {
            "kustomization.yaml": 'resources: [a]\nsecretGenerator: [{name: s, literals: ["s3cr3t\\nB", A=s3cr3t]}]',
            "a": CONFIG,
        },
        "loading KV pairs: literal sources […",
    ),
    "a conflict of whole objects": (
        {
            "kustomization.yaml": "namespace: x\nresources: [a, b]",
            "a": SECRET.replace("{name: s}", "{name: s, namespace: n1}"),
            "b": SECRET.replace("{name: s}", "{name: s, namespace: n2}"),
        },
        "namespace transformation produces ID conflict: [Secret/s Secret/s]",
    ),
    "a path and a patch": (
        {
            "kustomization.yaml": "resources: [a]\npatches: [{path: p.yaml, patch: 'password: s3cr3t'}]",
            "a": CONFIG,
            "p.yaml": DEPLOYMENT,
        },
        "with config: (path: p.yaml): patch and path can't be set at the same time",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a41_build_error_has_the_cause_and_no_content(fault: str, kustomize: Kustomize, tmp_path: Path) -> None:
    files, cause = FAULTS[fault]
    message = refusal(kustomize, files).message
    assert cause in message
    assert "s3cr3t" not in message
    assert str(tmp_path) not in message
    assert "\n" not in message
    assert len(message) < 700


def test_build_error_has_the_cause_deep_in_a_base(kustomize: Kustomize, tmp_path: Path) -> None:
    files = {
        f"{APP}/kustomization.yaml": b"resources: [../../base]",
        "base/kustomization.yaml": b"resources: [missing.yaml]",
    }
    with pytest.raises(Rejected) as caught:
        kustomize.render(Source(APP, files, "k"))
    assert "lstat base/missing.yaml: no such file or directory" in caught.value.message
    assert str(tmp_path) not in caught.value.message


def test_build_leaves_no_files(kustomize: Kustomize) -> None:
    kustomize.render(source({"kustomization.yaml": "resources: [a]", "a": CONFIG}))
    with pytest.raises(Rejected):
        kustomize.render(source({"kustomization.yaml": "resources: [missing.yaml]"}, "other"))
    assert list(kustomize.builds.iterdir()) == []


def test_render_cache_is_private(kustomize: Kustomize, tmp_path: Path) -> None:
    kustomize.render(source({"kustomization.yaml": "resources: [a]", "a": CONFIG}))
    renders = tmp_path / "cache" / "renders"
    assert stat.S_IMODE(renders.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in renders.iterdir()} == {0o600}


def test_build_directories_of_dead_processes_are_removed(binary: Path, tmp_path: Path) -> None:
    first = Kustomize(binary, tmp_path)
    dead = multiprocessing.get_context("spawn").Process(target=os.getpid)
    dead.start()
    dead.join()
    for name in (f"{dead.pid}-x", f"{os.getppid()}-x", "odd"):
        (first.builds / name / "tree").mkdir(parents=True)
    Kustomize(binary, tmp_path)
    assert [path.name for path in first.builds.iterdir()] == [f"{os.getppid()}-x"]
    shutil.rmtree(first.builds)


def test_build_directory_that_others_can_read_is_not_used(binary: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    first = Kustomize(binary, tmp_path / "cache", scratch=scratch)
    assert first.builds.parent == scratch
    first.builds.chmod(0o755)
    assert Kustomize(binary, tmp_path / "cache", scratch=scratch).builds == tmp_path / "cache" / "builds"
    first.builds.rmdir()
    first.builds.symlink_to(tmp_path)
    assert Kustomize(binary, tmp_path / "cache", scratch=scratch).builds == tmp_path / "cache" / "builds"
    none = Kustomize(binary, tmp_path / "cache", scratch=tmp_path / "missing")
    assert none.render(source({"kustomization.yaml": "resources: [a]", "a": CONFIG}))


def test_builds_run_in_parallel(kustomize: Kustomize) -> None:
    def build(number: int) -> bytes:
        files = {"kustomization.yaml": f"namePrefix: n{number}-\nresources: [a]", "a": CONFIG}
        return kustomize.render(source(files, key=str(number)))

    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(build, range(16)))
    assert all(f"name: n{number}-a\n" in text.decode() for number, text in enumerate(texts))


def test_builder_without_kustomize_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="does not run"):
        Kustomize(tmp_path / "missing", tmp_path / "cache")


class Clone:
    """A git repo. Its URL as a base makes kustomize (default flags) run a command that creates `marker`."""

    def __init__(self, directory: Path) -> None:
        self.marker = directory / "marker"
        repo = directory / "repo"
        (repo / "app").mkdir(parents=True)
        (repo / "app" / "kustomization.yaml").write_text("resources: [a.yaml]")
        (repo / "app" / "a.yaml").write_text(CONFIG)
        self._git(repo, "init", "--quiet")
        self._git(repo, "add", ".")
        self._git(repo, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message=x")
        command = f"touch+{self.marker}%20%26%26git-upload-pack"
        self.kustomization = f'resources: ["file://{repo}//app?ref=--upload-pack={command}"]'

    def _git(self, repo: Path, *arguments: str) -> None:
        subprocess.run(["git", "-C", repo, *arguments], check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_a20_clone_attack_works_on_kustomize_alone(clone: Clone, binary: Path, tmp_path: Path) -> None:
    """Proves that the attack of the two tests below works without protection."""
    (tmp_path / "kustomization.yaml").write_text(clone.kustomization)
    subprocess.run([binary, "build", tmp_path], check=False, capture_output=True)
    assert clone.marker.exists()


def test_a20_clone_attack_is_refused_by_the_guard_with_its_line(clone: Clone) -> None:
    tree = {f"{APP}/kustomization.yaml": Blob("100644", "1")}
    with pytest.raises(Rejected) as caught:
        guard.closure(tree, {"1": b"# one\n" + clone.kustomization.encode()}.__getitem__, APP)
    assert (caught.value.reason, str(caught.value.place)) == ("RemoteRefused", f"{APP}/kustomization.yaml:2")
    assert not clone.marker.exists()


def test_a25_clone_attack_without_the_guard_finds_no_program_to_run(clone: Clone, kustomize: Kustomize) -> None:
    assert refusal(kustomize, {"kustomization.yaml": clone.kustomization}).reason == "BuildFailed"
    assert not clone.marker.exists()


def test_a25_build_has_no_network_unless_it_reports_one(kustomize: Kustomize) -> None:
    asked = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(CONFIG.encode())

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        error = refusal(kustomize, {"kustomization.yaml": f"resources: ['http://127.0.0.1:{server.server_port}/x']"})
        server.shutdown()
        thread.join()
    assert error.reason == "BuildFailed"
    assert bool(asked) is kustomize.has_network


def test_a25_build_works_where_the_network_cannot_be_removed(binary: Path, tmp_path: Path) -> None:
    kustomize = Kustomize(binary, tmp_path / "cache", scratch=tmp_path, programs=str(tmp_path))
    assert kustomize.has_network
    assert kustomize.render(source({"kustomization.yaml": "resources: [a]", "a": CONFIG}))


def test_a25_build_inherits_no_environment_variables(binary: Path, tmp_path: Path) -> None:
    """A program in place of kustomize prints its own environment."""
    spy = tmp_path / "spy"
    spy.write_text(f'#!/bin/sh\n[ "$1" = version ] && exec {binary} version\nexport -p\n')
    spy.chmod(0o755)
    text = Kustomize(spy, tmp_path / "cache").render(source({"kustomization.yaml": ""})).decode()
    names = {line.split("=")[0].removeprefix("export ") for line in text.splitlines()}
    ours = {"PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR", "GIT_ALLOW_PROTOCOL", "GOGC"}
    assert names <= ours | {"PWD", "OLDPWD", "SHLVL", "_"}  # the shell's own
    assert "export PATH=''" in text or 'export PATH=""' in text


def yaml_bomb(levels: int) -> str:
    lines = ["  a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return CONFIG + "\n".join(lines)


def test_a23_a25_build_memory_is_limited(binary: Path, tmp_path: Path) -> None:
    kustomize = Kustomize(binary, tmp_path, RenderLimits(memory=300 << 20))
    error = refusal(kustomize, {"kustomization.yaml": "resources: [a]", "a": yaml_bomb(9)})
    assert (error.reason, "300 MiB of memory" in error.message) == ("LimitExceeded", True)


def test_a25_build_output_is_limited(binary: Path, tmp_path: Path) -> None:
    kustomize = Kustomize(binary, tmp_path, RenderLimits(output=64 << 10))
    error = refusal(kustomize, {"kustomization.yaml": "resources: [a]", "a": CONFIG + "  long: " + "x" * 100_000})
    assert error.reason == "LimitExceeded"


def test_a25_build_files_are_limited_and_removed(binary: Path, tmp_path: Path) -> None:
    """A program in place of kustomize fills its private directory for temporary files."""
    filler = tmp_path / "filler"
    filler.write_text(
        f'#!/bin/sh\n[ "$1" = version ] && exec {binary} version\n'
        'echo "$HOME" > "$TMPDIR/small"; exec /bin/dd if=/dev/zero of="$TMPDIR/large" bs=65536\n'
    )
    filler.chmod(0o755)
    kustomize = Kustomize(filler, tmp_path / "cache", RenderLimits(output=1 << 20), scratch=tmp_path)
    error = refusal(kustomize, {"kustomization.yaml": ""})
    assert (error.reason, "more than 1 MiB" in error.message) == ("LimitExceeded", True)
    assert list(kustomize.builds.iterdir()) == []


def test_a23_a25_build_cpu_time_is_limited(binary: Path, tmp_path: Path) -> None:
    kustomize = Kustomize(binary, tmp_path, RenderLimits(memory=8 << 30, cpu_seconds=1))
    error = refusal(kustomize, {"kustomization.yaml": "resources: [a]", "a": yaml_bomb(12)})
    assert (error.reason, "more than 1 s of CPU" in error.message) == ("LimitExceeded", True)


def test_a25_build_that_hangs_is_ended_with_its_children(binary: Path, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    slow = tmp_path / "slow"
    slow.write_text(
        f'#!/bin/sh\n[ "$1" = version ] && exec {binary} version\n'
        f"/bin/sleep 600 & echo $! > {pids}; echo $$ >> {pids}; wait\n"
    )
    slow.chmod(0o755)
    error = refusal(Kustomize(slow, tmp_path / "cache", RenderLimits(seconds=1)), {"kustomization.yaml": ""})
    assert (error.reason, "longer than 1 s" in error.message) == ("LimitExceeded", True)
    assert all(_await_end(int(pid)) for pid in pids.read_text().split())


def _await_end(pid: int) -> bool:
    """Wait for the end of a process that is not a child of this one. Returns False after 20 s."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], 20)[0])
    finally:
        os.close(process)


def test_a21_build_never_writes_a_file_outside_the_tree(kustomize: Kustomize, tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="outside the config repo"):
        kustomize.render(Source(APP, {"../../evil": b"x"}, "k"))
    assert not list(tmp_path.rglob("evil*"))


class TestRenderCache:
    def test_render_cache_misses_a_damaged_entry(self, tmp_path: Path) -> None:
        RenderCache(tmp_path).write("a", b"text")
        (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes()[:-1])
        assert RenderCache(tmp_path).read("a") is None
        (tmp_path / "a").write_bytes(b"")
        assert RenderCache(tmp_path).read("a") is None

    def test_render_cache_in_memory_evicts_the_least_recently_used(self, tmp_path: Path) -> None:
        cache = RenderCache(tmp_path, memory=250)
        for key in "abc":
            cache.write(key, b"x" * 100)
            cache.read("a")
        for path in tmp_path.iterdir():
            path.unlink()
        assert [key for key in "abc" if cache.read(key)] == ["a", "c"]

    def test_render_cache_on_disk_evicts_the_oldest(self, tmp_path: Path) -> None:
        cache = RenderCache(tmp_path, disk=1_000)
        for number in range(20):
            cache.write(str(number), b"x" * 100)
            os.utime(tmp_path / str(number), (number, number))
        kept = sorted(int(path.name) for path in tmp_path.iterdir())
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1_000
        assert kept == list(range(20 - len(kept), 20))

    def test_render_cache_works_without_its_disk(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        cache = RenderCache(tmp_path / "file" / "below")
        cache.write("a", b"text")
        assert cache.read("a") == b"text"
        assert cache.read("b") is None
