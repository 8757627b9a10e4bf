"""Windows as places in the rows of a table, so that windows that overlap cost no more memory than the table."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from synthgen.errors import DataError
from synthgen.readers.series.types import Channel

MAX_BYTES = 16 << 30


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of L steps, N of them, kept as places in the rows of all recordings, R of them, which are stored once.

    rows: (R, C), NaN is missing; row_covariates: (R, K), finite; each float32, or float64 where a column needs it.
    row_times: float64 (R,).
    first: int64 (N,), each window's first row among them.
    length: L.
    lengths: int64 (N,), steps that are real.
    entity_static: (E, S), static columns of every recording, NaN is unknown; float32 or float64 likewise.
    labels: int64 (N,), class ids, zeros if there are no classes.
    entities, starts: int64 (N,), the recording's number and the window's first row in it.
    row_stamps: int64 (R,), microseconds since 1970, in UTC if `zoned`; None if times are numbers.
    entity_names: of every recording (E,); empty if nobody named them.
    skipped: windows that were left out: without any value, or around events too near to the ends of their part.
    row_step_labels: uint8 (R,), 0 unknown, ids of `step_classes` from 1 on; None without such.
    """

    rows: np.ndarray
    row_covariates: np.ndarray
    row_times: np.ndarray
    first: np.ndarray
    length: int
    lengths: np.ndarray
    entity_static: np.ndarray
    labels: np.ndarray
    entities: np.ndarray
    starts: np.ndarray
    channels: tuple[Channel, ...]
    covariate_names: tuple[str, ...]
    static_names: tuple[str, ...]
    classes: tuple[str, ...]
    time_unit: str
    interval: float | None
    row_stamps: np.ndarray | None = None
    zoned: bool = False
    entity_names: tuple[str, ...] = ()
    skipped: int = 0
    row_step_labels: np.ndarray | None = None
    step_classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, rows: np.ndarray) -> Windows:
        """The windows of these numbers (or where a mask is true), in that order."""
        arrays = ("first", "lengths", "labels", "entities", "starts")
        return replace(self, **{name: getattr(self, name)[rows] for name in arrays})

    @property
    def static(self) -> np.ndarray:
        """(N, S), NaN is unknown: the static columns of each window's recording."""
        found: np.ndarray = self.entity_static[self.entities]
        return found

    @property
    def places(self) -> np.ndarray:
        """int64 (N, L): the row of each step; the last real one is repeated after `lengths`."""
        steps = np.minimum(np.arange(self.length), self.lengths[:, None] - 1)
        places: np.ndarray = self.first[:, None] + steps
        return places

    @property
    def values(self) -> np.ndarray:
        """(N, L, C), of the dtype of `rows`, NaN is missing, and NaN from step `lengths` on; to be read only.

        A view of `rows` if windows are equally far apart, else a copy, L times as large as `rows` at a stride of 1:
        take a few windows first.

        Raises:
            DataError: it would not fit into memory.
        """
        view = self._view(self.rows)
        if view is not None:
            return view
        self._check_memory(self.rows.itemsize * self.rows.shape[1])
        values: np.ndarray = self.rows[self.places]
        values[np.arange(self.length) >= self.lengths[:, None]] = np.nan
        return values

    @property
    def covariates(self) -> np.ndarray:
        """(N, L, K), finite; the last row is repeated after `lengths`. A view or a copy, as `values`."""
        view = self._view(self.row_covariates)
        if view is not None:
            return view
        self._check_memory(self.row_covariates.itemsize * self.row_covariates.shape[1])
        made: np.ndarray = self.row_covariates[self.places]
        return made

    @property
    def step_labels(self) -> np.ndarray:
        """uint8 (N, L): ids of `step_classes` from 1 on, 0 where unknown, and from step `lengths` on. A copy."""
        assert self.row_step_labels is not None
        found: np.ndarray = self.row_step_labels[self.places]
        found[np.arange(self.length) >= self.lengths[:, None]] = 0
        return found

    @property
    def times(self) -> np.ndarray:
        """float64 (N, L), since the window's first step, strictly increasing.

        After its last step they go on by its median step. A view if steps are regular.
        """
        steps = np.arange(self.length)
        if self.interval is not None:
            regular: np.ndarray = steps * self.interval
            return np.broadcast_to(regular, (len(self), self.length))
        self._check_memory(8)
        times: np.ndarray = self.row_times[self.places]
        times -= times[:, :1]
        for i in np.flatnonzero(self.lengths < self.length):
            real = int(self.lengths[i])
            times[i, real:] += np.median(np.diff(times[i, :real])) * np.arange(1, self.length - real + 1)
        return times

    @property
    def covered(self) -> np.ndarray:
        """bool (R,): rows that are in a window of these."""
        return self._inside(0)

    @property
    def median_step(self) -> float:
        """From a row to the next one in the same window: the interval, or the median if times are irregular."""
        if self.interval is not None:
            return self.interval
        return float(np.median(np.diff(self.row_times)[self._inside(1)[:-1]]))

    def _inside(self, n_last: int) -> np.ndarray:
        """bool (R,): rows that are in a window, and not among its last ones."""
        edges = np.zeros(len(self.rows) + 1, dtype=np.int64)
        np.add.at(edges, self.first, 1)
        np.add.at(edges, self.first + self.lengths - n_last, -1)
        inside: np.ndarray = np.cumsum(edges[:-1]) > 0
        return inside

    def _check_memory(self, step_bytes: int) -> None:
        if len(self) * self.length * step_bytes > MAX_BYTES:
            raise DataError(
                f"{len(self):,} windows of {self.length} steps do not fit into memory at once ({MAX_BYTES >> 30} GiB); "
                "raise `stride`"
            )

    def _view(self, rows: np.ndarray) -> np.ndarray | None:
        """Windows of these rows without a copy, None if their places do not allow it."""
        gaps = np.unique(np.diff(self.first))
        if len(gaps) != 1 or gaps[0] <= 0 or (self.lengths < self.length).any():
            return None
        slices = slice(int(self.first[0]), int(self.first[-1]) + 1, int(gaps[0]))
        return sliding_window_view(rows, self.length, axis=0)[slices].transpose(0, 2, 1)
