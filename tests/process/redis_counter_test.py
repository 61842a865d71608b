"""redis://…: who may count where, under which name, and what it says when it may not."""

import socket
import subprocess
import unittest

from counting import CountingTestCase
from harness import (BINARY, LIBC, clean_environment, free_port, get, may, patience,
                     wait_until)
from redis_server import NameServer, RedisTestCase, asks_name_server_here

SECRET = "s3cret/with:odd@signs"
ENCODED = "s3cret%2fwith%3Aodd%40signs"


class OneServer(RedisTestCase):
    def assert_counts(self, redis, url, *options, key="counter", database=0, **settings):
        """A server there counts 5 more, and says so."""
        before = redis.value(key, database)
        server = self.start_on(url, *options, **settings)
        self.incr(server.port, 5)
        wait_until(lambda: self.value(server.port) == before + 5, 5, "five more")
        server.terminate()
        self.assert_ends(server, 0)
        self.assertEqual(redis.value(key, database), before + 5)
        self.assertNotIn(SECRET, server.story())
        self.assertNotIn(ENCODED, server.story())
        return server


class Counts(OneServer):
    def test_every_increment_of_two_workers_once(self):
        redis = self.start_redis()
        self.assert_counts(redis, f"redis://127.0.0.1:{redis.port}", "--workers", "2")
        self.assert_counts(redis, f"redis://127.0.0.1:{redis.port}/0", "--workers", "2")

    def test_what_is_wrong_with_where_it_counts_is_told_at_the_start(self):
        redis = self.start_redis(requirepass=SECRET)
        nobody = free_port()
        for url, why in ((f"redis://127.0.0.1:{nobody}", "cannot connect"),
                         (f"redis://127.0.0.1:{redis.port}", "NOAUTH"),
                         (f"redis://:wrong@127.0.0.1:{redis.port}", "WRONGPASS")):
            with self.subTest(url):
                server = self.start_on(url)
                self.assertIn(why, server.wait_for("redis 127.0.0.1:")["message"])
                server.terminate()
                audit = self.assert_ends(server, 0)
                self.assertEqual((audit["jobs_started"], audit["requests_received"]), (0, 0))

    def test_one_that_does_not_answer_at_the_start_holds_no_drain_up(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            server = self.start_on(f"redis://127.0.0.1:{silent.getsockname()[1]}",
                                   "--shutdown-timeout", "500ms")
            server.terminate()
            audit = self.assert_ends(server, 0)
        self.assertEqual(audit["jobs_unfinished"], 0)

    def test_a_counter_that_was_never_counted_is_0(self):
        redis = self.start_redis()
        server = self.start_on(f"redis://127.0.0.1:{redis.port}")
        self.assertEqual(self.value(server.port), 0)

    def test_from_the_number_that_another_program_left_there(self):
        redis = self.start_redis()
        redis.command("SET", "counter", "-7")
        server = self.start_on(f"redis://127.0.0.1:{redis.port}")
        self.assertEqual(self.value(server.port), -7)
        self.incr(server.port, 10)
        wait_until(lambda: self.value(server.port) == 3, 5, "ten more")

    def test_under_the_key_it_was_given_and_in_that_database(self):
        redis = self.start_redis()
        url = f"redis://127.0.0.1:{redis.port}"
        self.assert_counts(redis, url + "/3", database=3)
        self.assert_counts(redis, url + "/15", "--counter-key", "hits", key="hits", database=15)
        for key in ("{app}:hits", "a key with spaces", "häufig", "odd}{", "{}"):
            with self.subTest(key):
                self.assert_counts(redis, url, "--counter-key", key, key=key)
        self.assertEqual(redis.value(), 0)

    def test_its_notes_stand_beside_the_key_and_go_by_themselves(self):
        redis = self.start_redis()
        self.assert_counts(redis, f"redis://127.0.0.1:{redis.port}", "--workers", "1")
        notes = [key for key in redis.command("KEYS", "*") if key != "counter"]
        self.assertEqual([note.rpartition(":")[0] for note in notes], ["{counter}:lastcall"])
        self.assertGreater(redis.command("TTL", notes[0]), 24 * 3600)
        self.assertEqual(redis.command("TTL", "counter"), -1)

    def test_many_who_ask_for_the_value_at_once_are_all_answered(self):
        redis = self.start_redis()
        server = self.start_on(f"redis://127.0.0.1:{redis.port}")
        clients = [self.client(server.port) for _ in range(200)]
        for client in clients:
            client.ask("/counter")
            client.ask("/incr", "POST")
        for client in clients:
            self.assertEqual([client.answer().status for _ in range(2)], [200, 200])
            client.close()
        server.terminate()
        self.assert_ends(server, 0)
        self.assertEqual(redis.value(), 200)


class Authenticated(OneServer):
    def test_with_a_password_from_the_url_or_a_file_or_the_environment(self):
        redis = self.start_redis(requirepass=SECRET)
        file = self.folder() / "password"
        file.write_text(SECRET + "\n")
        plain = f"redis://127.0.0.1:{redis.port}/2"
        known = {"LASTCALL_COUNTER_PASSWORD": SECRET}
        wrong = {"LASTCALL_COUNTER_PASSWORD": "wrong"}
        for name, url, options, environment in (
                ("URL", f"redis://:{ENCODED}@127.0.0.1:{redis.port}/2", (), {}),
                ("URL, and a user", f"redis://default:{ENCODED}@127.0.0.1:{redis.port}/2", (), {}),
                ("URL, not encoded", f"redis://:{SECRET}@127.0.0.1:{redis.port}/2", (), {}),
                ("file", plain, ("--counter-password-file", file), {}),
                ("environment", plain, (), known),
                ("environment, with a newline", plain, (),
                 {"LASTCALL_COUNTER_PASSWORD": f" {SECRET}\n"}),
                ("all from the environment", "", (), known | {"LASTCALL_COUNTER": plain}),
                ("the file before the environment", plain, ("--counter-password-file", file),
                 wrong),
                ("the URL before both", f"redis://:{ENCODED}@127.0.0.1:{redis.port}/2",
                 ("--counter-password-file", file), wrong)):
            with self.subTest(name):
                if url:
                    self.assert_counts(redis, url, *options, database=2, environment=environment)
                    continue
                server = self.start("--drain-window", "0s", "--job-delay", "0s",
                                    environment=environment)
                self.incr(server.port)
                server.terminate()
                self.assert_ends(server, 0)

    def test_a_password_that_is_rotated_is_read_again(self):
        redis = self.start_redis(requirepass="old")
        file = self.folder() / "password"
        file.write_text("old\n")
        server = self.start_on(f"redis://127.0.0.1:{redis.port}", "--workers", "1",
                               "--counter-password-file", file)
        self.incr(server.port, 2)
        wait_until(lambda: redis.value() == 2, 5, "both counted")
        other = file.with_suffix(".new")
        other.write_text("\r\tnew \n")
        other.replace(file)
        redis.command("CONFIG", "SET", "requirepass", "new")
        redis.password = "new"
        redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.incr(server.port, 3)
        wait_until(lambda: redis.value() == 5, 10, "all counted")
        server.terminate()
        self.assert_ends(server, 0)

    def test_as_a_user_who_may_do_no_more_than_is_written_down(self):
        # redis_counter.h says which commands and keys it needs.
        redis = self.start_redis()
        redis.command("ACL", "SETUSER", "counting", "on", ">" + SECRET, "resetkeys", "~hits",
                      "~{hits}:lastcall:*", "-@all", "+eval", "+get", "+set", "+incrby", "+decrby")
        self.assert_counts(redis, f"redis://counting:{ENCODED}@127.0.0.1:{redis.port}",
                           "--counter-key", "hits", key="hits")

    def test_without_the_right_password_it_serves_on_and_says_so_without_the_password(self):
        redis = self.start_redis(requirepass="another")
        address = f"127.0.0.1:{redis.port}"
        for url, word in ((f"redis://:{ENCODED}@{address}", "WRONGPASS"),
                          (f"redis://nobody:{ENCODED}@{address}", "WRONGPASS"),
                          (f"redis://{address}", "NOAUTH")):
            with self.subTest(word):
                server = self.start_on(url, "--workers", "1", "--shutdown-timeout", "500ms")
                self.incr(server.port, 6)
                lines = server.wait_for(word)
                self.assertEqual(lines["level"], "warning")
                self.assertIn(f"redis {address}/0: ", lines["message"])
                self.assertIn("wait and are tried again", lines["message"])
                self.assertEqual(get(server.port, "/readyz").status, 200)
                self.assertEqual(get(server.port, "/counter").status, 503)
                self.assert_cut(server, 6)
                self.assertEqual(len(server.find(word)), 1, "it says so once in 10 s")
                self.assertNotIn(SECRET, server.story())
                self.assertNotIn(ENCODED, server.story())
        self.assertEqual(redis.value(), 0)

    def test_1_a_password_file_that_is_not_there(self):
        ended = subprocess.run(
            [BINARY, "--listen", "127.0.0.1:0", "--counter", "redis://127.0.0.1",
             "--counter-password-file", "/nowhere/password"], capture_output=True, text=True,
            env=clean_environment(), timeout=patience(20))
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertEqual(len(ended.stderr.splitlines()), 1)
        self.assertIn("cannot read '/nowhere/password'", ended.stderr)


class Named(OneServer):
    def start_names(self, addresses):
        if not may("CAP_SYS_ADMIN"):
            self.skipTest("a resolv.conf of its own needs CAP_SYS_ADMIN")
        names = NameServer(addresses)
        self.addCleanup(names.stop)
        return names

    def preexec(self):
        return asks_name_server_here(self.folder(), LIBC)

    def test_localhost(self):
        redis = self.start_redis()
        self.assert_counts(redis, f"redis://localhost:{redis.port}")

    def test_a_name_that_a_name_server_knows(self):
        names = self.start_names(["127.0.0.1"])
        redis = self.start_redis()
        self.assert_counts(redis, f"redis://redis.test:{redis.port}/1", "--workers", "2",
                           database=1, preexec=self.preexec())
        self.assertGreater(names.asked, 0)

    def test_a_name_with_several_addresses_of_which_one_answers(self):
        self.start_names(["127.0.0.2", "127.0.0.3", "127.0.0.1"])
        redis = self.start_redis()
        self.assert_counts(redis, f"redis://redis.test:{redis.port}", preexec=self.preexec())

    def test_3_a_name_that_nobody_knows_or_a_name_server_that_is_silent(self):
        names = self.start_names([])
        for what, addresses, said in (("unknown", [], "Domain name not found"),
                                      ("silent", None, "timed out")):
            with self.subTest(what):
                names.addresses = addresses
                server = self.start_on("redis://redis.test", "--shutdown-timeout", "500ms",
                                       preexec=self.preexec())
                self.assertLess(self.incr(server.port, 5), patience(0.5))
                self.assertEqual(get(server.port, "/readyz").status, 200)
                server.wait_for("cannot connect: ")
                self.assertIn(said, server.find("cannot connect: ")[0]["message"])
                self.assertEqual(get(server.port, "/counter").status, 503)
                self.assert_cut(server, 5)

    def test_3_a_question_under_way_at_the_deadline_delays_nothing(self):
        names = self.start_names(None)
        server = self.start_on("redis://redis.test", "--shutdown-timeout", "300ms",
                               preexec=self.preexec())
        self.incr(server.port, 2)
        wait_until(lambda: names.asked > 0, 5, "the question")
        signaled_at = server.terminate()
        self.assert_unfinished(server, self.assert_ends(server, 3), "incr", 2)
        self.assertLess(server.ended_at - signaled_at, patience(1.2))

    def test_another_name_server_in_resolv_conf_is_asked_as_soon_as_it_stands_there(self):
        self.start_names(["127.0.0.1"])
        redis = self.start_redis()
        folder = self.folder()
        here = asks_name_server_here(folder, LIBC)
        resolv_conf = folder / "resolv.conf"
        resolv_conf.write_text("nameserver 127.0.0.9\n")  # nobody
        server = self.start_on(f"redis://redis.test:{redis.port}", "--workers", "1",
                               "--shutdown-timeout", "10s", preexec=here)
        self.incr(server.port, 4)
        server.wait_for("cannot connect: ")
        resolv_conf.write_text("nameserver 127.0.0.1\n")
        wait_until(lambda: redis.value() == 4, 15, "all counted")
        server.terminate()
        self.assert_ends(server, 0)

    def test_a_name_server_that_comes_back_is_enough(self):
        names = self.start_names(None)
        redis = self.start_redis()
        server = self.start_on(f"redis://redis.test:{redis.port}", preexec=self.preexec())
        self.incr(server.port, 8)
        wait_until(lambda: names.asked > 0, 5, "the question")
        names.addresses = ["127.0.0.1"]
        server.terminate()
        self.assert_ends(server, 0)
        self.assertEqual(redis.value(), 8)


class BadOptions(CountingTestCase):
    def test_2_counters_that_cannot_be(self):
        for counter, words in (
                ("foo", ["memory", "file:PATH", "redis://"]),
                ("Memory", ["memory"]),
                ("file:", ["file:", "path"]),
                ("file", ["file:PATH"]),
                ("rediss://127.0.0.1", ["redis://"]),
                ("redis:127.0.0.1", ["redis://"]),
                ("redis://", ["host"]),
                ("redis://:6379", ["host"]),
                (f"redis://:{SECRET}@", ["host"]),
                ("redis://host:99999", ["port", "65535"]),
                ("redis://host:0", ["port", "65535"]),
                ("redis://host:", ["port"]),
                ("redis://host:63x", ["port"]),
                ("redis://[::1", ["']'"]),
                ("redis://[::1]6379", ["PORT"]),
                ("redis://host/first", ["database"]),
                ("redis://host/-1", ["database"]),
                ("redis://host/1/2", ["database"]),
                ("redis://127.0.0.1\n", ["white space", "newline"]),
                ("redis://127.0.0.1 ", ["white space"]),
                ("redis://\x7f", ["control character"]),
                ("redis://u@h", ["USER:PASSWORD"]),
                (f"redis://{SECRET.replace(':', '')}@h", ["USER:PASSWORD"]),
                ("redis://:p%zz@h", ["%", "hexadecimal"]),
                ("redis://:p%2@h", ["%", "hexadecimal"]),
                (f"redis://u:{ENCODED}%@h", ["%", "hexadecimal"]),
                (f"redis://u:{ENCODED}@h:port", ["port"])):
            for where in ("argument", "environment"):
                with self.subTest(counter, where=where):
                    self.assert_refused(counter, words, where)

    def assert_refused(self, counter, words, where):
        argument = [f"--counter={counter}"] if where == "argument" else []
        environment = {} if argument else {"LASTCALL_COUNTER": counter}
        ended = subprocess.run(
            [BINARY, "--listen", "127.0.0.1:0", *argument], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, env=clean_environment(**environment),
            timeout=patience(20))
        self.assertEqual((ended.returncode, ended.stdout), (2, ""), ended.stderr)
        self.assertEqual(len(ended.stderr.splitlines()), 1, ended.stderr)
        for word in ["lastcall: ", "--counter", *words]:
            self.assertIn(word, ended.stderr)
        for secret in (SECRET, ENCODED, SECRET.replace(":", ""), "p%zz", "p%2@"):
            self.assertNotIn(secret, ended.stderr)

    def test_2_an_empty_key_and_job_options_that_cannot_be(self):
        for option, value, wanted in (("--counter-key", "", "--counter-key"),
                                      ("--counter", "", "--counter"),
                                      ("--job-delay", "soon", "a duration such as"),
                                      ("--job-delay", "-1s", "a duration such as"),
                                      ("--max-jobs", "0", "at least 1"),
                                      ("--max-jobs", "16777217", "must be from 1 to 16777216")):
            with self.subTest(option=option, value=value):
                ended = subprocess.run([BINARY, "--listen", "127.0.0.1:0", f"{option}={value}"],
                                       capture_output=True, text=True, env=clean_environment(),
                                       timeout=patience(20))
                self.assertEqual(ended.returncode, 2, ended.stderr)
                self.assertIn(wanted, ended.stderr)
                self.assertEqual(len(ended.stderr.splitlines()), 1, ended.stderr)


if __name__ == "__main__":
    unittest.main()
