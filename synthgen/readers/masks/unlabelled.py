"""Images without masks, beside those that have some: `data.unlabelled` of a section of images with masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from synthgen.base.fetched import local_path
from synthgen.base.units import plural
from synthgen.errors import DataError
from synthgen.readers import listing, validation
from synthgen.readers.masks import files as mask_files
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import Example, Examples, MaskData
from synthgen.readers.problems import Problems


@dataclass(frozen=True, slots=True)
class Unmasked:
    """Images of any sizes, without objects and with the label 0; `notes` say how they were read."""

    items: tuple[Example, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    def split(self, share: float, seed: int) -> tuple[Unmasked, Unmasked]:
        """(rest, held out), at least one image each.

        Raises:
            DataError: there is one image only.
        """
        rest, held, said = validation.without_labels(len(self), share, seed, "masks")
        return Unmasked(tuple(self.items[i] for i in rest), (*self.notes, said)), Unmasked(
            tuple(self.items[i] for i in held)
        )


def read(data: MaskData, beside: Examples) -> Unmasked:
    """The images that `data.unlabelled` names, in the scale and the range of those with masks.

    Of a folder with folders of splits, the training images are read. Images that are among those with masks, or in
    other splits of these, are left out: what is held out must stay unseen.

    Raises:
        DataError: there are none, or some cannot be read.
    """
    assert data.unlabelled is not None
    found = mask_files.places(data, "train")
    files, training = _files(data, found)
    pixels, problems = reader.pixel_range(data, found), Problems(data.skip_broken)
    known = {item.image.tobytes() for item in (*beside.items, *reader.held_out(data))}
    items, n_known = list[Example](), 0
    for path in files:
        with problems.picture(str(path)):
            image = mask_files.scaled(mask_files.picture(path, pixels), data.scale)
            if image.tobytes() in known:
                n_known += 1
            else:
                items.append(Example(str(path), image, 0))
    problems.check()
    if not items:
        raise DataError(
            f"data.unlabelled: {data.unlabelled}: all of its images have masks; name a folder with others, or leave it "
            "out"
        )
    notes = [f"images without masks are those of {training}"] if training else []
    partly = mask_files.is_partly(data, found)
    if text := "" if partly else listing.unread(listing.files(training or local_path(data.unlabelled))):
        notes.append(text)
    if n_known and not partly:
        notes.append(
            f"{plural(n_known, 'image')} of {data.unlabelled} are among those with masks, of all splits, and left out"
        )
    return Unmasked(tuple(items), (*notes, *([problems.note] if problems.note else [])))


def _files(data: MaskData, found: mask_files.Places) -> tuple[list[Path], Path | None]:
    """The images, and the folder of a training split if they are those of one."""
    assert data.unlabelled is not None
    if mask_files.is_partly(data, found):
        return reader.without_masks(data, found), None
    place = local_path(data.unlabelled)
    if not place.is_dir():
        raise DataError(f"data.unlabelled: {data.unlabelled}: no such folder; a folder of images is accepted")
    training = listing.split_folder(place, "train")
    files = listing.pictures(training or place)
    if not files:
        raise DataError(
            f"data.unlabelled: {training or data.unlabelled}: has no images ({listing.ENDINGS}), in subfolders neither"
        )
    return files, training
