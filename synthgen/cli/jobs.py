"""`synthgen jobs`: what was submitted to a Ray cluster, with its logs, and how it is stopped."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

import click

from synthgen.cli import formatting, options
from synthgen.cli.formatting import prefix
from synthgen.stages.jobs import Job, Say, Server

_KEPT = "finished shards are kept. Go on with:"
name_argument = click.argument("name", metavar="ID")


@click.group("jobs", invoke_without_command=True)
@options.job_server_option
@options.json_option
@click.pass_context
def command(context: click.Context, address: str, as_json: bool) -> None:
    """List the jobs that `synthgen submit` gave to a cluster, or do something with one."""
    if context.invoked_subcommand is not None:
        os.environ[options.JOB_SERVER] = address  # so that it may stand before `logs` too
        return
    found = Server(address).jobs()
    if as_json:
        click.echo(json.dumps([facts(job) for job in found], indent=1))
    elif not found:
        click.echo(f"no jobs of synthgen at {address}")
    else:
        rows = [(job.id, _short(job), _when(job.started), _took(job), job.about.get("out", "")) for job in found]
        click.echo(formatting.columns([("id", "state", "started", "took", "output"), *rows]))


@command.command("logs")
@name_argument
@click.option("--follow", is_flag=True, help="Go on until the job ends, and end with the exit code of the run.")
@options.job_server_option
def logs(name: str, follow: bool, address: str) -> int:
    """Print what the job ID has said."""
    server = Server(address)
    if not follow:
        click.echo(server.log(name), nl=False)
        return 0
    server.find(name)
    return following(name, address, lambda _, say: server.wait(name, say), True)


@command.command("stop")
@name_argument
@options.job_server_option
def stop(name: str, address: str) -> int:
    """Stop the job ID as Ctrl-C stops a run: finished shards stay, and the run can go on."""
    server = Server(address)
    if (before := server.find(name)).over:
        click.echo(f"{name} has ended already: {_state(before)}")
        return 0
    job = server.stop(name)
    click.echo(f"{name}: {_state(job)}")
    if job.status == "STOPPED":
        click.echo(f"{_KEPT} {job.about.get('command', '')}")
    return 0


def following(name: str, address: str, wait: Callable[[Say, Say | None], Job], with_log: bool) -> int:
    """Waits for a job; the exit code of its run. Ctrl-C ends the waiting, and not the job."""
    try:
        say: Say | None = (lambda text: click.echo(text, nl=False)) if with_log else None
        job = wait(lambda text: click.echo(text, err=True), say)
    except KeyboardInterrupt:
        click.echo(f"\nnot following any more; {name} goes on\n{job_lines(name, address)}", err=True)
        raise
    click.echo(f"{job.id}: {_state(job)}", err=True)
    if job.lost or job.status == "STOPPED":
        click.echo(f"{_KEPT} {job.about.get('command', '')}", err=True)
    return exit_code(job)


def exit_code(job: Job) -> int:
    """Of the run: 143 for one that was stopped, 1 for one that is lost."""
    if job.exit_code is not None:
        return job.exit_code if job.exit_code >= 0 else 128 - job.exit_code
    return {"SUCCEEDED": 0, "STOPPED": 143}.get(job.status, 1)


def job_lines(name: str, address: str) -> str:
    """How to follow and to stop a job."""
    at = "" if address == options.JOB_SERVER_DEFAULT else f" --address {address}"
    rows = [("follow", f"logs {name} --follow{at}"), ("stop", f"stop {name}{at}")]
    return "\n".join(f"{what:<8} {prefix()}synthgen jobs {words}" for what, words in rows)


def facts(job: Job) -> dict[str, Any]:
    """A job as JSON values."""
    return {
        "id": job.id,
        "status": job.status,
        "exit_code": job.exit_code,
        "started": job.started,
        "ended": job.ended,
        "message": job.message,
        **job.about,
    }


def _state(job: Job) -> str:
    """`RUNNING`, `FAILED (exit code 2)`, or why it was lost or never started."""
    if job.status != "FAILED":
        return job.status
    if job.lost:
        return f"FAILED ({job.cause})"
    why = f"exit code {job.exit_code}" if job.exit_code is not None else job.message.strip().partition("\n")[0]
    return f"FAILED ({why})"


def _short(job: Job) -> str:
    code = f" ({job.exit_code})" if job.exit_code else ""
    return "LOST" if job.lost else f"{job.status}{code}"


def _when(seconds: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds else ""


def _took(job: Job) -> str:
    return formatting.duration((job.ended or time.time()) - job.started) if job.started else ""
