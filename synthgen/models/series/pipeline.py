"""The series pipeline: a transformer over time steps, its scaler, any diffusers scheduler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from diffusers.utils import BaseOutput
from diffusers.utils.torch_utils import randn_tensor

from synthgen.models.finite import finite
from synthgen.models.sampling import denoise
from synthgen.models.series.cells import around
from synthgen.models.series.denoiser import SeriesDenoiser
from synthgen.models.series.entities import Entities
from synthgen.models.series.scaler import SeriesScaler


@dataclass
class SeriesOutput(BaseOutput):
    """Generated series.

    Attributes:
        series: (N, L, C) in units, float32 or, as the scaler has it, float64; known values are as they were given. NaN
            where series that are generated again have gaps.
        times: float64 (N, L) in the model's `time_unit`.
    """

    series: np.ndarray
    times: np.ndarray


class SeriesPipeline(DiffusionPipeline):
    """Multivariate series of given classes, static numbers and covariates, whole or around known values.

    Args:
        denoiser: the network; scaler: between units and what it sees.
        scheduler: any diffusers scheduler with `scale_model_input` and `step`.
        id2label: class names by id; channels, units: names and units of the channels.
        length: steps of the windows that were trained.
        time_unit: unit of times; covariates, static: names of the other numbers that it knows.
        continues: whether it was trained to go on from a beginning anywhere in a series, which long series need.
        calendar: what `Calendar.stored` says of a model that knows real times, whose covariates are the last ones.
        entities: what `Entities.stored` says of a model of several entities; if it knows which of them a series is of,
            the static columns of that are the last ones.
    """

    def __init__(
        self,
        denoiser: SeriesDenoiser,
        scaler: SeriesScaler,
        scheduler: Any,
        id2label: dict[int | str, str] | None = None,
        channels: Sequence[str] = (),
        units: Sequence[str] = (),
        length: int = 1,
        time_unit: str = "step",
        covariates: Sequence[str] = (),
        static: Sequence[str] = (),
        continues: bool = False,
        calendar: dict[str, Any] | None = None,
        entities: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.register_modules(denoiser=denoiser, scaler=scaler, scheduler=scheduler)
        self.register_to_config(
            id2label={str(i): name for i, name in (id2label or {}).items()},
            channels=list(channels),
            units=list(units),
            length=length,
            time_unit=time_unit,
            covariates=list(covariates),
            static=list(static),
            continues=continues,
            **({"calendar": calendar} if calendar else {}),
            **({"entities": entities} if entities else {}),
        )

    @property
    def classes(self) -> list[str]:
        """Class names in id order."""
        return [name for _, name in sorted((int(i), name) for i, name in self.config.id2label.items())]

    @property
    def noise_shape(self) -> tuple[int, int]:
        """Shape of one sample's noise at the trained length: (steps, scaled channels)."""
        return int(self.config.length), int(self.scaler.n_scaled)

    @torch.inference_mode()
    def __call__(
        self,
        class_labels: Sequence[int],
        known: np.ndarray | None = None,
        times: np.ndarray | None = None,
        covariates: np.ndarray | None = None,
        static: np.ndarray | None = None,
        guidance_scale: float | Sequence[float] = 1.0,
        num_inference_steps: int = 20,
        guidance_interval: tuple[float, float] = (0.0, 1.0),
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: torch.Tensor | None = None,
        shifted: Sequence[bool] | None = None,
        real: np.ndarray | None = None,
        strength: float = 1.0,
    ) -> SeriesOutput:
        """Generates one series for each class id.

        Args:
            known: values in units (N, L, C) that the series are generated around, NaN where they are generated:
                gaps of a series, or what follows its beginning. All are generated if None.
            times: (N, L) rising, in `time_unit`; by default regular.
            covariates: (N, L, K); static: (N, S), NaN where unknown; required if the model was trained with them. The
                columns that say which entity a series is of may be left out: it is then of none that the model knows.
            guidance_scale: one number, or one a series; 1 is no guidance and costs half as much.
            guidance_interval: the part of the steps that is guided, as shares from 0 (noise) to 1 (series).
            generator: one for each series, for schedulers that draw noise at every step.
            latents: standard normal noise (N, L, scaled channels); drawn if None.
            shifted: of which series the levels may be others than those of the training data; by default of those of
                which something is known.
            real: values in units (N, L, C), which are generated again in place of new ones; gaps, NaN, stay gaps.
            strength: how far, as the share of the steps that they go through, above 0 and up to 1.

        Raises:
            ValueError: a class id out of range, arrays of wrong shapes, times that do not rise.
        """
        n, n_classes = len(class_labels), len(self.classes)
        if not all(0 <= label < n_classes for label in class_labels):
            raise ValueError(f"class ids must be from 0 to {n_classes - 1}, got {list(class_labels)}")
        length = self._length(known, real, times, covariates, latents)
        device = self._execution_device
        shape = (n, length, int(self.scaler.n_scaled))
        if latents is None:
            latents = randn_tensor(shape, generator=generator, device=device, dtype=torch.float32)
        when = self._times(times, n, length)
        nothing = np.full((n, length, len(self.config.channels)), np.nan, dtype=np.float32)
        given, again = (nothing if values is None else values for values in (known, real))
        of_channels = (*shape[:2], nothing.shape[-1])
        self._check(
            {
                "latents": (latents, shape),
                "times": (when, shape[:2]),
                "known": (given, of_channels),
                "real": (again, of_channels),
            }
        )
        scaled = self.scaler.scale(torch.from_numpy(np.ascontiguousarray(given)).to(device))
        labels = torch.as_tensor(class_labels, device=device)
        told = ~np.isnan(given).all((1, 2)) if shifted is None else np.asarray(shifted, dtype=bool)
        fixed = {
            "shifted": torch.as_tensor(told, device=device),
            "times": torch.tensor(when, dtype=torch.float32, device=device),
            "known": scaled,
            "absent": torch.zeros_like(scaled, dtype=torch.bool),
            "covariates": self._extra("covariates", covariates, (n, length), device),
            "static": self._extra("static", self._with_identity(static, n), (n,), device),
        }
        guidance = torch.as_tensor(guidance_scale, device=device, dtype=torch.float32).expand(n)

        unguided = fixed | {"static": self._of_nobody(fixed["static"])}

        def evaluate(x: torch.Tensor, level: torch.Tensor, conditional: bool) -> torch.Tensor:
            shown = labels if conditional else torch.full_like(labels, n_classes)
            more = fixed if conditional else unguided
            return self.denoiser(x.to(self.denoiser.dtype), level, shown, **more).float()

        start = None
        if real is not None:
            steps = fixed["times"] / self.denoiser.config.interval
            _, without_gaps, _, _ = around(self.scaler.scale(torch.from_numpy(real).to(device)), steps)
            start = without_gaps, strength
        x = denoise(
            self.scheduler,
            latents.to(device, torch.float32),
            evaluate,
            num_inference_steps,
            guidance,
            guidance_interval,
            generator,
            self.progress_bar,
            start,
        )
        x = torch.where(scaled.isnan(), x, scaled)
        is_given = ~np.isnan(given)
        beside = torch.from_numpy(np.where(is_given, given, again)).to(device)
        drawn = finite(self.scaler.unscale(x, beside).cpu().numpy(), "values of series")
        series = self.scaler.hold(np.where(is_given, given, drawn).astype(self.scaler.dtype_in_units), x, is_given)
        if real is not None:
            series[np.isnan(real) & ~is_given] = np.nan
        return SeriesOutput(series=series, times=when)

    def _length(self, *arrays: Any) -> int:
        return int(next((a.shape[1] for a in arrays if a is not None), self.config.length))

    def _times(self, times: np.ndarray | None, n: int, length: int) -> np.ndarray:
        if times is None:
            regular = np.arange(length, dtype=np.float64) * float(self.denoiser.config.interval)
            return np.broadcast_to(regular, (n, length)).copy()
        if not (np.diff(times, axis=1) > 0).all():
            raise ValueError("times must rise from step to step")
        return np.asarray(times, dtype=np.float64)

    def _extra(self, name: str, values: np.ndarray | None, before: tuple[int, ...], device: Any) -> Any:
        """Covariates or static numbers as a tensor, None if the model knows none."""
        names = self.config[name]
        if not names:
            if values is not None:
                raise ValueError(f"the model was trained without {name}")
            return None
        if values is None:
            raise ValueError(f"the model needs {name}: {', '.join(names)}")
        self._check({name: (values, (*before, len(names)))})
        return torch.from_numpy(np.array(values)).to(device)

    def _with_identity(self, static: np.ndarray | None, n: int) -> np.ndarray | None:
        """Static numbers with the columns that say which entity a series is of, NaN where they are left out."""
        entities = Entities.of(self.config)
        own = len(self.config.static) - (len(entities.columns) if entities else 0)
        unknown = np.full((n, len(self.config.static) - own), np.nan, dtype=np.float32)
        if static is None:
            return unknown if unknown.size and not own else None
        return np.concatenate([static, unknown], axis=1) if static.shape[1:] == (own,) else static

    def _of_nobody(self, static: torch.Tensor | None) -> torch.Tensor | None:
        """Static numbers that do not say which entity it is: guidance leads towards the entity as towards the class."""
        entities = Entities.of(self.config)
        if static is None or entities is None or not entities.known:
            return static
        static = static.clone()
        static[:, -len(entities.names) :] = torch.nan
        return static

    @staticmethod
    def _check(found: dict[str, tuple[Any, tuple[int, ...]]]) -> None:
        for name, (array, shape) in found.items():
            if tuple(array.shape) != shape:
                raise ValueError(f"{name} must have the shape {shape}, got {tuple(array.shape)}")
