"""The report of a tuning as a page of its own: what to use, the chart, and a table of all settings."""

from __future__ import annotations

from html import escape
from typing import Final

from guru.evaluate.chart import svg
from guru.evaluate.describe import failures, is_chosen, label, verdict
from guru.types import JSON

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --quiet: #5c6370; --paper: #fff; --line: #dfe2e7;
  --hybrid: #2563eb; --dense: #c2680a; --sparse: #047857; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaee; --quiet: #9aa3b2; --paper: #14171c; --line: #2c323b;
  --hybrid: #6ea2ff; --dense: #f0a043; --sparse: #3ecf9b; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: var(--ink);
  background: var(--paper); }
.wide { overflow-x: auto; } svg { width: 100%; min-width: 40rem; height: auto; font: 12px system-ui, sans-serif; }
text { fill: var(--ink); } .quiet { fill: var(--quiet); } .grid { stroke: var(--line); }
.note { paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round; }
.hybrid { fill: var(--hybrid); } .dense { fill: var(--dense); } .sparse { fill: var(--sparse); }
.reranked { stroke: var(--ink); stroke-width: 2; }
.front { fill: none; stroke: var(--quiet); stroke-dasharray: 5 4; } .bar { stroke: var(--quiet); stroke-width: 1; }
.faint { opacity: .4; }
.ring { fill: none; stroke: var(--ink); stroke-width: 1.5; }
table { border-collapse: collapse; width: 100%; } th, td { padding: .3rem .4rem; text-align: right; }
th { border-bottom: 1px solid var(--line); } th, td { white-space: nowrap; font-variant-numeric: tabular-nums; }
td:first-child, th:first-child { text-align: left; min-width: 12rem; white-space: normal; }
tr.chosen td { font-weight: 600; }
td.failed { text-align: left; white-space: normal; color: var(--quiet); }
"""


def page(report: JSON) -> str:
    """A whole HTML document that needs nothing else."""
    title = f"Settings of search for {report['collection']}"
    metric = report["options"]["metric"].replace("_", " ")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style><h1>{escape(title)}</h1><p>{escape(verdict(report))}</p>"
        f'{changes(report)}<div class="wide" role="region" aria-label="Chart" tabindex="0">{svg(report)}</div>'
        f'<div class="wide" role="region" aria-label="All settings" tabindex="0">{table(report)}</div>'
        f"<p>{report['questions']} questions. The marks with a name are the current setting, the recommended one, and "
        "those that no other one beats in both, which the dashed line joins; the others tell theirs to the pointer. "
        "A bar is where the mean lies for other questions of this kind, in 95 of 100 cases. A gain is of "
        f"{escape(metric)} over the current setting, question by question, in an interval that holds for all settings "
        "at once.</p></html>"
    )


def changes(report: JSON) -> str:
    """What is to be written into the configuration."""
    found = (report["recommendation"] or {}).get("configuration")
    if not found:
        return ""
    return f"<p>In <code>[knowledge]</code>:</p><pre>{escape(chr(10).join(to_toml(found)))}</pre>"


def to_toml(values: JSON) -> list[str]:
    """A line for each key. Names of models are the only texts, and JSON's are TOML's."""
    import json

    return [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]


def table(report: JSON) -> str:
    """Every setting, the best first, and what failed at the end."""
    metric = report["options"]["metric"]
    heads = ("setting", "recall", "nDCG", "MRR", "precision", "gain", "p50 ms", "p99 ms", "characters")
    whole = [setting for setting in report["settings"] if not setting.get("failed")]
    whole.sort(key=lambda setting: -setting["metrics"][metric]["mean"])
    rows = [measured(setting, report) for setting in whole]
    for setting in report["settings"]:
        if why := failures(setting, report["questions"]):
            name = escape(label(setting) + (" (current)" if setting["current"] else ""))
            rows.append(f'<tr><td>{name}</td><td class="failed" colspan="{len(heads) - 1}">{escape(why)}</td></tr>')
    return "<table><tr>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr>" + "".join(rows) + "</table>"


def measured(setting: JSON, report: JSON) -> str:
    """The row of a setting that worked for every question."""
    gain = setting["gain"]
    cells = [
        label(setting) + (" (current)" if setting["current"] else ""),
        *(f"{setting['metrics'][name]['mean']:.3f}" for name in ("recall", "ndcg", "mrr", "precision")),
        "" if gain is None else f"{gain['mean']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})",
        f"{setting['latency']['p50'] * 1000:.1f}",
        f"{setting['latency']['p99'] * 1000:.1f}",
        f"{setting['characters']:,.0f}",
    ]
    kind = ' class="chosen"' if is_chosen(setting, report) else ""
    return f"<tr{kind}>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
