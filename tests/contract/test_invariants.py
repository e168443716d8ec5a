"""The six invariants of the contract. Each test breaks one, as people do, and `lockstep check` says what is wrong,
where, and what to do. All tests begin with one repo: order 1.4.2 runs in dev, test and prod.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from gitops.local.cluster import binaries
from tests.worlds.git import git
from tests.worlds.judged_repo import DEPLOYMENT, DIGEST, PIPELINE, JudgedRepo, made, overlay

PROD = "environments/prod/kustomization.yaml"
RELEASE = "environments/prod/release.yaml"
ADMISSION = """\
admission:
  source: test
  base: {base}
  services:
    order: {{digest: '{digest}', since: 2026-11-20T08:00:00Z}}
"""


@pytest.fixture
def repo(tmp_path: Path) -> JudgedRepo:
    """Test and prod are locked to the tree that they were onboarded with."""
    found = made(tmp_path, binaries.ensure("kustomize"))
    first = git(found.root, "rev-parse", "HEAD")
    for name in ("test", "prod"):
        found.release(name, first)
    found.commit("test, prod: locked to the tree they were adopted with")
    return found


def lockstep(repo: JudgedRepo, *arguments: str) -> tuple[int, str]:
    """Run the command; return its exit code and its output."""
    home = str(repo.root.parent)
    environment = {"PATH": "/usr/bin:/bin", "HOME": home, "LOCKSTEP_KUSTOMIZE": str(binaries.ensure("kustomize"))}
    command = [sys.executable, "-m", "gitops", *arguments]
    ran = subprocess.run(command, cwd=repo.root, env=environment, capture_output=True, text=True, check=False)
    assert not ran.stderr, ran.stderr
    return ran.returncode, ran.stdout


def refused(repo: JudgedRepo, *words: str) -> str:
    """Run `lockstep check`, which must refuse and print all `words`. Return its output."""
    code, said = lockstep(repo, "check")
    assert code == 1, said
    missing = [each for each in words if each not in said]
    assert not missing, f"{missing} not in:\n{said}"
    return said


def released(repo: JudgedRepo, more: str) -> str:
    """Commit a release.yaml for prod that names the head. Return that head."""
    head = git(repo.root, "rev-parse", "HEAD")
    repo.write({RELEASE: f"base: {head}\noverlay: {head}\n{more}"})
    repo.commit("prod by hand")
    return head


def test_invariants_hold_at_first(repo: JudgedRepo) -> None:
    code, said = lockstep(repo, "check")
    assert code == 0
    assert said.splitlines() == [
        *(f"{name}: ok (1 declared difference)" for name in ("dev", "test", "prod")),
        "3 overlays, 0 violations, 0 that cannot be rendered",
    ]


class TestInvariantOneProvenBase:
    """1. Every environment runs a base that is on the trunk, and that the environment before it has proven."""

    def test_unproven_base_is_refused(self, repo: JudgedRepo) -> None:
        repo.write({"base/order/deployment.yaml": DEPLOYMENT.replace("envoy:1.30", "envoy:1.31")})
        repo.commit("a new proxy")
        head = released(repo, "waived: adoption\n")
        refused(
            repo,
            "prod: 2 violations",
            "forbid: Release prod  /base",
            f"prod: {head}",
            "test has never proven this base: release.yaml holds no evidence of it",
            f"most probably set in {RELEASE}",
            "promote instead (`lockstep promote prod`)",
            f'`waived: {{"{head}": "<why>"}}`',
        )

    def test_evidence_of_another_base_does_not_count(self, repo: JudgedRepo) -> None:
        proven = git(repo.root, "rev-parse", "HEAD")
        evidence = ADMISSION.format(base=proven, digest=DIGEST["new"])
        released(repo, evidence)
        assert lockstep(repo, "check")[0] == 0
        repo.write({"base/order/deployment.yaml": DEPLOYMENT.replace("envoy:1.30", "envoy:1.31")})
        repo.commit("a new proxy")
        released(repo, evidence)
        said = refused(repo, "test has never proven this base", f"holds evidence for base {proven[:12]} only")
        assert "order" not in said.partition("forbid")[2]

    def test_base_off_the_trunk_is_refused(self, repo: JudgedRepo) -> None:
        git(repo.root, "checkout", "--quiet", "-b", "idea")
        repo.write({"base/order/deployment.yaml": DEPLOYMENT.replace("envoy:1.30", "envoy:1.31")})
        elsewhere = repo.commit("an idea")
        git(repo.root, "checkout", "--quiet", "main")
        repo.write({RELEASE: f"base: {elsewhere}\noverlay: {elsewhere}\n" + ADMISSION.format(
            base=elsewhere, digest=DIGEST["new"])})  # fmt: skip
        repo.commit("prod by hand")
        refused(
            repo,
            "forbid: Release prod  /base",
            f"prod: {elsewhere}",
            "this commit of release.yaml is not on the trunk: it is on another branch, or the trunk was rewritten",
            "promote again (`lockstep promote prod`)",
        )

    def test_waiver_without_a_name_is_refused_if_the_first_release_is_unknown(self, tmp_path: Path) -> None:
        repo = made(tmp_path, binaries.ensure("kustomize"))
        first = git(repo.root, "rev-parse", "HEAD")
        repo.write({RELEASE: "base: soon\n"})
        repo.commit("prod: a mistake")
        repo.release("test", first)
        repo.release("prod", first)
        repo.commit("test, prod: adopted")
        said = refused(
            repo,
            "prod: 3 violations",
            "forbid: Release prod  /waived",
            "a waiver without a digest or commit counts for the first release of an overlay only, and git",
            "fetch the full history, or waive by name each digest and commit that is listed here",
            f'`waived: {{"{first}": "<why>"}}`',
        )
        assert "test: ok" in said
        repo.write({RELEASE: f'base: {first}\noverlay: {first}\nwaived: {{"{first}": x, "{DIGEST["new"]}": x}}\n'})
        assert lockstep(repo, "check")[0] == 0

    def test_base_lost_by_the_trunk_is_a_warning_while_a_ref_keeps_it(self, repo: JudgedRepo) -> None:
        """The lost base is the one that test and prod were onboarded with."""
        lost = git(repo.root, "rev-parse", "HEAD~1")
        git(repo.root, "checkout", "--quiet", "--orphan", "rewritten")
        repo.commit("a history of its own")
        git(repo.root, "update-ref", f"refs/lockstep/base/{lost}", lost)
        code, said = lockstep(repo, "check")
        assert code == 0, said
        assert "warn: Release prod  /base" in said
        assert "this commit of release.yaml is no longer on the trunk, which was rewritten; a ref of its own" in said
        git(repo.root, "update-ref", "-d", f"refs/lockstep/base/{lost}")
        refused(repo, "forbid: Release prod  /base", "this commit of release.yaml is not on the trunk")

    def test_environment_without_a_release_is_judged_as_it_would_be_released(self, repo: JudgedRepo) -> None:
        (repo.root / RELEASE).unlink()
        repo.write({"environments/pipeline.yaml": PIPELINE})
        code, said = lockstep(repo, "check")
        assert (code, "prod: ok (1 declared difference) (not released yet: judged as" in said) == (0, True)


def test_invariant_two_undeclared_difference_is_refused(repo: JudgedRepo) -> None:
    """2. The rendered difference from base lies within the declared variations."""
    (repo.root / "environments/dev/pause.yaml").write_text("- {op: add, path: /spec/paused, value: true}\n")
    repo.append("environments/dev/kustomization.yaml", "patches: [{target: {kind: Deployment}, path: pause.yaml}]\n")
    refused(
        repo,
        "dev: 1 violation (",
        "forbid: Deployment.apps shop-dev/order  /spec/paused",
        "base: (nothing)   dev: true",
        "no variation allows Deployment /spec/paused to differ",
        "most probably set in environments/dev/pause.yaml:1",
        "make it equal to base, or declare it in environments/pipeline.yaml: "
        "- {objects: [{kind: Deployment, name: order}], field: /spec/paused}",
    )


def test_invariant_three_missing_required_key_is_refused(repo: JudgedRepo) -> None:
    """3. Required keys are set."""
    repo.write({"environments/dev/kustomization.yaml": overlay("dev").replace("DB=db-of-dev", "B=db-of-dev")})
    refused(
        repo,
        "forbid: ConfigMap shop-dev/settings",
        "variation `settings` requires `DB`, which is not set here",
        "set `DB` in this environment",
    )


def test_invariant_three_shared_distinct_value_is_refused(repo: JudgedRepo) -> None:
    """3. Distinct values are distinct."""
    repo.write({"environments/dev/kustomization.yaml": overlay("dev").replace("DB=db-of-dev", "DB=10.0.0.7")})
    repo.write({"environments/test/kustomization.yaml": overlay("test").replace("DB=db-of-test", "DB=10.0.0.7")})
    repo.release("test", repo.commit("one database"))
    first = git(repo.root, "rev-parse", "HEAD")
    (repo.root / "environments/test/release.yaml").write_text(
        f"base: {first}\noverlay: {first}\n" + ADMISSION.format(base=first, digest=DIGEST["new"])
    )
    refused(
        repo,
        "forbid: ConfigMap settings  /data/DB",
        "`DB` must be distinct (variation `settings`), but test has the same value",
        "give dev and test different values",
    )


def test_invariant_four_name_of_another_environment_is_refused(repo: JudgedRepo) -> None:
    """4. No environment names another."""
    wrong = overlay("dev").replace("DB=db-of-dev", "DB=mysql.shop-prod.svc")
    repo.write({"environments/dev/kustomization.yaml": wrong})
    refused(
        repo,
        "forbid: ConfigMap settings  /data/DB",
        "dev: mysql.shop-prod.svc",
        "names `shop-prod`, which belongs to prod",
        "most probably set in environments/dev/kustomization.yaml",
        "use the namespace of dev instead; if it is intended, add `names: [shop-prod]` to the variation of this field",
    )


class TestInvariantFiveProvenDigest:
    """5. Every image of a declared service is pinned, and is admitted only if the environment before has proven it."""

    def test_image_without_a_digest_is_refused(self, repo: JudgedRepo) -> None:
        loose = overlay("dev").replace(f', digest: "{DIGEST["new"]}"', "")
        repo.write({"environments/dev/kustomization.yaml": loose})
        refused(
            repo,
            "forbid: Deployment.apps shop-dev/order  /spec/template/spec/containers/app/image",
            "dev: r.example/shop/order:1.4.2",
            "the image of a service has no digest, so what runs could change without a commit",
            "set newTag and digest under `images:`",
        )

    def test_unproven_digest_is_refused(self, repo: JudgedRepo) -> None:
        repo.write({PROD: overlay("prod", "old").replace("1.4.2", "1.4.3")})
        repo.commit("prod: order 1.4.3")
        head = git(repo.root, "rev-parse", "HEAD")
        released(repo, ADMISSION.format(base=head, digest=DIGEST["new"]))
        refused(
            repo,
            "prod: 1 violation (",
            "forbid: Release prod  /admission/services/order",
            f"prod: {DIGEST['old']}",
            "test has never proven order 1.4.3 with this digest: release.yaml holds no evidence of it",
            "promote instead (`lockstep promote prod`)",
            f'`waived: {{"{DIGEST["old"]}": "<why>"}}`',
        )

    def test_unproven_digest_is_admitted_by_a_waiver_that_names_it(self, repo: JudgedRepo) -> None:
        """The waiver that the message of the test above proposes works, and only for the digest that it names."""
        repo.write({PROD: overlay("prod", "old").replace("1.4.2", "1.4.3")})
        repo.commit("prod: order 1.4.3")
        head = git(repo.root, "rev-parse", "HEAD")
        evidence = ADMISSION.format(base=head, digest=DIGEST["new"])
        waiver = f'waived: {{"{DIGEST["old"]}": "production is down"}}\n'
        released(repo, evidence + waiver)
        assert lockstep(repo, "check")[0] == 0
        repo.write({PROD: overlay("prod").replace(DIGEST["new"], "sha256:" + "c" * 64)})
        repo.commit("prod: another")
        released(repo, evidence + waiver)
        refused(repo, f"prod: sha256:{'c' * 64}", "test has never proven order 1.4.2 with this digest")


def test_invariant_six_parity_shows_undeclared_differences(repo: JudgedRepo) -> None:
    """6. For any two environments, rendered differences = declared variations + pending promotion + nothing."""
    repo.write(
        {"environments/dev/kustomization.yaml": overlay("dev", "old", more="replicas: [{name: order, count: 2}]\n")}
    )
    repo.commit("dev is ahead by an image and has a replica more")
    code, said = lockstep(repo, "parity", "dev", "prod")
    assert code == 0, said
    assert said.startswith("dev and prod: 1 declared, 1 pending, 0 undeclared\n")
    assert "  declared    Deployment order /spec/replicas: 2 | 1  (replicas)\n" in said
    repo.append("environments/dev/kustomization.yaml", "labels: [{pairs: {tier: gold}}]\n")
    code, said = lockstep(repo, "parity", "dev", "prod")
    assert code == 1
    assert "  undeclared  Service order /metadata/labels/tier: gold | -\n" in said
    refused(repo, "no variation allows Service /metadata/labels/tier to differ")
