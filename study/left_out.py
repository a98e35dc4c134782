"""Fields of a signed or written text that came later: a text without them stays as it was."""

from pydantic import Field

LEFT_OUT_IF_NONE = Field(exclude_if=lambda value: value is None)
"""For `Annotated[T | None, LEFT_OUT_IF_NONE] = None`."""
