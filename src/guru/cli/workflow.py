"""`guru workflow`: declared steps, checked, kept, run, answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guru.cli.options import asynchronous, home_option, json_option
from guru.cli.runs import before_option, delete_runs, tell_older
from guru.errors import GuruError, InvalidParameter

if TYPE_CHECKING:
    from guru.cli.client import Client

JSON = dict[str, Any]
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FORMATS = {".toml": "toml", ".yaml": "yaml", ".yml": "yaml", ".json": "json"}
ENDED = ("done", "failed", "cancelled")


@click.group
def command() -> None:
    """Run declared steps that go on after a crash, wait, and ask people."""


@command.command("list")
@home_option
@json_option
@asynchronous
async def list_workflows(home: Path, as_json: bool) -> None:
    """List the workflows."""
    from guru.cli.client import connect
    from guru.cli.output import one_line, print_list
    from guru.cli.tables import make_table

    async with connect(home) as client:
        found = await client.get("/api/v1/workflows")
    table = make_table("workflow", version=">", changed="<", description="<")
    for item in found["workflows"]:
        changed = item["updated_at"][:16].replace("T", " ")
        table.add_row(item["name"], str(item["version"]), changed, one_line(item["description"], 60))
    print_list(found, table, "There are no workflows yet. Keep one: guru workflow save FILE", as_json=as_json)


@command.command
@click.argument("name")
@click.option("--version", type=int, metavar="N", help="The version.  [default: the newest]")
@home_option
@json_option
@asynchronous
async def show(name: str, version: int | None, home: Path, as_json: bool) -> None:
    """Show the workflow NAME: its steps and where they lead."""
    from guru.cli.client import connect
    from guru.cli.output import clean, print_json

    async with connect(home) as client:
        found = await client.get(workflow_path(name), version=version)
    if as_json:
        print_json(found)
        return
    click.echo(f"{found['name']}, version {found['version']} of {found['latest']}")
    if found["description"]:
        click.echo(clean(found["description"]))
    exits: dict[str, list[str]] = {}
    for edge in found["graph"]["edges"]:
        way = edge["target"].rpartition("/")[2].strip("#")
        exits.setdefault(edge["source"], []).append(f"{way} ({edge['label']})" if edge["label"] else way)
    for node in found["graph"]["nodes"]:
        if node["kind"] in ("start", "end"):
            continue
        depth = "  " * (1 + node["id"].count("/"))
        ways = f" -> {', '.join(exits[node['id']])}" if node["id"] in exits else ""
        click.echo(clean(f"{depth}{node['name']}: {node['about']}{ways}"))


@command.command
@click.argument("file", type=FILE)
@home_option
@json_option
@asynchronous
async def check(file: Path, home: Path, as_json: bool) -> None:
    """Say all that is wrong with the workflow in FILE (TOML, YAML or JSON). Nothing is kept."""
    from guru.cli.client import connect
    from guru.cli.output import print_json

    async with connect(home) as client:
        found = await client.post("/api/v1/workflows/check", body_of(file))
    if as_json:
        print_json(found)
    print_problems(found["problems"], quiet=as_json)


@command.command
@click.argument("file", type=FILE)
@home_option
@json_option
@asynchronous
async def save(file: Path, home: Path, as_json: bool) -> None:
    """Keep the workflow in FILE (TOML, YAML or JSON) as the next version of its name."""
    from guru.cli.client import connect

    async with connect(home) as client:
        print_saved(await client.post("/api/v1/workflows", body_of(file)), as_json)


@command.command("import")
@click.argument("file", type=FILE)
@click.option("--name", metavar="NAME", help="What it is called.  [default: the name of the file]")
@click.option("--resource", "-r", multiple=True, metavar="ARN=TOOL", help="The tool that a Resource stands for.")
@click.option("--check", "only_check", is_flag=True, help="Say what is wrong, and keep nothing.")
@home_option
@json_option
@asynchronous
async def import_machine(
    file: Path, name: str | None, resource: tuple[str, ...], only_check: bool, home: Path, as_json: bool
) -> None:
    """Keep the state machine in FILE, in Amazon States Language, as a workflow.

    What has no counterpart is refused by name. The configuration may map resources, too: [workflows] resources.
    """
    from guru.cli.client import connect
    from guru.cli.output import print_json

    mapped = {}
    for item in resource:
        arn, equals, tool = item.rpartition("=")
        if not equals:
            raise click.BadParameter(f"{item!r} is not ARN=TOOL.", param_hint="--resource")
        mapped[arn] = tool
    body = {"text": read(file), "format": "asl", "name": name or file.name.partition(".")[0], "resources": mapped}
    async with connect(home) as client:
        if not only_check:
            print_saved(await client.post("/api/v1/workflows", body), as_json)
            return
        found = await client.post("/api/v1/workflows/check", body)
    if as_json:
        print_json(found)
    print_problems(found["problems"], quiet=as_json)


@command.command
@click.argument("name")
@home_option
@asynchronous
async def delete(name: str, home: Path) -> None:
    """Remove the workflow NAME. Its runs stay, and go on."""
    from guru.cli.client import connect

    async with connect(home) as client:
        await client.request("DELETE", workflow_path(name))
    click.echo(f"Removed {name}.")


@command.command
@click.argument("name")
@click.option("--input", "-i", "given", metavar="JSON", help="What the run is given: JSON, or @FILE.  [default: {}]")
@click.option("--version", type=int, metavar="N", help="The version.  [default: the newest]")
@click.option("--detach", is_flag=True, help="Do not wait for its end.")
@home_option
@json_option
@asynchronous
async def run(name: str, given: str | None, version: int | None, detach: bool, home: Path, as_json: bool) -> None:
    """Run the workflow NAME. Ends with it, or as soon as a person is asked."""
    from guru.cli.client import connect, live_server

    body: JSON = {"input": read_json(given, "--input")}
    async with connect(home) as client:
        begun = await client.post(workflow_path(name, "/runs"), body | ({"version": version} if version else {}))
        if not detach:
            await follow(client, begun["id"], as_json)
            return
        if await live_server(home) is None:
            click.echo("No server runs: the run begins when one does (guru up).", err=True)
    print_run(begun, as_json)


@command.command
@click.argument("run_id", metavar="[ID]", required=False)
@click.option("--workflow", metavar="NAME", help="Those of one workflow.")
@click.option("--status", metavar="STATUS", help="Such as waiting or failed.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 500), help="How many.")
@before_option
@home_option
@json_option
@asynchronous
async def runs(
    run_id: str | None, workflow: str | None, status: str | None, limit: int, before: str | None, home: Path,
    as_json: bool,
) -> None:  # fmt: skip
    """List the runs, the newest first; or show the steps of the run ID."""
    from guru.cli.client import connect
    from guru.cli.output import print_list
    from guru.cli.tables import make_table

    async with connect(home) as client:
        if run_id is not None:
            print_steps(await client.get(run_path(run_id)), as_json)
            return
        asked = {"workflow": workflow, "status": status, "before": before}
        found = await client.get("/api/v1/workflow-runs", limit=limit, **asked)
    table = make_table("run", workflow="<", status="<", begun="<", ended="<")
    for item in found["runs"]:
        times = [(item[field] or "–")[:16].replace("T", " ") for field in ("created_at", "finished_at")]
        table.add_row(item["id"], f"{item['workflow']} v{item['version']}", item["status"], *times)
    none = "There are no runs. Begin one: guru workflow run NAME"
    nothing = "There are none like this." if workflow or status or before else none
    print_list(found, table, nothing, as_json=as_json)
    if not as_json:
        tell_older(found)


@command.command
@click.argument("run_id", metavar="ID")
@click.argument("step")
@click.option("--decision", "-d", metavar="WORD", help="One of the decisions that the step asks for.")
@click.option("--form", metavar="JSON", help="The form, filled in: JSON, or @FILE.")
@click.option("--output", metavar="JSON", help="What a step gave that a crash cut off: JSON, or @FILE.")
@home_option
@json_option
@asynchronous
async def answer(
    run_id: str, step: str, decision: str | None, form: str | None, output: str | None, home: Path, as_json: bool
) -> None:
    """Say what the STEP of the run ID asks for."""
    from guru.cli.client import connect

    body: JSON = {"step": step}
    given = {"decision": decision, "form": form and read_json(form, "--form"),
             "output": output and read_json(output, "--output")}  # fmt: skip
    body |= {name: value for name, value in given.items() if value is not None}
    async with connect(home) as client:
        await client.post(run_path(run_id, "/answer"), body)
        await follow(client, run_id, as_json)


@command.command
@click.argument("run_id", metavar="ID")
@home_option
@json_option
@asynchronous
async def resume(run_id: str, home: Path, as_json: bool) -> None:
    """Go on with the run ID, which failed or was cancelled, at what failed."""
    from guru.cli.client import connect

    async with connect(home) as client:
        await client.post(run_path(run_id, "/resume"))
        await follow(client, run_id, as_json)


@command.command
@click.argument("run_id", metavar="ID")
@home_option
@json_option
@asynchronous
async def cancel(run_id: str, home: Path, as_json: bool) -> None:
    """End the run ID. What it has done stays."""
    from guru.cli.client import connect

    async with connect(home) as client:
        print_run(await client.post(run_path(run_id, "/cancel")), as_json)


@command.command("delete-run")
@click.argument("run_ids", metavar="ID...", nargs=-1, required=True)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@home_option
@asynchronous
async def delete_run(run_ids: tuple[str, ...], yes: bool, home: Path) -> None:
    """Remove the run ID, which has ended, with all its steps. Its traces stay, and runs of agents that it began."""
    await delete_runs(home, run_ids, run_path, yes=yes)


# --------------------------------------------------------------------------- following a run


async def follow(client: Client, run_id: str, as_json: bool) -> None:
    """Show every step on stderr as it ends, until the run has ended or a person is asked. Raises when it failed."""
    from guru.cli.output import clean, print_json

    waiting: set[str] = set()
    async for _, change in client.stream("GET", run_path(run_id, "/events")):
        for step in change["steps"]:
            if step["status"] not in ("running", "answered", "again"):
                click.echo(clean(f"  {step['path']}: {told(step)}"), err=True)
            waits = step["ask"] is not None or step["status"] == "parked"
            (waiting.add if waits else waiting.discard)(step["path"])
        if change["run"]["status"] == "waiting" and waiting:
            break
    found = await client.get(run_path(run_id))
    if as_json:
        print_json(found)
    elif found["status"] == "done":
        click.echo(json.dumps(found["output"], indent=2, ensure_ascii=False).encode())
    for step in found["steps"]:
        print_ask(run_id, step)
    if found["status"] in ("failed", "cancelled"):
        cause = f"{found['error']}: {found['cause']}" if found["error"] else "It was cancelled."
        raise GuruError(f"The run {run_id} is {found['status']}. {cause}", hint=f"Go on: guru workflow resume {run_id}")


def told(step: JSON) -> str:
    if step["status"] in ("failed", "caught", "retrying"):
        error = step["error"] or (step["attempts"] or [{}])[-1].get("error")
        return f"{step['status']} ({error})" + (f", goes on at {step['next']}" if step["status"] == "caught" else "")
    if step["status"] == "parked":
        return f"its agent waits for a person in {step['agent_run']}"
    return f"waits until {step['wake_at']}" if step["status"] == "waiting" else str(step["status"])


def print_ask(run_id: str, step: JSON) -> None:
    """What a person is asked by a step, if anything."""
    from guru.cli.output import clean

    if step["status"] == "parked":
        click.echo(clean(f"\n{step['path']}: the agent asks. Answer: guru agent approve {step['agent_run']}"), err=True)
    ask = step["ask"]
    if ask is None:
        return
    click.echo(clean(f"\n{step['path']}: {ask['title']}"), err=True)
    if ask.get("text"):
        click.echo(clean(ask["text"]), err=True)
    options = f" --decision {'|'.join(ask['decisions'])}" if ask.get("decisions") else ""
    if ask.get("form"):
        options += " --form '{...}'"
        click.echo(clean(f"The form: {json.dumps(ask['form'], ensure_ascii=False)}"), err=True)
    click.echo(clean(f"Answer: guru workflow answer {run_id} {step['path']}{options}"), err=True)


def print_steps(found: JSON, as_json: bool) -> None:
    from guru.cli.output import clean, print_json

    if as_json:
        print_json(found)
        return
    print_run(found, False)
    for step in found["steps"]:
        click.echo(clean(f"  {step['path']}: {told(step)}"))
        print_ask(found["id"], step)


def print_run(found: JSON, as_json: bool) -> None:
    from guru.cli.output import clean, print_json

    if as_json:
        print_json(found)
        return
    cause = f" ({found['error']}: {found['cause']})" if found["error"] else ""
    click.echo(clean(f"{found['id']}: {found['workflow']} version {found['version']}, {found['status']}{cause}"))


def print_saved(found: JSON, as_json: bool) -> None:
    from guru.cli.output import print_json

    if as_json:
        print_json(found)
    else:
        click.echo(f"Kept {found['name']} as version {found['version']}. Run it: guru workflow run {found['name']}")


def print_problems(problems: list[JSON], *, quiet: bool) -> None:
    """One a line; the command fails where there is one."""
    from guru.cli.output import clean

    for problem in problems:
        if not quiet:
            click.echo(clean(f"{problem['place'] or 'the definition'}: {problem['message']}"))
    if problems:
        raise click.exceptions.Exit(1)
    if not quiet:
        click.echo("Nothing is wrong with it.")


# --------------------------------------------------------------------------- reading


def workflow_path(name: str, rest: str = "") -> str:
    from urllib.parse import quote

    return f"/api/v1/workflows/{quote(name, safe='')}{rest}"


def run_path(run_id: str, rest: str = "") -> str:
    from urllib.parse import quote

    return f"/api/v1/workflow-runs/{quote(run_id, safe='')}{rest}"


def body_of(file: Path) -> JSON:
    """A file as the API takes it, by its suffix."""
    if (found := FORMATS.get(file.suffix.lower())) is None:
        raise InvalidParameter(
            f"{file} is no TOML, YAML or JSON by its name.", hint="Amazon States Language: guru workflow import FILE"
        )
    return {"text": read(file), "format": found}


def read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidParameter(f"{file} is not UTF-8: {error}.", hint="Save it as UTF-8.") from None


def read_json(text: str | None, option: str) -> Any:
    """JSON of the command line, or of a file behind `@`."""
    if text is None:
        return {}
    try:
        return json.loads(read(Path(text[1:])) if text.startswith("@") else text)
    except ValueError as error:
        raise click.BadParameter(f"It is no JSON: {error}.", param_hint=option) from None
