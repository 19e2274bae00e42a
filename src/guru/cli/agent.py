"""`guru agent`: have agents do things, watch them, say yes or no, go on, do again."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from guru.cli.options import asynchronous, home_option, json_option
from guru.cli.runs import before_option, delete_runs, tell_older

if TYPE_CHECKING:
    from pathlib import Path

    from guru.cli.client import Client

JSON = dict[str, Any]
WORKING = ("queued", "running", "pausing")
FAILED = ("failed", "cancelled")
OPEN = ("asking", "waiting")
"""Steps about which a person can say something."""


def set_option(command: Any) -> Any:
    """`--set NAME=VALUE`, handed over as `changes`."""
    return click.option(
        "--set", "changes", multiple=True, metavar="NAME=VALUE",
        help="Another setting of the agent for this run, such as max_steps=50. May be repeated.",
    )(command)  # fmt: skip


@click.group
def command() -> None:
    """Have agents do things: models that use tools."""


@command.command("list")
@home_option
@json_option
@asynchronous
async def list_agents(home: Path, as_json: bool) -> None:
    """List the agents that there are."""
    from guru.cli.client import connect
    from guru.cli.output import one_line, print_list
    from guru.cli.tables import make_table

    async with connect(home) as client:
        found = await client.get("/api/v1/agents")
    table = make_table("agent", strategy="<", model="<", tools="<", description="<")
    for item in found["agents"]:
        agent = item["agent"]
        tools = ", ".join(agent["tools"]) or "–"
        table.add_row(agent["name"], agent["strategy"], agent["model"], tools, one_line(agent["description"], 60))
    print_list(found, table, "There are no agents yet. Write one into guru.toml: [agents.NAME]", as_json=as_json)


@command.command
@click.argument("name")
@home_option
@json_option
@asynchronous
async def show(name: str, home: Path, as_json: bool) -> None:
    """Show how the agent NAME is defined."""
    from guru.cli.client import connect
    from guru.cli.output import print_json

    async with connect(home) as client:
        found = await client.get(agent_path(name))
    if as_json:
        print_json(found)
        return
    click.echo(f"{name}, {'of the configuration' if found['configured'] else 'defined by ' + found['owner']}")
    for key, value in found["agent"].items():
        if value not in (None, "", [], {}) and key != "name":
            click.echo(f"  {key} = {json.dumps(value, ensure_ascii=False)}")


@command.command
@click.argument("name")
@click.argument("request", nargs=-1, required=True)
@set_option
@click.option("--background", is_flag=True, help="Leave it to the server, and print the run's id.")
@home_option
@json_option
@asynchronous
async def run(
    name: str, request: tuple[str, ...], changes: tuple[str, ...], background: bool, home: Path, as_json: bool
) -> None:
    """Have the agent NAME do REQUEST. Where a call waits for a person, you are asked."""
    from guru.cli.client import connect, live_server

    asked = {"input": " ".join(request), "changes": read_changes(changes), "background": True}
    if background and await live_server(home) is None:
        raise click.UsageError("No server runs that could go on with it: guru up")
    async with connect(home) as client:
        begun = await client.post(agent_path(name, "/runs"), asked)
        if background:
            print_run(begun, as_json=as_json)
            return
        await follow(client, begun["id"], as_json=as_json)


@command.command
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--agent", metavar="NAME", help="Those of this agent.")
@click.option("--status", metavar="STATUS", help="Those that are waiting, done, failed ...")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 500), help="How many.")
@before_option
@home_option
@json_option
@asynchronous
async def runs(
    run_id: str | None, agent: str | None, status: str | None, limit: int, before: str | None, home: Path, as_json: bool
) -> None:
    """List the runs, the newest first, or show every step of RUN."""
    from guru.cli.client import connect
    from guru.cli.output import one_line, print_list
    from guru.cli.tables import make_table

    async with connect(home) as client:
        if run_id is not None:
            print_run(await client.get(run_path(run_id)), as_json=as_json, steps=True)
            return
        found = await client.get("/api/v1/runs", agent=agent, status=status, limit=limit, before=before)
    table = make_table("run", agent="<", status="<", steps=">", cost=">", request="<")
    for item in found["runs"]:
        cost = f"${item['cost']:.4f}"
        table.add_row(item["id"], item["agent"], item["status"], str(item["steps"]), cost, one_line(item["input"], 50))
    none = "There are no runs. Begin one: guru agent run NAME REQUEST"
    nothing = "There are none like this." if agent or status or before else none
    print_list(found, table, nothing, as_json=as_json)
    if not as_json:
        tell_older(found)


@command.command
@click.argument("run_id", metavar="RUN")
@click.option("--yes", "say", flag_value="yes", help="Yes to everything that waits.")
@click.option("--no", "say", flag_value="no", help="No to everything that waits.")
@click.option("--text", default="", metavar="TEXT", help="A reason that the model is told.")
@home_option
@json_option
@asynchronous
async def approve(run_id: str, say: str | None, text: str, home: Path, as_json: bool) -> None:
    """Say yes or no to what waits in RUN, or answer its question; then follow it."""
    from guru.cli.client import connect

    async with connect(home) as client:
        if say is not None:
            await client.post(run_path(run_id, "/approve"), {"all": say, "text": text})
        await follow(client, run_id, as_json=as_json)


@command.command
@click.argument("run_id", metavar="RUN")
@click.argument("fields", metavar="[NAME=VALUE]...", nargs=-1)
@click.option("--accept", "say", flag_value="yes", help="Yes, with its defaults; you have opened its address.")
@click.option("--decline", "say", flag_value="no", help="No.")
@click.option("--cancel", "say", flag_value="cancel", help="Neither yes nor no.")
@click.option("--step", type=click.IntRange(1), help="Which step asks, where several do.")
@click.option("--part", default=0, metavar="N", help="Which of what is done at the same time.  [default: 0]")
@home_option
@json_option
@asynchronous
async def answer(
    run_id: str, fields: tuple[str, ...], say: str | None, step: int | None, part: int, home: Path, as_json: bool
) -> None:
    """Answer what the MCP server of a tool asks in RUN, with the fields of its form; then follow the run.

    Without any you are asked, field by field.
    """
    from guru.cli.agent_form import fill_in, read_pairs
    from guru.cli.client import connect

    async with connect(home) as client:
        asking = asking_step(await client.get(run_path(run_id)), step, part)
        if fields and say not in (None, "yes"):
            raise click.UsageError("A form that is declined has no fields.")
        if fields or say is not None:
            decision = {"say": say or "yes", "content": read_pairs(asking["asked"], fields) if fields else None}
        elif sys.stdin.isatty():
            decision = fill_in(asking["asked"])
        else:
            raise click.UsageError("Give the fields as NAME=VALUE, or --accept, --decline or --cancel.")
        place = {"step": asking["number"], "part": asking["part"]}
        await client.post(run_path(run_id, "/approve"), {"decisions": [place | decision]})
        await follow(client, run_id, as_json=as_json)


def asking_step(found: JSON, number: int | None, part: int) -> JSON:
    """The step in which a server asks. Raises `click.UsageError` where there is none, or more than one."""
    asking: list[JSON] = [step for step in found["log"] if is_open(step) and step["asked"]]
    if number is not None:
        asking = [step for step in asking if (step["number"], step["part"]) == (number, part)]
    if not asking:
        raise click.UsageError(f"No server asks anything in {found['id']}.")
    if len(asking) > 1:
        places = ", ".join(f"--step {step['number']} --part {step['part']}" for step in asking)
        raise click.UsageError(f"Several do: {places}.")
    return asking[0]


@command.command
@click.argument("run_id", metavar="RUN")
@set_option
@home_option
@json_option
@asynchronous
async def resume(run_id: str, changes: tuple[str, ...], home: Path, as_json: bool) -> None:
    """Go on with RUN where it was paused, failed or reached a limit: with --set max_steps=50 with more of it."""
    from guru.cli.client import connect

    async with connect(home) as client:
        await client.post(run_path(run_id, "/resume"), {"changes": read_changes(changes)})
        await follow(client, run_id, as_json=as_json)


@command.command
@click.argument("run_id", metavar="RUN")
@home_option
@asynchronous
async def pause(run_id: str, home: Path) -> None:
    """Stop RUN after the step that is being done. `guru agent resume` goes on."""
    from guru.cli.client import connect

    async with connect(home) as client:
        click.echo((await client.post(run_path(run_id, "/pause")))["status"])


@command.command
@click.argument("run_id", metavar="RUN")
@home_option
@asynchronous
async def cancel(run_id: str, home: Path) -> None:
    """Stop RUN at once."""
    from guru.cli.client import connect

    async with connect(home) as client:
        click.echo((await client.post(run_path(run_id, "/cancel")))["status"])


@command.command("delete-run")
@click.argument("run_ids", metavar="RUN...", nargs=-1, required=True)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@home_option
@asynchronous
async def delete_run(run_ids: tuple[str, ...], yes: bool, home: Path) -> None:
    """Remove RUN, which has ended, with all its steps. Its traces stay, and what is remembered of it."""
    await delete_runs(home, run_ids, run_path, yes=yes)


@command.command
@click.argument("run_id", metavar="RUN")
@click.argument("step", type=click.IntRange(1))
@click.argument("text")
@click.option("--part", default=0, metavar="N", help="Which of what was done at the same time.  [default: 0]")
@home_option
@asynchronous
async def edit(run_id: str, step: int, text: str, part: int, home: Path) -> None:
    """Put TEXT in the place of what came of STEP in RUN. What came after it is forgotten; resume goes on from there."""
    from guru.cli.client import connect

    async with connect(home) as client:
        await client.request("PATCH", run_path(run_id, f"/steps/{step}/{part}"), body={"result": {"text": text}})
    click.echo(f"Go on from there: guru agent resume {run_id}")


@command.command
@click.argument("run_id", metavar="RUN")
@click.option(
    "--from", "step", default=1, show_default=True, type=click.IntRange(1), help="The step that is done anew."
)
@click.option("--input", "request", metavar="TEXT", help="Another request.")
@set_option
@home_option
@json_option
@asynchronous
async def replay(
    run_id: str, step: int, request: str | None, changes: tuple[str, ...], home: Path, as_json: bool
) -> None:
    """Do RUN again as a new run, from a step on, with another model, prompt or request."""
    from guru.cli.client import connect

    body = {"step": step, "input": request, "changes": read_changes(changes)}
    async with connect(home) as client:
        made = await client.post(run_path(run_id, "/replay"), body)
        await follow(client, made["id"], as_json=as_json)


async def follow(client: Client, run_id: str, *, as_json: bool) -> None:
    """Show a run's steps on stderr until it has ended; ask where it waits and somebody is there to be asked."""
    seen: set[tuple[int, int, str]] = set()
    while True:
        async for event, data in client.stream("GET", run_path(run_id, "/events")):
            if event == "step" and (key := (data["number"], data["part"], data["status"])) not in seen:
                seen.add(key)
                tell_step(data)
        found = await client.get(run_path(run_id))
        if found["status"] in WORKING:
            continue
        if found["status"] == "waiting" and sys.stdin.isatty():
            decisions = [decide(step) for step in found["log"] if is_open(step)]
            await client.post(run_path(run_id, "/approve"), {"decisions": decisions})
            continue
        print_run(found, as_json=as_json)
        if found["status"] in FAILED:
            raise SystemExit(1)
        return


def is_open(step: JSON) -> bool:
    return step["status"] in OPEN and step["decision"] is None


def decide(step: JSON) -> JSON:
    """Ask whoever sits at the terminal."""
    from guru.cli.output import clean

    place = {"step": step["number"], "part": step["part"]}
    if step["asked"]:
        from guru.cli.agent_form import fill_in

        return place | fill_in(step["asked"])
    click.echo(clean(step["reason"] or ""), err=True)
    if step["kind"] == "person":
        return place | {"say": "yes", "text": click.prompt("Your answer", err=True)}
    click.echo(clean(f"  {step['name']} {step['request'].get('arguments', '')}"), err=True)
    said = click.prompt("Call it?", type=click.Choice(["yes", "no", "done"]), default="no", err=True)
    text = click.prompt("What came of it", err=True) if said == "done" else ""
    return place | {"say": said, "text": text}


def tell_step(step: JSON) -> None:
    from guru.cli.output import one_line

    what = {"tool": step["request"].get("arguments", ""), "choice": "", "model": "", "person": ""}[step["kind"]]
    line = f"{step['number']:>3} {step['kind']} {step['name']} {what}"
    if step["status"] == "done":
        result = step["result"] or {}
        line = f"{step['number']:>3}   = {result.get('text') or result.get('option') or '(calls tools)'}"
    elif step["status"] in OPEN:
        line += " waits for a person"
    click.echo(one_line(line, 160), err=True)


def print_run(found: JSON, *, as_json: bool, steps: bool = False) -> None:
    """What came of a run: its answer on stdout, why there is none on stderr."""
    from guru.cli.output import clean, print_json

    if as_json:
        print_json(found)
        return
    if steps:
        click.echo(f"{found['id']}: {found['agent']}, {found['status']}", err=True)
        for step in found["log"]:
            tell_step(step | {"status": "begun"})
            if step["status"] != "begun":
                tell_step(step)
    if found["answer"] is not None:
        click.echo(clean(found["answer"]))
    elif found["status"] == "waiting":
        tell_open(found["id"], [step for step in found["log"] if is_open(step)])
    elif found["error"]:
        click.echo(clean(" ".join(filter(None, (found["error"], found["hint"])))), err=True)
    else:
        click.echo(f"{found['id']}: {found['status']}")


def tell_open(run_id: str, steps: list[JSON]) -> None:
    """What waits for a person, and what to do about it, on stderr."""
    from guru.cli.agent_form import show_question
    from guru.cli.output import clean

    for step in steps:
        if step["asked"]:
            show_question(step["asked"])
            names = (step["asked"]["schema"] or {}).get("properties", {})
            fields = "".join(f" {name}=..." for name in names) or " --accept"
            click.echo(clean(f"Answer it: guru agent answer {run_id}{fields}"), err=True)
        else:
            arguments = step["request"].get("arguments", "")
            click.echo(clean(f"{step['name']} {arguments}\n  {step['reason']}"), err=True)
    if not all(step["asked"] for step in steps):
        click.echo(f"Say yes or no: guru agent approve {run_id} --yes", err=True)


def read_changes(pairs: tuple[str, ...]) -> JSON:
    """`max_steps=50` as a number, `tools=["add"]` as a list, anything that is no JSON as text."""
    changes: JSON = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE.", param_hint="--set")
        try:
            changes[name] = json.loads(value)
        except ValueError:
            changes[name] = value
    return changes


def agent_path(name: str, rest: str = "") -> str:
    from urllib.parse import quote

    return f"/api/v1/agents/{quote(name, safe='')}{rest}"


def run_path(run_id: str, rest: str = "") -> str:
    from urllib.parse import quote

    return f"/api/v1/runs/{quote(run_id, safe='')}{rest}"
