"""redis://… while Redis, or the way to it, comes and goes: each promise is counted exactly once,
or named. What is named is what is missing."""

import itertools
import random
import signal
import socket
import unittest

from counting import INCREMENTS
from harness import first_seed, get, is_sanitized, patience, rounds, wait_until
from load import Load
from redis_server import CuttingProxy, FakeRedis, Redis, RedisTestCase, command_bytes, read_reply


class FaultsTestCase(RedisTestCase):
    def setUp(self):
        self.seed = first_seed()
        self.rng = random.Random(self.seed)

    def url(self, server):
        return f"redis://127.0.0.1:{server.port}"

    def proxy(self, redis, fates=None):
        proxy = CuttingProxy(redis, self.seed, fates)
        self.addCleanup(proxy.stop)
        return proxy

    def start_loaded(self, redis, *options, signal_after=None, think=0.01):
        """A server of two workers that drains in its time, and a load of it."""
        server = self.start_counting(self.url(redis), "--workers", "2", "--drain-window", "200ms",
                                     *options)
        return server, Load(server, INCREMENTS * 2, self.rng, signal_after, think=think)

    def assert_kept(self, server, tally):
        """Nothing was lost on the way to it or in it; how many promises that were."""
        audit = self.assert_ends(server, 0, 20)
        told = f"seed {self.seed}\n{server.story()}"
        self.assertEqual((tally.losses, tally.wrong), ([], []), told)
        self.assertEqual((audit["jobs_started"], audit["jobs_unfinished"]), (tally.answered, 0))
        return tally.answered

    def run_faults(self, redis, faults, seconds, think=0.01):
        """A load of so many seconds, with `faults` [(when, what)] in it; then it must be exact."""
        server, load = self.start_loaded(redis, signal_after=seconds, think=think)
        for at, fault in faults:
            load.after(at, fault)
        kept = self.assert_kept(server, load.run(60))
        self.assertGreater(kept, 20)
        wait_until(redis.answers, 10, "Redis at the end")
        self.assertEqual(redis.value(), kept, f"seed {self.seed}\n{server.story()}")
        return server


class Down(FaultsTestCase):
    def absent(self):
        """A Redis that is not there yet."""
        redis = Redis(self.folder())
        self.addCleanup(redis.stop)
        return redis

    def test_at_the_start_it_serves_and_the_increments_arrive_when_it_is_up(self):
        redis = self.absent()
        server = self.start_on(self.url(redis), "--workers", "2")
        self.assertEqual(get(server.port, "/readyz").status, 200)
        self.assertEqual(get(server.port, "/counter").status, 503)
        for _ in range(5):
            self.assertLess(self.incr(server.port, 4), patience(0.5), "and nobody waits")
        line = server.wait_for("cannot connect: Connection refused")
        self.assertIn(f"redis 127.0.0.1:{redis.port}/0", line["message"])
        self.assertEqual(get(server.port, "/readyz").status, 200)
        redis.start()
        wait_until(lambda: redis.value() == 20, 10, "what was accepted meanwhile")
        self.assertEqual(self.value(server.port), 20)
        server.wait_for("answers again, after ")
        server.terminate()
        self.assert_ends(server, 0)
        self.assertEqual(redis.value(), 20)

    def test_when_the_drain_begins_it_is_waited_for(self):
        redis = self.absent()
        server = self.start_on(self.url(redis), "--shutdown-timeout", "10s")
        self.incr(server.port, 6)
        server.terminate()
        server.wait_for("6 jobs (incr: 6)")
        redis.start()
        self.assert_ends(server, 0)
        self.assertEqual(redis.value(), 6)

    def test_3_past_the_deadline_its_jobs_are_named_and_they_are_what_is_missing(self):
        redis = self.start_redis()
        server = self.start_on(self.url(redis), "--workers", "2", "--shutdown-timeout", "600ms")
        self.incr(server.port, 5)
        wait_until(lambda: server.metrics()["jobs_finished_total"] == 5, 5, "the first five")
        redis.kill(signal.SIGTERM)
        for _ in range(7):
            self.incr(server.port)
        self.assert_cut(server, 7)
        redis.start()
        self.assertEqual(redis.value(), 12 - 7)

    def test_4_a_second_interrupt_while_it_is_down(self):
        server = self.start_on(self.url(self.absent()), "--workers", "2")
        self.incr(server.port, 9)
        server.signal(signal.SIGINT)
        server.wait_for("SIGINT: draining")
        server.signal(signal.SIGINT)
        self.assert_unfinished(server, self.assert_ends(server, 4), "incr", 9)

    def test_3000_increments_that_wait_for_it_arrive_as_a_few(self):
        redis = self.absent()
        server = self.start_on(self.url(redis), "--workers", "2")
        for _ in range(10):
            client = self.client(server.port)
            client.send(b"POST /incr HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n" * 300)
            self.assertEqual({client.answer().status for _ in range(300)}, {200})
            client.close()
        redis.start()
        server.terminate()
        self.assert_ends(server, 0)
        self.assertEqual(redis.value(), 3000)
        notes = [key for key in redis.command("KEYS", "*") if key != "counter"]
        self.assertLess(sum(int(redis.command("GET", note)) for note in notes), 30, "batches")

    def test_on_a_host_that_never_answers_the_time_is_up_and_nothing_hangs(self):
        # A backlog that is full: the handshake gets no answer at all.
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            port = full.getsockname()[1]
            waiting = []
            for _ in range(3):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
                waiting.append(one)
                self.addCleanup(one.close)
            server = self.start_on(f"redis://127.0.0.1:{port}", "--workers", "1",
                                   "--shutdown-timeout", "400ms")
            self.incr(server.port, 3)
            self.assertEqual(get(server.port, "/readyz").status, 200)
            server.wait_for("cannot connect: Connection timed out")
            signaled_at = server.terminate()
            self.assert_unfinished(server, self.assert_ends(server, 3), "incr", 3)
            self.assertLess(server.ended_at - signaled_at, patience(1.4))


class UnderLoad(FaultsTestCase):
    def test_killed_and_restarted_again_and_again(self):
        redis = self.start_redis()
        times = [0.2, 0.6, 0.65, 1.1, 1.5]  # the last time in the drain
        self.run_faults(redis, [(at, redis.restart) for at in times], 1.45)

    def test_its_clients_killed_mid_load_100_times(self):
        redis = self.start_redis()
        killed = []

        def kill():
            killed.append(redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))
        self.run_faults(redis, [(0.1 + 0.02 * n, kill) for n in range(rounds(100))], 2, think=0.004)
        if rounds(100) == 100:
            self.assertGreater(sum(killed), 20)  # a worker in its backoff has no connection to kill

    def test_stopped_for_longer_than_it_is_waited_for(self):
        redis = self.start_redis()
        server = self.run_faults(redis, [(0.3, lambda: redis.kill(signal.SIGSTOP)),
                                         (3.3, lambda: redis.kill(signal.SIGCONT))], 3.6)
        self.assertTrue(server.find("no reply: Connection timed out"), server.story())
        self.assertTrue(server.find("answers again, after "), server.story())

    def test_read_only_for_a_while(self):
        redis = self.start_redis()
        server = self.run_faults(
            redis, [(0.2, lambda: redis.command("REPLICAOF", "127.0.0.1", "1")),
                    (1.0, lambda: redis.command("REPLICAOF", "NO", "ONE"))], 1.1)
        self.assertTrue(server.find("READONLY"), server.story())

    def test_out_of_memory_for_a_while(self):
        redis = self.start_redis()
        server = self.run_faults(
            redis, [(0.2, lambda: redis.command("CONFIG", "SET", "maxmemory", "1")),
                    (1.0, lambda: redis.command("CONFIG", "SET", "maxmemory", "0"))], 1.1)
        self.assertTrue(server.find("OOM"), server.story())

    def test_out_of_memory_between_the_counter_and_the_note(self):
        # Hovering about the bound: whatever of the two is refused, none counts without the other.
        redis = self.start_redis()

        def bound(more):
            used = int(next(line.split(":")[1] for line in
                            redis.command("INFO", "memory").splitlines()
                            if line.startswith("used_memory:")))
            redis.command("CONFIG", "SET", "maxmemory", used + more)
        faults = [(0.2 + 0.02 * n, lambda n=n: bound((n % 7 - 3) * 4096)) for n in range(40)]
        self.run_faults(redis, [*faults, (1.1, lambda: bound(1 << 30))], 1.2)

    def test_loading_its_data_after_a_restart(self):
        redis = self.start_redis()
        connection, replies = redis.connect()
        with connection, replies:
            connection.sendall(b"".join(command_bytes("SET", f"key{n}", n) for n in range(10_000)))
            for _ in range(10_000):
                read_reply(replies)

        def slowly():
            redis.restart(key_load_delay="50", loading_process_events_interval_bytes="1024")
        self.run_faults(redis, [(0.2, slowly)], 0.8)
        self.assertIn("errorstat_LOADING", redis.command("INFO", "errorstats"))

    def test_a_key_that_is_no_number_until_it_is_deleted(self):
        redis = self.start_redis()
        redis.command("LPUSH", "counter", "x")
        server = self.start_on(self.url(redis), "--workers", "1")
        self.incr(server.port, 5)
        server.wait_for("WRONGTYPE")
        self.assertEqual(get(server.port, "/counter").status, 503)
        redis.command("DEL", "counter")
        wait_until(lambda: self.value(server.port) == 5, 5, "the five")
        redis.command("SET", "counter", "many")
        self.incr(server.port, 4)
        server.wait_for("not an integer")
        self.assertEqual(get(server.port, "/counter").status, 503)
        redis.command("SET", "counter", 100)
        server.terminate()
        self.assert_ends(server, 0)
        self.assertEqual(redis.value(), 104)

    def test_a_number_that_has_no_room_for_more_until_it_is_set_anew(self):
        redis = self.start_redis()
        redis.command("SET", "counter", (1 << 63) - 2)
        server = self.start_on(self.url(redis), "--workers", "1")
        self.incr(server.port)
        wait_until(lambda: self.value(server.port) == (1 << 63) - 1, 5, "the last")
        self.incr(server.port, 3)
        server.wait_for("overflow")
        self.assertEqual(redis.value(), (1 << 63) - 1)
        redis.command("SET", "counter", 100)
        server.terminate()
        self.assert_ends(server, 0)
        self.assertEqual(redis.value(), 103)

    def test_two_servers_replaced_one_after_the_other_share_one_counter(self):
        redis = self.start_redis()
        total = 0
        old, load = self.start_loaded(redis, think=0.004)
        for turn in range(max(2, rounds(5))):
            new, next_load = self.start_loaded(redis, think=0.004)
            load.after(0.2, lambda: load.send_signal(signal.SIGTERM))
            while load.running > 0:
                load.step()
                next_load.step()
            total += self.assert_kept(old, load.run())
            old, load = new, next_load
        load.send_signal(signal.SIGTERM)
        total += self.assert_kept(old, load.run())
        self.assertEqual(redis.value(), total, f"seed {self.seed}")


class CutOff(FaultsTestCase):
    def test_connections_cut_at_random_hundreds_of_times(self):
        redis = self.start_redis()
        proxy = self.proxy(redis)
        target = rounds(400)
        # Many cuts in a row, and the pauses between them, let a worker's share of the default fill.
        server = self.start_counting(self.url(proxy), "--workers", "6", "--drain-window", "200ms",
                                     "--max-jobs", "1000000")
        load = Load(server, INCREMENTS * 3, self.rng, None, think=0.004)

        def enough():
            if proxy.cuts.total() >= target:
                load.send_signal(signal.SIGTERM)  # and the drain is cut on
            else:
                load.after(0.02, enough)
        enough()
        kept = self.assert_kept(server, load.run(60))
        self.assertGreater(kept, target / 2)
        proxy.cutting = False
        if target >= 200:
            self.assertGreater(min(proxy.cuts[fate] for fate in proxy.FATES), 10, proxy.cuts)
        wait_until(lambda: not proxy.sockets, 5, "the last that was late")
        self.assertEqual(redis.value(), kept, f"seed {self.seed}, {proxy.cuts}\n{server.story()}")

    def test_cut_once_in_each_way_it_counts_once(self):
        redis = self.start_redis()
        expected = 0
        for fate in CuttingProxy.FATES:
            with self.subTest(fate):
                proxy = self.proxy(redis, ["after the reply", fate])
                server = self.start_on(self.url(proxy), "--workers", "1")
                for _ in range(2):  # the second finds the connection as the cut has left it
                    self.incr(server.port, 4)
                    expected += 4
                    wait_until(lambda: redis.value() == expected, 5, "four more")
                server.terminate()
                self.assert_ends(server, 0)
                self.assertEqual(proxy.cuts[fate], 1 + (fate == "after the reply"))
                wait_until(lambda: not proxy.sockets, 5, "the end of what was late")
                self.assertEqual(redis.value(), expected)

    def test_a_copy_that_arrives_when_later_batches_were_counted_changes_nothing(self):
        redis = self.start_redis()
        proxy = self.proxy(redis, ["late"] * 3)
        server = self.start_on(self.url(proxy), "--workers", "1")
        total = 0
        while total < 3000 and proxy.late < 3:
            self.incr(server.port, 3)
            total += 3
            wait_until(lambda: redis.value() >= total, 5, "three more")
        self.assertEqual(proxy.late, 3)
        self.assertEqual(proxy.cuts["late"], 3)
        server.terminate()
        self.assert_ends(server, 0)
        self.assertEqual(redis.value(), total)

    def test_3_in_doubt_at_the_deadline_is_named_and_the_log_says_that_it_may_be_counted(self):
        redis = self.start_redis()
        for first, counted in (("before the reply", 5), ("before the command", 0)):
            with self.subTest(first):
                redis.command("DEL", "counter")
                proxy = self.proxy(redis, itertools.chain(["at once", first],
                                                          itertools.repeat("at once")))
                server = self.start_on(self.url(proxy), "--workers", "1",
                                       "--shutdown-timeout", "500ms")
                wait_until(lambda: proxy.cuts.total() == 1, 5, "the look of the start")
                client = self.client(server.port)
                client.send(b"GET /incr HTTP/1.1\r\nHost: test\r\n\r\n" * 5)
                self.assertEqual([client.answer().status for _ in range(5)], [200] * 5)
                client.close()
                wait_until(lambda: proxy.cuts.total() > 2, 5, "the cut")
                self.assert_cut(server, 5)
                self.assertTrue(server.find("5 increments were sent and not confirmed"),
                                server.story())
                self.assertEqual(redis.value(), counted)

    def test_a_counter_deleted_while_a_batch_is_in_doubt_goes_on_from_0(self):
        # The copy finds its number noted, and no counter: that it was counted is still so.
        redis = self.start_redis()
        proxy = self.proxy(redis, ["at once", "before the reply"])
        proxy.on_cut = lambda fate: redis.command("DEL", "counter")
        server = self.start_on(self.url(proxy), "--workers", "1", "--shutdown-timeout", "3s")
        wait_until(lambda: proxy.cuts.total() == 1, 5, "the look of the start")
        self.incr(server.port)
        wait_until(lambda: proxy.cuts.total() == 2, 5, "the cut")
        self.incr(server.port, 2)
        server.terminate()
        self.assert_ends(server, 0)
        self.assertEqual(redis.value(), 2)


class NoRedis(FaultsTestCase):
    """What answers there speaks no RESP: no crash, no memory that grows, 3 and named."""

    @staticmethod
    def says_much(peer):
        for _ in range(64):
            peer.sendall(b"x" * 65536)

    @staticmethod
    def says_by_bytes(peer):
        for byte in b"-ERR no\r":  # and never the last
            peer.sendall(bytes([byte]))

    def test_3_whatever_it_says(self):
        rng = random.Random(self.seed)
        behaviours = {
            "closes": None,
            "nothing": b"",
            "garbage": b"\x00\xff\xfe garbage \r\n",
            "random bytes": b"\x01" + rng.randbytes(4000),
            "HTTP": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
            "an endless line": self.says_much,
            "a reply without its end": self.says_by_bytes,
            "a bulk of a negative length": b"$-7\r\n",
            "a bulk that is too long": b"$99999999999999999999\r\n",
            "a bulk that never comes": b"$100000\r\nabc",
            "an array that is too long": b"*4294967296\r\n",
            "arrays in arrays": b"*1\r\n" * 5000,
            "nil": b"$-1\r\n",
            "an empty array": b"*0\r\n",  # RESP, but no answer to what was asked
            "OK": b"+OK\r\n",
            "an error": b"-ERR not today\r\n",
            "an error without words": b"-\r\n",
            "an error of many words": b"-ERR " + b"no " * 20_000 + b"\r\n",
            "an integer that is none": b":12x\r\n",
        }
        servers = []
        for name, says in behaviours.items():
            fake = FakeRedis(says)
            self.addCleanup(fake.stop)
            server = self.start_on(self.url(fake), "--workers", "1", "--shutdown-timeout", "700ms")
            self.incr(server.port, 4)
            servers.append((name, fake, server))
        for name, fake, server in servers:
            with self.subTest(name):
                wait_until(lambda: fake.accepted > 1 or fake.asked > 0, 5, "a question")
                self.assertEqual(get(server.port, "/readyz").status, 200)
                if not is_sanitized():
                    self.assertLess(server.memory_bytes(), 32 << 20)
        for name, fake, server in servers:
            server.terminate()
        for name, fake, server in servers:
            with self.subTest(name):
                audit = self.assert_ends(server, 3)
                self.assert_unfinished(server, audit, "incr", 4)
                self.assertLess(max(len(line["message"]) for line in server.lines), 1500)

    def test_it_is_asked_again_and_a_redis_in_its_place_is_enough(self):
        fake = FakeRedis(b"garbage\r\n")
        self.addCleanup(fake.stop)
        server = self.start_on(self.url(fake), "--workers", "1")
        self.incr(server.port, 4)
        server.wait_for("not a reply of Redis")
        wait_until(lambda: fake.accepted >= 3, 10, "that it is asked again")
        fake.stop()
        redis = Redis(self.folder())
        redis.port = fake.port
        self.addCleanup(redis.stop)
        redis.start()
        server.terminate()
        self.assert_ends(server, 0)
        self.assertEqual(redis.value(), 4)

    def test_a_node_of_a_cluster_that_does_not_hold_the_key_says_what_to_do(self):
        fake = FakeRedis(b"-MOVED 6680 10.0.0.7:6379\r\n")
        self.addCleanup(fake.stop)
        server = self.start_on(self.url(fake), "--workers", "1", "--shutdown-timeout", "500ms")
        self.incr(server.port, 1)
        said = server.wait_for("MOVED 6680 10.0.0.7:6379")["message"]
        for word in ("Redis Cluster", "--counter"):
            self.assertIn(word, said)
        self.assert_cut(server, 1)

    def test_one_that_answers_to_nothing_costs_readers_their_time_limit_and_no_more(self):
        fake = FakeRedis(b"")
        self.addCleanup(fake.stop)
        server = self.start_on(self.url(fake), "--shutdown-timeout", "5s")
        clients = [self.client(server.port) for _ in range(2)]
        for client in clients:
            client.ask("/counter")
        for client in clients:
            self.assertEqual(client.answer().status, 503)
            client.close()
        server.terminate()
        self.assert_ends(server, 0)


if __name__ == "__main__":
    unittest.main()
