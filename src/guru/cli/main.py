"""`guru`: the list of verbs. A verb's file is imported when it is used, so that `guru --help` is quick."""

from __future__ import annotations

import errno
import importlib
import sys

import click

from guru import __version__
from guru.errors import GuruError

VERBS = {
    "up": "Start the server.",
    "ingest": "Read files and folders into a collection.",
    "ask": "Ask a question; the answer cites its sources.",
    "search": "Find passages, without a model.",
    "chat": "Talk, with history.",
    "memory": "See, correct and erase what is remembered of you.",
    "collections": "List, show, create, configure and delete collections.",
    "chunk": "See how a file would be cut into chunks.",
    "knowledge": "Find the settings of search that suit your documents.",
    "agent": "Have agents do things, and watch them.",
    "eval": "Measure retrieval and answers on your own questions.",
    "tool": "See the tools that models may use, and call them.",
    "models": "List, pull, show and remove models.",
    "mcp": "Serve to MCP clients, and use the tools of MCP servers.",
    "prompt": "Keep prompts with versions and labels, and run them.",
    "batch": "Ask many requests at once, from a file.",
    "workflow": "Run steps that go on after a crash, and wait for people.",
    "usage": "See who used how much, and what it cost.",
    "routes": "See which deployments answer, and how they are.",
    "releases": "Try new versions on some before all.",
    "keys": "Make, list, change, rotate and revoke API keys.",
    "teams": "Make, list, change and delete teams.",
    "users": "Make, list, change and delete users.",
    "audit": "See who changed what, and check that log.",
    "trace": "See what happened on a request's road.",
    "store": "See where rows live, and move them.",
    "config": "Check and show the configuration.",
    "doctor": "Check this machine and this home, and say what to do.",
}


class Verbs(click.Group):
    """A group whose commands live in `guru.cli.<verb>`, each as `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"guru.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="guru")
def cli() -> None:
    """One self-hosted server for generative AI: ask your own documents, get answers whose every citation holds."""


def main() -> None:
    """Run the command line. Exit status: 0 done, 1 failed (the reason is on stderr), 2 used wrongly."""
    try:
        cli.main(prog_name="guru")
    except (GuruError, OSError) as error:
        shown = error if isinstance(error, GuruError) else explain(error)
        if shown is None:
            raise
        show_error(shown)
        sys.exit(1)


REFUSED = {
    errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.EISDIR,
    errno.ENAMETOOLONG, errno.ELOOP, errno.EIO,
}  # fmt: skip
FREE = "Free some of the disk, or use another one with --home DIR."
SPENT = {errno.ENOSPC: FREE, errno.EDQUOT: FREE, errno.EMFILE: "Allow more open files: ulimit -n 65536"}


def explain(error: OSError) -> GuruError | None:
    """What the system refused, for a person; None for what is more likely a mistake of ours, as its traceback tells."""
    number, place = error.errno or 0, error.filename
    if number in SPENT:
        return GuruError(f"{place}: {error.strerror}." if place else f"{error.strerror}.", hint=SPENT[number])
    if number in REFUSED and place is not None:
        hint = "See that it is there and that you may use it, or choose another place with --home DIR."
        return GuruError(f"{place}: {error.strerror}.", hint=hint)
    return None


def show_error(error: GuruError) -> None:
    """Say on stderr what is wrong and what to do about it."""
    click.secho("Error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(error.message, err=True)
    if error.hint:
        click.echo(error.hint, err=True)
