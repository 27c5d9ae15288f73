"""For code that was written for another framework: where its names are here, and what stands for those that are not."""

from covet.porting.stand_ins import Missing, NotPorted, missing

__all__ = ["Missing", "NotPorted", "missing"]
