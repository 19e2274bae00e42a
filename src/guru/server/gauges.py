"""What `/metrics` looks up when it is asked."""

from __future__ import annotations

import psutil

from guru.observe.metrics import Gauge
from guru.server.services import Services


def add_gauges(services: Services) -> None:
    """Memory of this process and its workers, and what waits."""
    process = psutil.Process()

    def memory() -> dict[tuple[str, ...], float]:
        children = process.children(recursive=True)
        workers = sum(resident(child) for child in children)
        return {("server",): float(resident(process)), ("workers",): float(workers)}

    def failures() -> dict[tuple[str, ...], float]:
        return {(model,): float(count) for model, count in services.models.worker_failures().items()}

    add = services.metrics.add
    add(Gauge("guru_memory_bytes", "Resident memory.", memory, ("process",)))
    add(Gauge("guru_worker_failures_total", "Workers that died or did not start.", failures, ("model",), "counter"))
    add(Gauge("guru_requests_running", "Requests on the road.", lambda: services.tracer.running))
    add(Gauge("guru_traces_waiting", "Traces that are not yet rows.", lambda: services.tracer.waiting))


def resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
