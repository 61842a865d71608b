"""Short commands: run to their end, their output returned, a failure told in one line."""

import os
import subprocess

from harness.processes import HarnessError

# What a command begins with that is to have namespaces of its own: killed in mid-work, it leaves
# neither mounts nor processes.
CONTAINED = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


def inside_network(namespace: str) -> list[str]:
    """What a command begins with for a network namespace by name; empty: where we are."""
    return ["nsenter", f"--net=/run/netns/{namespace}"] if namespace else []


def output(argv: list[str], seconds: float = 60, text: str | None = None, **options) -> str:
    """What `argv` wrote to stdout. Raises with the last line of its stderr when it fails."""
    try:
        done = subprocess.run(
            argv,
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            timeout=seconds,
            encoding="utf-8",
            errors="replace",
            check=False,
            **options,
        )
    except FileNotFoundError as error:
        raise HarnessError(f"{argv[0]} is not installed: run ./setup --cluster") from error
    except OSError as error:
        raise HarnessError(f"cannot start {argv[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise HarnessError(f"{brief(argv)} did not end within {seconds:.0f} s") from error
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        why = lines[-1].strip() if lines else f"exit code {done.returncode}"
        raise HarnessError(f"{brief(argv)} failed: {why}")
    return done.stdout


def brief(argv: list[str]) -> str:
    """Enough of a command to know it by."""
    words = (word for word in argv[1:] if not word.startswith("--kubeconfig="))
    line = " ".join([os.path.basename(argv[0]), *words])
    return line if len(line) <= 90 else f"{line[:87]}..."
