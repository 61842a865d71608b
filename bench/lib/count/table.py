"""The result as a table for people, as Markdown, and as objects for JSON."""

from harness.outcome import most
from harness.table import align, by_server

from .row import Row
from .run import Run

HEAD = ["server", "case", "sent", "200s", "counter", "counter - 200s", "exact runs"]


def table(rows: list[Row]) -> str:
    return align([HEAD, *map(_cells, rows)])


def _cells(row: Row) -> list[str]:
    counts = (row.sent, row.answered, row.counted)
    return [
        row.server.title,
        row.experiment,
        *(f"{count:,}" for count in counts),
        signed(row.counted - row.answered),
        f"{row.exact} of {len(row.runs)}",
    ]


def signed(difference: int) -> str:
    return f"{difference:+,}" if difference else "0"


def compact(rows: list[Row]) -> str:
    """Markdown: what was counted of the answers, an experiment a column."""
    columns = {row.experiment: row.experiment for row in rows}
    return by_server(
        "counted of the 200s",
        columns,
        rows,
        lambda row: row.experiment,
        lambda row: f"{row.counted:,} of {row.answered:,}",
    )


def sample(rows: list[Row]) -> str:
    """What `compact` is made of, and what it allows to say."""
    runs = max(len(row.runs) for row in rows)
    told = f"{runs} run{'s' if runs > 1 else ''} of each case."
    promised = [row for row in rows if row.server.must_lose is False]
    if promised and all(row.exact == len(row.runs) for row in promised):
        count = sum(row.sent for row in promised)
        told += f" Each of lastcall's {count:,} requests was answered, and counted once:"
        told += f" of others {most(count)}."
    return told


def objects(rows: list[Row]) -> list[dict]:
    return [_object(row) for row in rows]


def _object(row: Row) -> dict:
    schedule = row.schedule
    return {
        "server": row.server.title,
        "variant": row.server.name,
        "case": row.experiment,
        "sent": row.sent,
        "answered": row.answered,
        "counted": row.counted,
        "exact_runs": row.exact,
        "requests": schedule.requests,
        "rate": schedule.rate,
        "duration_seconds": schedule.seconds,
        "drain_window_seconds": schedule.drain_window,
        "job_delay_seconds": schedule.job_delay,
        "shutdown_timeout_seconds": schedule.timing.shutdown,
        "runs": [_run(run) for run in row.runs],
        "failures": row.failures(),
    }


def _run(run: Run) -> dict:
    began = run.tally.began_at
    return {
        "sent": run.sent,
        "answered": run.answered,
        "counted": run.counted,
        "lost_by": dict(run.tally.lost_by),
        "lost_as_the_proxy_saw_it": dict(run.proxy_losses),
        "replicas": [
            {"at_seconds": round(each.at - began, 3), "what": each.kind, "replica": each.replica}
            for each in run.events
        ],
        "redis": [
            {"at_seconds": round(each.at - began, 3), "what": each.kind} for each in run.deeds
        ],
        "departures": [
            {"replica": each.name, "exit_code": each.exit_code, "audit": each.audit()}
            for each in run.departures
        ],
        "invalid": run.invalid,
    }
