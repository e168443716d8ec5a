"""The `schema` of a variation. What checks it is imported when a schema is checked or asked: a check of files that were
all seen before needs neither.
"""

from functools import cached_property
from typing import Any

from gitops.core.config_repo.pipeline import FILE
from gitops.core.errors import Place, Rejected


class ValueSchema:
    """`label` names the variation it belongs to.

    Raises: Rejected(InvalidPipeline) when `content` is no schema that can be used, unless it was `checked` before.
    """

    def __init__(self, label: str, content: dict[str, Any], *, checked: bool = False) -> None:
        self._content = content
        if not checked:
            from gitops.core.contract.variations import json_schema  # noqa: PLC0415 - see the module's docstring

            problem = json_schema.problem(content)
            if problem:
                raise Rejected("InvalidPipeline", f"variation `{label}`: {problem}", place=Place(FILE))

    def complaint(self, value: Any) -> str:
        """What is wrong with the value, in words that quote it; empty when it fits."""
        from gitops.core.contract.variations import json_schema  # noqa: PLC0415 - see the module's docstring

        return json_schema.complaint(self._validator, value)

    @cached_property
    def _validator(self) -> Any:
        from gitops.core.contract.variations import json_schema  # noqa: PLC0415 - see the module's docstring

        return json_schema.validator(self._content)
