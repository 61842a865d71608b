"""lastcall in front of wrapped_app.py, or of any command: what the tests of that share."""

import os
import pathlib
import signal
import sys
import tempfile

from harness import BINARY, HERE, Server, TestCase, free_port, wait_until

APP = [sys.executable, "-B", str(HERE / "wrapped_app.py")]


def descendants(pid):
    """Of any depth, by /proc (proc(5))."""
    parents = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it ended meanwhile
            pass
    below = [pid]
    for one in below:  # which grows
        below += [child for child, parent in parents.items() if parent == one]
    return below[1:]


class Wrapped(Server):
    """`options` are lastcall's, `app` those of wrapped_app.py; or `command`, in its place."""

    def __init__(self, *options, app=(), command=None, upstream=None, listen="127.0.0.1:0",
                 events=None, **settings):
        self.upstream = upstream or f"127.0.0.1:{free_port()}"
        self.events_path = events
        noted = ["--events", events] if events else []
        super().__init__("--listen", listen, "--admin-listen", "127.0.0.1:0", "--upstream",
                         self.upstream, *options, "--", *(command or [*APP, *noted, *app]),
                         command=[BINARY, "--log-format", "json", "--termination-log",
                                  "/dev/null/none"], **settings)

    def stop(self):
        """The command with it, which SIGKILL leaves behind."""
        below = descendants(self.pid) if self.is_alive() else []
        if self.is_alive():
            self.process.kill()
        for pid in below:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        super().stop()

    def events(self):
        """What the app has noted: (name, when) each."""
        lines = pathlib.Path(self.events_path).read_text().split("\n")[:-1]
        return [(line.split()[0], float(line.split()[1])) for line in lines]

    def event(self, name):
        return next((at for each, at in self.events() if each == name), None)


class WrappedTestCase(TestCase):
    @staticmethod
    def wait_for_request(server):
        """Until one waits for the command."""
        wait_until(lambda: server.metrics(server.admin_port)["upstream_waiting"] > 0, 10,
                   "it is asked")

    def wrap(self, *options, window="0s", **settings):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        settings.setdefault("events", str(pathlib.Path(folder.name) / "events"))
        pathlib.Path(settings["events"]).touch()
        server = Wrapped("--drain-window", window, *options, **settings)
        self.addCleanup(server.check_no_complaint)
        self.addCleanup(server.stop)
        return server
