"""Prometheus text."""

from guru.observe.metrics import MOST_MODELS, Counter, Gauge, Histogram, Metrics
from guru.observe.spans import Trace


def test_a_counter_counts_per_label():
    counter = Counter("answers_total", "Answers.", ("status",))
    counter.add("ok")
    counter.add("ok", amount=2)
    counter.add('a "quoted"\nname')
    assert list(counter.lines()) == [
        'answers_total{status="ok"} 3',
        r'answers_total{status="a \"quoted\"\nname"} 1',
    ]


def test_buckets_are_cumulative_and_include_their_bound():
    histogram = Histogram("seconds", "Time.", ("route",), bounds=(0.1, 1.0))
    for value in (0.1, 0.5, 2.0):
        histogram.observe("ask", value=value)
    assert list(histogram.lines()) == [
        'seconds_bucket{route="ask",le="0.1"} 1',
        'seconds_bucket{route="ask",le="1"} 2',
        'seconds_bucket{route="ask",le="+Inf"} 3',
        'seconds_sum{route="ask"} 2.6',
        'seconds_count{route="ask"} 3',
    ]


def test_a_gauge_is_read_when_it_is_asked():
    metrics, values = Metrics(), {("a",): 1.5}
    metrics.add(Gauge("waiting", "What waits.", lambda: values, ("queue",)))
    values[("b",)] = 2
    assert metrics.render().endswith(
        '# HELP waiting What waits.\n# TYPE waiting gauge\nwaiting{queue="a"} 1.5\nwaiting{queue="b"} 2\n'
    )


def test_names_that_callers_make_up_do_not_fill_the_memory():
    metrics = Metrics()
    for number in range(MOST_MODELS + 100):
        trace = Trace(f"tr_{number}", "local", "chat")
        trace.model = f"up/{number}"
        metrics.count(trace.record())
    assert len(metrics.requests.counted) == MOST_MODELS + 1
    assert metrics.requests.counted["chat", "other", "ok"].number == 100
