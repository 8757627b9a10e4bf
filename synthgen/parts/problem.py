"""Problems as values: what is wrong in a recipe, from the check that finds it to the line that the user reads."""

from __future__ import annotations

from dataclasses import dataclass, replace

Location = tuple[str | int, ...]
"""Keys and list positions on the way to a value of a recipe: `("scorers", 0, "model")`."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        message: what is wrong and what is accepted, for the user.
        names: the fields and settings that the problem is about. A problem that only follows from another one, because
            such a field may be added by a part that is wrong itself, or such a setting is wrong, is not shown.
        place: the key that it belongs to: in what a part returns, below the part, and empty for the part as a whole.
    """

    message: str
    names: tuple[str, ...] = ()
    place: Location = ()

    def below(self, place: Location) -> Problem:
        """The same problem of what stands at `place`."""
        return replace(self, place=(*place, *self.place))
