"""The report of `lockstep init`: what it found, what it guessed, what it proposes, and what looks wrong."""

from collections.abc import Collection, Iterator

from gitops.cli.check import summary, violation_lines
from gitops.contract.checker import CheckReport
from gitops.core.config_repo.environments import Environment
from gitops.core.config_repo.variations import Variation
from gitops.core.contract.violations import ViolationKind
from gitops.core.image_updates import tag_policy
from gitops.onboarding.onboarder import Onboarding

_MOST_SHOWN = 12


def describe(onboarding: Onboarding) -> str:
    """The report, in the order in which a person decides."""
    sections = (
        *_describe_left_out(onboarding),
        *_environments(onboarding),
        *_services(onboarding),
        *_differences(onboarding),
        *_foreign_names(onboarding),
        *_describe_replaced(onboarding),
    )
    return "".join(f"{line}\n" for line in sections)


def _environments(onboarding: Onboarding) -> Iterator[str]:
    known = onboarding.declared.environments
    yield "environments (order, directories and namespaces are guesses: see --order, --environment, --namespace)"
    width = max(len(root.overlay) for root in onboarding.roots)
    for root in onboarding.roots:
        places = root.path if root.path == root.target else f"{root.path or '.'} -> {root.target}"
        yield f"  {root.overlay:<{width}}  {places}  ({_place_in_order(known[root.environment])})"
    yield f"compared with {onboarding.declared.reference}/"
    shared = [name for name, each in known.items() if each.context]
    if shared:
        yield f"in the same namespace, so each is taken to be in its own cluster (`context`): {', '.join(shared)}"
    yield from onboarding.notes


def _place_in_order(environment: Environment) -> str:
    return f"namespace {environment.namespace}" + (f", after {environment.after}" if environment.after else ", first")


def _services(onboarding: Onboarding) -> Iterator[str]:
    for title, services in (
        ("services: pinned by digest everywhere", onboarding.proposal.tracked),
        ("services once they are pinned by digest (commented in pipeline.yaml)", onboarding.proposal.loose),
    ):
        if services:
            yield f"\n{title}"
            yield from _shorten(
                [f"  {name}: {each.image}, {tag_policy.describe(each.tags)}" for name, each in services.items()]
            )


def _differences(onboarding: Onboarding) -> Iterator[str]:
    variations = onboarding.declared.variations
    yield f"\n{onboarding.differences} differences, covered by {len(variations)} variations"
    yield from _shorten([f"  {_line(each)}" for each in variations])
    if onboarding.guards:
        yield f"  check twice: these kinds protect an environment: {', '.join(onboarding.guards)}"


def _line(variation: Variation) -> str:
    about = list(variation.kinds) or [f"{each.kind} {each.name}" for each in variation.objects]
    what = ", ".join(about[:3]) + (f" and {len(about) - 3} more" if len(about) > 3 else "")
    return f"{variation.name}: {what} {variation.field or ''}".rstrip()


def _foreign_names(onboarding: Onboarding) -> Iterator[str]:
    if not onboarding.foreign_names:
        return
    hard = sum(name.hard for name in onboarding.foreign_names)
    yield f"\nfields that name another environment, probably by mistake: {len(onboarding.foreign_names)}" + (
        f" (`lockstep check` refuses {hard} of them, which have no other meaning)" if hard else ""
    )
    ranked = sorted(onboarding.foreign_names, key=lambda name: not name.hard)
    yield from _shorten([f"  {'forbidden' if name.hard else 'warning'}: {name.summary}" for name in ranked])
    yield "  correct them, or uncomment their line in pipeline.yaml where the name is meant"


def _describe_left_out(onboarding: Onboarding) -> Iterator[str]:
    if onboarding.refusals:
        yield f"left out: {len(onboarding.refusals)} directories that cannot be environments as they are"
        yield from _shorten([f"  {each.root.overlay}: {each.error}" for each in onboarding.refusals])
        if any(each.error.reason == "RemoteRefused" for each in onboarding.refusals):
            yield "  to vendor a base: `kustomize build ADDRESS > all.yaml` beside a kustomization.yaml that names it"
        yield "  correct them, remove what this run wrote, and run it again\n"
    if onboarding.found.left_out:
        yield "not taken as environments (name them with --environment NAME=PATH)"
        yield from _shorten([f"  {path}" for path in onboarding.found.left_out])
        yield ""


def _describe_replaced(onboarding: Onboarding) -> Iterator[str]:
    replaced = set(onboarding.copied.values())
    directories = sorted({path.rpartition("/")[0] for path in replaced})
    if directories:
        yield f"\ncopied below environments/: {len(replaced)} files; Lockstep no longer reads the originals in"
        yield from _shorten([f"  {path}/" for path in directories])
        yield "  while another tool deploys from there, change both; afterwards remove the originals"


def describe_verdict(report: CheckReport) -> str:
    """The verdict of `lockstep check`. Names of other environments are left out: the report has listed them."""
    lines = ["", "check"]
    for checked in report.checked:
        lines.append(f"  {checked.overlay.name}: {summary(checked.now)}")
        lines += [f"    {checked.now.refusal}"] if checked.now.refusal else []
        others = [each for each in checked.now.violations if each.kind is not ViolationKind.FOREIGN]
        lines += [f"  {line}" for each in others for line in violation_lines(each)]
    lines.append("  passes" if report.passes(ahead=False) else "  does not pass yet: see `lockstep check`")
    return "".join(f"{line}\n" for line in lines)


def describe_files(onboarding: Onboarding) -> str:
    """The new files with their content. Copied files only by name: they may hold secrets."""
    lines = []
    for path, content in sorted(onboarding.files.items()):
        if path in onboarding.copied:
            lines.append(f"\n--- {path}\ncopied from {onboarding.copied[path]}, with relative paths adapted")
        else:
            lines.append(f"\n--- {path}\n{content.decode(errors='replace')}".rstrip())
    return "".join(f"{line}\n" for line in lines)


def describe_written(files: Collection[str], root: str) -> str:
    lines = [f"\nwritten to {root}", *_shorten([f"  {path}" for path in sorted(files)])]
    return "".join(f"{line}\n" for line in lines)


def _shorten(lines: Collection[str]) -> list[str]:
    shown = list(lines)[:_MOST_SHOWN]
    return shown + ([f"  and {len(lines) - _MOST_SHOWN} more"] if len(lines) > _MOST_SHOWN else [])
