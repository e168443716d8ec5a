"""The `schema` of a variation. The jsonschema library is imported when a schema is first checked or asked: `lockstep
check` over files that it has seen before needs neither.
"""

from functools import cached_property
from typing import Any

from gitops.core.config_repo.pipeline import FILE
from gitops.core.errors import Place, Rejected


class ValueSchema:
    """`label`: the name of the variation. `checked`: the content was found valid before.

    Raises: Rejected(InvalidPipeline) for content that is no valid schema.
    """

    def __init__(self, label: str, content: dict[str, Any], *, checked: bool = False) -> None:
        self._content = content
        if not checked:
            from gitops.core.contract.variations import json_schema  # noqa: PLC0415 - see the module's docstring

            problem = json_schema.find_problem(content)
            if problem:
                raise Rejected("InvalidPipeline", f"variation `{label}`: {problem}", place=Place(FILE))

    def complaint(self, value: Any) -> str:
        """The reason why the value does not fit, in a sentence that quotes the value; empty if it fits."""
        from gitops.core.contract.variations import json_schema  # noqa: PLC0415 - see the module's docstring

        return json_schema.find_complaint(self._validator, value)

    @cached_property
    def _validator(self) -> Any:
        from gitops.core.contract.variations import json_schema  # noqa: PLC0415 - see the module's docstring

        return json_schema.build_validator(self._content)
