"""What `lockstep init` tells a person: what it found, what it guessed, what it proposes, what looks wrong."""

from collections.abc import Collection, Iterator

from gitops.cli.check import summary, violation_lines
from gitops.contract.checker import CheckReport
from gitops.core.config_repo.environments import Environment
from gitops.core.config_repo.variations import Variation
from gitops.core.contract.violations import ViolationKind
from gitops.core.image_updates import tag_policy
from gitops.onboarding.onboarder import Onboarding

_MOST_SHOWN = 12


def told(adoption: Onboarding) -> str:
    """For standard output, in the order in which somebody reads who has to decide."""
    sections = (
        *_left_out(adoption),
        *_environments(adoption),
        *_services(adoption),
        *_differences(adoption),
        *_doubts(adoption),
        *_replaced(adoption),
    )
    return "".join(f"{line}\n" for line in sections)


def _environments(adoption: Onboarding) -> Iterator[str]:
    known = adoption.declared.environments
    yield "environments (order, places and namespaces are guessed: see --order, --environment, --namespace)"
    width = max(len(root.overlay) for root in adoption.roots)
    for root in adoption.roots:
        places = root.path if root.path == root.target else f"{root.path or '.'} -> {root.target}"
        yield f"  {root.overlay:<{width}}  {places}  ({_place_in_order(known[root.environment])})"
    yield f"compared with {adoption.declared.reference}/"
    shared = [name for name, each in known.items() if each.context]
    if shared:
        yield f"of the same namespace, so taken for clusters of their own (`context`): {', '.join(shared)}"
    yield from adoption.notes


def _place_in_order(environment: Environment) -> str:
    return f"namespace {environment.namespace}" + (f", after {environment.after}" if environment.after else ", first")


def _services(adoption: Onboarding) -> Iterator[str]:
    for title, services in (
        ("services: pinned by digest everywhere", adoption.proposal.tracked),
        ("services once they are pinned by digest (commented in pipeline.yaml)", adoption.proposal.loose),
    ):
        if services:
            yield f"\n{title}"
            yield from _shortened(
                [f"  {name}: {each.image}, {tag_policy.describe(each.tags)}" for name, each in services.items()]
            )


def _differences(adoption: Onboarding) -> Iterator[str]:
    variations = adoption.declared.variations
    yield f"\n{adoption.differences} differences, covered by {len(variations)} variations"
    yield from _shortened([f"  {_line(each)}" for each in variations])
    if adoption.guards:
        yield f"  look twice at what guards an environment: {', '.join(adoption.guards)}"


def _line(variation: Variation) -> str:
    about = list(variation.kinds) or [f"{each.kind} {each.name}" for each in variation.objects]
    what = ", ".join(about[:3]) + (f" and {len(about) - 3} more" if len(about) > 3 else "")
    return f"{variation.name}: {what} {variation.field or ''}".rstrip()


def _doubts(adoption: Onboarding) -> Iterator[str]:
    if not adoption.foreign_names:
        return
    hard = sum(doubt.hard for doubt in adoption.foreign_names)
    yield f"\nfields that name another environment, which looks like a fault: {len(adoption.foreign_names)}" + (
        f" (check refuses {hard}, which can mean nothing else)" if hard else ""
    )
    ranked = sorted(adoption.foreign_names, key=lambda doubt: not doubt.hard)
    yield from _shortened([f"  {'forbidden' if doubt.hard else 'warning'}: {doubt.summary}" for doubt in ranked])
    yield "  mend them, or uncomment their line in pipeline.yaml where it is meant"


def _left_out(adoption: Onboarding) -> Iterator[str]:
    if adoption.refusals:
        yield f"left out: {len(adoption.refusals)} that cannot be adopted as they are"
        yield from _shortened([f"  {each.root.overlay}: {each.error}" for each in adoption.refusals])
        if any(each.error.reason == "RemoteRefused" for each in adoption.refusals):
            yield "  to vendor: `kustomize build ADDRESS > all.yaml` beside a kustomization.yaml, and refer to that"
        yield "  mend them, remove what this run has written, and run it again\n"
    if adoption.found.left_out:
        yield "not taken for environments (--environment NAME=PATH names them)"
        yield from _shortened([f"  {path}" for path in adoption.found.left_out])
        yield ""


def _replaced(adoption: Onboarding) -> Iterator[str]:
    replaced = set(adoption.copied.values())
    directories = sorted({path.rpartition("/")[0] for path in replaced})
    if directories:
        yield f"\ncopied below environments/: {len(replaced)} files; Lockstep does not read them any more in"
        yield from _shortened([f"  {path}/" for path in directories])
        yield "  while something else deploys from there, change both; then remove these"


def verdict(report: CheckReport) -> str:
    """The verdict of `lockstep check`; what was told as a doubt is only counted."""
    lines = ["", "check"]
    for checked in report.checked:
        lines.append(f"  {checked.overlay.name}: {summary(checked.now)}")
        lines += [f"    {checked.now.refusal}"] if checked.now.refusal else []
        unknown = [each for each in checked.now.violations if each.kind is not ViolationKind.FOREIGN]
        lines += [f"  {line}" for each in unknown for line in violation_lines(each)]
    lines.append("  passes" if report.passes(ahead=False) else "  does not pass yet: `lockstep check` says more")
    return "".join(f"{line}\n" for line in lines)


def printed(adoption: Onboarding) -> str:
    """What would be written. Of files that were there already only the names: they may hold secrets."""
    lines = []
    for path, content in sorted(adoption.files.items()):
        if path in adoption.copied:
            lines.append(f"\n--- {path}\ncopied from {adoption.copied[path]}, with the paths in it mended if need be")
        else:
            lines.append(f"\n--- {path}\n{content.decode(errors='replace')}".rstrip())
    return "".join(f"{line}\n" for line in lines)


def written(files: Collection[str], root: str) -> str:
    lines = [f"\nwritten to {root}", *_shortened([f"  {path}" for path in sorted(files)])]
    return "".join(f"{line}\n" for line in lines)


def _shortened(lines: Collection[str]) -> list[str]:
    shown = list(lines)[:_MOST_SHOWN]
    return shown + ([f"  and {len(lines) - _MOST_SHOWN} more"] if len(lines) > _MOST_SHOWN else [])
