"""Papers of a sealed dataset: the resolved recipe, the card for people and hubs, Croissant for machines."""

from __future__ import annotations

import json
from typing import Any

from synthgen.base.names import markdown, markdown_code
from synthgen.dataset.shard_files import writer_of
from synthgen.parts.fields import schema_of
from synthgen.parts.registry import of_process

CARD = """\
---
{{ front_matter }}
---
# {{ m.name | text }}

{{ (m.description or "A synthetic dataset.") | text }}

{% if m.sources | selectattr("kind", "equalto", "data") | list -%}
Its conditions are from the data named below: what was kept of them is as it was there, the rest was drawn by a
diffusion model.
{%- else -%}
Every sample was drawn by a diffusion model; nothing in it was photographed or recorded.
{%- endif %} Made with
synthgen; `recipe.yaml` beside this file makes it again{% if m.local_parts %}, together with the plug-in files that
define {{ m.local_parts | map("code") | join(", ") }} (`--plugin FILE`){% endif %}.
{% if m.smoke %}
> **Smoke:** the models behind it had random weights, to try the recipe out. Its samples mean nothing.
{% endif %}{% if not m.complete %}
> **Incomplete:** {{ m.samples }} of {{ m.planned }} samples. {{ m.short.count }} slots ran out of tries,
> {{ m.n_missing_shards }} shards are missing. `synthgen run recipe.yaml -o .{{ plugin_option }}`
> finishes it; more `tries` help short slots.
{% endif %}
| | |
|---|---|
| samples | {{ m.samples }} |
| splits | {% for name, n in m.splits.items() %}{{ name }} {{ n }}{{ ", " if not loop.last }}{% endfor %} |
| tries | {{ m.tries }} ({{ "%.1f" | format(100 * m.samples / m.tries if m.tries else 0) }} % accepted) |
| digest | `{{ m.digest }}` |
{% if m.classes %}
## Classes

| id | class | samples |
|---|---|---|
{% for name, n in m.classes.items() %}| {{ loop.index0 }} | {{ name | text }} | {{ n }} |
{% endfor %}{% endif %}{% if m.get("objects") %}
## What is in them

| class of objects or events | how many |
|---|---|
{% for name, n in m.objects.items() %}| {{ name | text }} | {{ n }} |
{% endfor %}{% endif %}
## Fields

| field | what it holds |
|---|---|
{% for name, field in fields.items() %}| {{ name | code }} | {{ field.text(markdown) }} |
{% endfor %}
## Load it

```python
import synthgen

dataset = synthgen.load("."{% if plugins %}, plugins=["FILE"]{% endif %}
{%- if not m.complete %}, allow_incomplete=True{% endif %})
print(dataset[0])  # fields, with the shapes of arrays
```

In batches, with lists where lengths differ, as of boxes:

```python
from torch.utils.data import DataLoader

batch = next(iter(DataLoader(dataset, batch_size=8, collate_fn=synthgen.collate)))
```
{% for text in writers %}
{{ text }}
{% endfor %}
## Keep rules

{% if m.rejected or m.identity["keep"] %}| rule | rejected tries |
|---|---|
{% for rule in m.identity["keep"] %}| {{ rule | code }} | {{ m.rejected.get(rule, 0) }} |
{% endfor %}
Rejected tries are listed with their scores in `index/`. A rule also narrows the data: what the scorer finds
hard is rarer here than in reality.{% else %}None: every sample that was drawn is here.{% endif %}
{% if m.notes is defined %}
## What was measured

{% for note in m.notes %}- {{ note }}.
{% endfor %}{% endif %}
{% if m.sources %}## What it stands on

| | name | licence | sha256 or commit |
|---|---|---|---|
{% for s in m.sources %}| {{ s.kind }} | {{ credit(s) | text }} | {{ s.licence | text }} | `{{ sha(s) }}` |
{% endfor %}
{% for s in m.sources %}{% for note in s.get("notes", []) %}{{ s.name | text }}: {{ note | text }}.

{% endfor %}{% endfor -%}
The samples inherit what these licences ask for.
{% for warning in m.warnings %}
> **Note:** {{ warning | text }}.
{% endfor %}{% endif %}"""


TASKS = (
    "image-classification",
    "image-segmentation",
    "object-detection",
    "depth-estimation",
    "time-series-forecasting",
)
"""The order in which tasks are listed; others follow."""


def dataset_card(manifest: dict[str, Any]) -> str:
    """README.md with the front matter that dataset hubs read."""
    import jinja2
    import yaml

    writers = sorted(map(writer_of, manifest["writers"]), key=lambda writer: writer.suffix)
    environment = jinja2.Environment(trim_blocks=False, undefined=jinja2.StrictUndefined)  # noqa: S701  (Markdown)
    environment.filters |= {"text": markdown, "code": markdown_code}
    front = yaml.safe_dump(front_matter(manifest), sort_keys=False, allow_unicode=True).strip()
    return (
        environment.from_string(CARD).render(
            m=manifest,
            front_matter=front,
            fields=schema_of(manifest["fields"]),
            markdown=markdown,
            writers=[writer.card.format(folder=_folder(manifest, writer.suffix)) for writer in writers if writer.card],
            credit=credit,
            sha=lambda source: (source.get("revision") or source["sha256"])[:16],
            plugins=needs_plugins(manifest),
            plugin_option=" --plugin FILE" if manifest["local_parts"] else "",
        )
        + "\n"
    )


def needs_plugins(manifest: dict[str, Any]) -> bool:
    """Whether the dataset cannot be loaded without a plug-in file: it has a field or a writer from one."""
    plugins = of_process()
    found = [("fields", entry["type"]) for entry in manifest["fields"]]
    found += [("writers", entry["use"]) for entry in manifest["identity"]["writers"]]
    return any(plugins.origin(role, name) for role, name in found)


def front_matter(manifest: dict[str, Any]) -> dict[str, Any]:
    """Licence, size and files by split, as hubs name them."""
    licences = sorted({source["licence"] for source in manifest["sources"] if source["licence"]})
    splits = [name for name, n in manifest["splits"].items() if n]
    kinds = manifest["writers"]
    kind = next((kind for kind in kinds if writer_of(kind).is_table), kinds[0])  # hubs read one format in a folder
    files = [{"split": split, "path": _one_or_all(patterns(manifest, kind, split))} for split in splits]
    fields = schema_of(manifest["fields"])
    found = dict.fromkeys(task for field in fields.values() if (task := field.task(fields)))
    tasks = sorted(found, key=lambda task: TASKS.index(task) if task in TASKS else len(TASKS))
    return {
        "license": licences[0] if len(licences) == 1 else "other",
        "pretty_name": manifest["name"],
        "tags": ["synthetic", "diffusion", "synthgen"],
        **({"task_categories": tasks} if tasks else {}),
        "size_categories": [size_category(manifest["samples"])],
        "configs": [{"config_name": "default", "data_files": files}],
    }


def patterns(manifest: dict[str, Any], kind: str, split: str) -> list[str]:
    """Where the files of one kind and split are; in two folders if the dataset has grown since the layout changed."""
    folders: dict[str, list[str]] = manifest.get("folders", {}).get(kind, {})
    return [f"{folder}/*.{kind}" for folder in folders.get(split, [f"data/{split}"])]


def _folder(manifest: dict[str, Any], kind: str) -> str:
    """The first folder with files of a kind."""
    found = manifest.get("folders", {}).get(kind, {}).values()
    return min((folder.partition("/")[0] for of_split in found for folder in of_split), default=kind)


def _one_or_all(found: list[str]) -> str | list[str]:
    return found[0] if len(found) == 1 else found


def credit(source: dict[str, Any]) -> str:
    """A source's name and, of a model whose card names them, the data that it was trained on."""
    names = source.get("datasets") or []
    trained = ", ".join(map(str, [names] if isinstance(names, str) else names))
    return f"{source['name']}, trained on {trained}" if trained else str(source["name"])


def size_category(n: int) -> str:
    """The hub's words for a number of samples."""
    bounds = [(1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"), (1e7, "1M<n<10M")]
    return next((words for bound, words in bounds if n < bound), "n>10M")


def croissant(manifest: dict[str, Any]) -> str:
    """Croissant 1.0 metadata: the files by split, and the fields of one record.

    Source: the MLCommons Croissant format specification, version 1.0.
    """
    kind = manifest["writers"][-1]
    writer, schema = writer_of(kind), schema_of(manifest["fields"])
    splits = [name for name, n in manifest["splits"].items() if n]
    licences = sorted({source["licence"] for source in manifest["sources"] if source["licence"]})

    def fields(split: str) -> list[dict[str, Any]]:
        return [
            {
                "@type": "cr:Field",
                "@id": f"{split}/{name}",
                "name": name,
                "description": field.text(str),
                "dataType": field.croissant_type,
                **({"repeated": True} if field.repeated else {}),
                "source": {
                    "fileSet": {"@id": f"{split}-files"},
                    "extract": {"column": name} if writer.is_table else {"fileProperty": "content"},
                },
            }
            for name, field in schema.items()
        ]

    document = {
        "@context": CROISSANT_CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": manifest["name"],
        "description": manifest["description"] or "A synthetic dataset.",
        "license": licences,
        "version": f"1.0.0+{manifest['digest'][:8]}",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "folder",
                "name": "folder",
                "contentUrl": "./",
                "encodingFormat": "inode/directory",
                "sha256": manifest["digest"],
            },
            *(
                {
                    "@type": "cr:FileSet",
                    "@id": f"{split}-files",
                    "name": f"{split}-files",
                    "containedIn": {"@id": "folder"},
                    "encodingFormat": writer.media_type,
                    "includes": _one_or_all(patterns(manifest, kind, split)),
                }
                for split in splits
            ),
        ],
        "recordSet": [
            {"@type": "cr:RecordSet", "@id": split, "name": split, "field": fields(split)} for split in splits
        ],
    }
    return json.dumps(document, indent=1) + "\n"


CROISSANT_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
