"""Packages that only some parts need: those of the extra `texts`, for instance."""

from __future__ import annotations

import importlib.metadata
import importlib.util

from synthgen.errors import UsageError


def version_of(module: str, package: str, extra: str, part: str) -> str:
    """The version of an installed package, without importing it.

    Args:
        module: what is imported; package: what is installed; extra: of synthgen, which has it; part: what needs it.

    Raises:
        UsageError: it is not installed; says how it is.
    """
    if importlib.util.find_spec(module) is None:
        raise UsageError(
            f"`{part}` needs the Python package {package}, which is not installed; install it with: "
            f"pip install {package}, or all that texts need with: pip install '.[{extra}]'"
        )
    return importlib.metadata.version(package)
