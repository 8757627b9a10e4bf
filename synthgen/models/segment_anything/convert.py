"""Official Segment Anything checkpoints (.pth) into model folders: the only place that opens a pickle.

Run as `python -m synthgen.models.segment_anything.convert FILE FOLDER` in a process of its own, which
`synthgen models convert` starts without the caller's environment. The pickle is read opcode by
opcode before anything is loaded, and refused if it names anything but tensors.
"""

from __future__ import annotations

import pickletools
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthgen.base.names import markdown, markdown_code
from synthgen.errors import ModelError

ALLOWED = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    "torch FloatStorage",
    "torch HalfStorage",
    "torch BFloat16Storage",
    "torch DoubleStorage",
    "torch LongStorage",
}
"""All that the pickle of a state dict needs."""

REFUSED_OPCODES = {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "STACK_GLOBAL"}
CARD = """---
{front_matter}
---
# {name}

Segment Anything, {kind}, converted from {file} (sha256 {sha256}).

## Data

SA-1B (Meta AI), as the authors say; nothing was trained here.

## Use

In a recipe: `labelers: [{{use: segment-anything, model: <this folder>}}]`.

Source: Kirillov et al. 2023, "Segment Anything".
"""


def check_pickle(path: Path) -> None:
    """Raises ModelError unless the file is a torch archive whose pickle holds tensors and nothing else.

    Nothing is executed: opcodes are only read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
            names = [name for name in archive.namelist() if name.endswith("data.pkl")]
            raw = archive.read(names[0]) if len(names) == 1 else b""
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError) as error:
        raise ModelError(
            f"{path}: is no torch archive, or is truncated ({error}); download it again, and check its size"
        ) from None
    if broken or not raw:
        raise ModelError(f"{path}: is damaged or no torch checkpoint ({broken or 'it has no data.pkl'})")
    try:
        for opcode, argument, _ in pickletools.genops(raw):
            named = argument if opcode.name == "GLOBAL" else None
            if opcode.name in REFUSED_OPCODES or (named is not None and named not in ALLOWED):
                raise ModelError(
                    f"{path}: carries code ({named or opcode.name}), which a checkpoint of weights has no use for; "
                    "it was not loaded"
                )
    except ValueError as error:
        raise ModelError(f"{path}: its pickle cannot be read: {error}") from None


def official_kind(state: Mapping[str, Any]) -> str:
    """`vit_b`, `vit_l` or `vit_h`, by the shape of the weights.

    Raises:
        ModelError: they are none of these.
    """
    from synthgen.models.segment_anything.network import OFFICIAL

    key = "image_encoder.patch_embed.proj.weight"
    if key not in state:
        raise ModelError(f"has no `{key}`; only official Segment Anything checkpoints (vit_b, vit_l, vit_h) are known")
    width = int(state[key].shape[0])
    depth = 1 + max(int(name.split(".")[2]) for name in state if name.startswith("image_encoder.blocks."))
    for kind, shape in OFFICIAL.items():
        if (shape["embed_dim"], shape["depth"]) == (width, depth):
            return kind
    raise ModelError(
        f"has an image encoder of width {width} and depth {depth}; known are "
        + ", ".join(f"{kind} ({shape['embed_dim']}, {shape['depth']})" for kind, shape in OFFICIAL.items())
    )


def convert(path: Path, folder: Path, licence: str = "apache-2.0") -> str:
    """Writes the checkpoint as a SegmentAnything folder of safetensors and returns its kind.

    Raises:
        ModelError: the file is no official checkpoint, is damaged, or carries code.
    """
    import torch
    import yaml

    from synthgen.models.folders import file_sha256
    from synthgen.models.segment_anything.network import OFFICIAL, SegmentAnything

    check_pickle(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever torch finds wrong with a file from outside
        raise ModelError(f"{path}: cannot be read as weights: {str(error).splitlines()[0]}") from None
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ModelError(f"{path}: holds something else than named tensors")
    try:
        kind = official_kind(state)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    with torch.device("meta"):
        model = SegmentAnything(**OFFICIAL[kind])
    try:
        model.sam.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        lines = str(error).splitlines()
        raise ModelError(f"{path}: does not fit {kind}: {' '.join(line.strip() for line in lines[1:3])}") from None
    model.save_pretrained(folder)
    front = {"license": licence, "library_name": "diffusers", "tags": ["synthgen"], "objects": ["anything"]}
    text = CARD.format(
        front_matter=yaml.safe_dump(front, sort_keys=False, allow_unicode=True).strip(),
        name=markdown(folder.name),
        kind=kind,
        file=markdown_code(path.name),
        sha256=file_sha256(path),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
    return kind


if __name__ == "__main__":
    try:
        print(convert(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
    except ModelError as problem:
        print(problem, file=sys.stderr)
        sys.exit(1)
