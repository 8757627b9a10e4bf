"""Templates: HTML pages that need nothing beside them, made of the files of this folder."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

from synthgen.report.sheet import Legend
from synthgen.report.texts import TextGroups


def render(name: str, **values: Any) -> str:
    """The page of a template; what stands in `values` is escaped in it."""
    import jinja2

    folder = resources.files("synthgen.report")
    loader = jinja2.FunctionLoader(lambda file: folder.joinpath(file).read_text("utf-8"))
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, loader=loader)
    return environment.get_template(name).render(values)


def text_page(groups: TextGroups, title: str, subtitle: str, legend: Legend) -> str:
    """A page of nothing but samples that are texts."""
    return render("text_page.html", texts=groups, title=title, subtitle=subtitle, colours=colours(legend))


def colours(legend: Legend) -> Mapping[str, str]:
    """Each word of a legend with its colour as `#rrggbb`."""
    return {word: "#{:02x}{:02x}{:02x}".format(*colour) for word, colour in legend}
