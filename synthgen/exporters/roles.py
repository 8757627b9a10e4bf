"""Roles: which fields of a dataset hold the objects that an export needs, whatever their labelers called them."""

from __future__ import annotations

from collections.abc import Mapping

from synthgen.errors import UsageError
from synthgen.fields import Boxes, Field, InstanceMap, SegmentationMap

ROLES: Mapping[str, type] = {"instances": InstanceMap, "segmentation": SegmentationMap, "boxes": Boxes}
"""What is known of objects, and the type of field that has it."""


def fields_of_roles(folder: str, fields: Mapping[str, Field], chosen: Mapping[str, str]) -> dict[str, str]:
    """The field for each role that is needed: `boxes` only where masks do not say all.

    A chosen field comes first, then the one with the role's own name, which is the label by construction. Only if
    there is no such field for any role, the only field of the type is taken. Chosen boxes come without masks.

    Raises:
        UsageError: a chosen field is missing or of another type, or several could fill a role; all problems at once.
    """
    own = {role for role in ROLES if role in _candidates(fields, role)}
    wanted = ["instances", "segmentation", "boxes"]
    if "boxes" in chosen and "instances" not in chosen:
        wanted = [role for role in wanted if role in chosen]
    found: dict[str, str] = {}
    problems = []
    for role in wanted:
        candidates = _candidates(fields, role)
        if role in chosen:
            found[role] = chosen[role]
            problems += _wrong(role, chosen[role], fields)
        elif role == "boxes" and {"instances", "segmentation"} <= set(found):
            continue
        elif role in own:
            found[role] = role
        elif candidates and (chosen or not own):
            found[role] = candidates[0]
            if len(candidates) > 1:
                choices = " or ".join(f"--field {role}={name}" for name in candidates)
                problems.append(f"{len(candidates)} fields could be {role}; choose with {choices}")
    if problems:
        raise UsageError("\n".join(f"{folder}: {problem}" for problem in problems))
    return found


def unused(fields: Mapping[str, Field], roles: Mapping[str, str]) -> list[str]:
    """Fields that could fill a role and were not taken."""
    return [name for role in ROLES if role in roles for name in _candidates(fields, role) if name != roles[role]]


def _candidates(fields: Mapping[str, Field], role: str) -> list[str]:
    return [name for name, field in fields.items() if isinstance(field, ROLES[role])]


def _wrong(role: str, name: str, fields: Mapping[str, Field]) -> list[str]:
    candidates = _candidates(fields, role)
    if name in candidates:
        return []
    choices = ", ".join(candidates) or "none"
    problem = f"`{name}` cannot be {role}" if name in fields else f"has no field `{name}`"
    return [f"{problem}; fields for `--field {role}=NAME`: {choices}"]
