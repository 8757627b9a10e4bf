"""Progress of a run for Prometheus: gauges that are read when somebody asks, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from synthgen.cli.progress import Lines
from synthgen.errors import UsageError

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

PREFIX = "synthgen"
PLAIN = {
    "samples": "Samples that were kept, those of unfinished shards included.",
    "planned": "Samples that the dataset will have.",
    "tries": "Samples that were generated, rejected ones included.",
    "short": "Slots that ran out of tries.",
    "samples_per_s": "Samples kept a second, over the last minute.",
    "left_s": "Seconds that the rest will take.",
    "gpu_s_per_sample": "Seconds of a GPU for each kept sample.",
}
"""Gauges by the name of the fact."""
LABELLED = {
    "rejected": ("rule", "Tries that were rejected, by rule."),
    "shards": ("state", "Shards: done and planned."),
    "workers": ("state", "Workers: those there are or will be, alive ones, and how many were lost."),
    "seconds": ("stage", "Seconds that workers spent in this run, by stage."),
    "classes": ("class", "Kept samples of finished shards, by class."),
}
"""Gauges with a label: its name, and what they are."""


class Collector:
    """What Prometheus asks; a fact that is not known yet has no sample."""

    def __init__(self, observer: Lines) -> None:
        self._observer = observer

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        facts: Mapping[str, Any] = self._observer.snapshot
        name = self._observer.plan.recipe.name if self._observer.plan else ""
        for key, text in PLAIN.items():
            gauge = GaugeMetricFamily(f"{PREFIX}_{key}", text, labels=["dataset"])
            if facts.get(key) is not None:
                gauge.add_metric([name], float(facts[key]))
            yield gauge
        for key, (label, text) in LABELLED.items():
            gauge = GaugeMetricFamily(f"{PREFIX}_{key}", text, labels=["dataset", label])
            for value, number in facts.get(key, {}).items():
                gauge.add_metric([name, value], float(number))
            yield gauge


def serve(port: int, observer: Lines) -> None:
    """Answers at `http://<this host>:<port>/metrics` until the process ends.

    Raises:
        UsageError: the port is taken, or not this user's to take.
    """
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry()
    registry.register(Collector(observer))
    try:
        start_http_server(port, registry=registry)
    except OSError as error:
        raise UsageError(f"--metrics-port {port}: {error.strerror}; name another port") from None
