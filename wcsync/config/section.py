"""What all sections of a config have in common."""

from pydantic import BaseModel, ConfigDict

DAY_S = 24 * 3600.0


class Section(BaseModel):
    """Unknown keys are refused, and "60" is no number. Errors quote no value: it may be a secret."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, allow_inf_nan=False
    )
