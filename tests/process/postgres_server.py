"""A PostgreSQL server as a child process, on a socket in a folder of its own."""

import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

from harness import die_with_parent, patience, wait_until


def programs():
    """Debian has them outside the PATH, by version; none where it is not installed."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


class Postgres:
    """As the user `postgres` where this is root, whom it refuses to serve."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="lastcall-postgres-", dir="/tmp"))
        self.user = "postgres" if os.geteuid() == 0 else None
        self.process = None
        if self.user:
            account = pwd.getpwnam(self.user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self.environment = {"PGHOST": str(self.folder), "PGUSER": "postgres",
                            "PGDATABASE": "postgres"}
        try:
            self.run("initdb", "-D", self.folder / "data", "-U", "postgres", "-A", "trust", "-N",
                     "--locale=C", "-E", "UTF8")
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self):
        self.process = subprocess.Popen(
            [programs() / "postgres", "-D", self.folder / "data", "-k", self.folder,
             "-c", "listen_addresses=", "-c", "fsync=off"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(self.folder / "log", "w"), cwd="/", preexec_fn=die_with_parent,
            user=self.user, group=self.user, extra_groups=[] if self.user else None)
        wait_until(lambda: self.psql("SELECT 1", check=False).returncode == 0, 20, "PostgreSQL")

    def run(self, program, *arguments, check=True):
        done = subprocess.run(
            [programs() / program, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
            cwd="/", text=True, env=os.environ | self.environment, user=self.user, group=self.user,
            extra_groups=[] if self.user else None, timeout=patience(60))
        if check and done.returncode != 0:
            raise AssertionError(f"{program} ended with {done.returncode}:\n{done.stderr}")
        return done

    def psql(self, sql, check=True):
        return self.run("psql", "-XAtc", sql, check=check)

    def rows(self, sql):
        return [line.split("|") for line in self.psql(sql).stdout.splitlines()]

    def kill_connections(self):
        self.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                  "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
