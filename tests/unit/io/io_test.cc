// What every implementation of the seam must do (io.h), over all three: so the simulated kernel, on
// which everything else is tested, does as the real ones do. What only real sockets show:
// epoll_test.cc.
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <set>
#include <string>
#include <vector>

#include "io/pair.h"
#include "io/world.h"

using namespace lastcall;

#define EVERY SimulatedWorld, UringWorld, EpollWorld

TEST_CASE_TEMPLATE("accept: one after the other until cancelled", W, EVERY) {
  W world;
  world.io().submit_accept(world.listener(), accepting, false);
  std::set<int> sockets;
  for (int i = 0; i < 3; ++i) {
    world.connect();
    const Completions all = world.harvest(1);
    REQUIRE(all.size() == 1);
    CHECK(all[0].more);
    CHECK(all[0].result >= 0);
    sockets.insert(all[0].result);
  }
  CHECK(sockets.size() == 3);
  CHECK(world.io().operations() == 1);
  world.io().submit_cancel(world.listener(), accepting);
  CHECK(world.io().operations() == 2);
  CHECK(world.io().cancels() == 1);
  const Completions end = world.settle();
  REQUIRE(of(end, accepting).size() == 1);
  CHECK(of(end, accepting)[0].result == -ECANCELED);
  CHECK_FALSE(of(end, accepting)[0].more);
  REQUIRE(of(end, {Kind::cancel}).size() == 1);
  for (const int socket : sockets) world.io().close(socket);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("accept: once means one, and the others stay queued", W, EVERY) {
  W world;
  world.connect();
  world.connect();
  world.io().submit_accept(world.listener(), accepting, true);
  const Completions all = world.settle();
  REQUIRE(all.size() == 1);
  CHECK_FALSE(all[0].more);
  CHECK(world.io().accept_queue_length(world.listener()) == 1);
  const int second = world.io().accept_now(world.listener());
  CHECK(second >= 0);
  CHECK(world.io().accept_now(world.listener()) == -EAGAIN);
  world.io().close(all[0].result);
  world.io().close(second);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("accept: a cancel loses no connection", W, EVERY) {
  W world;
  std::vector<int> sockets;
  world.io().submit_accept(world.listener(), accepting, false);
  for (int i = 0; i < 20; ++i) {
    world.connect();
    if (i == 10) world.io().submit_cancel(world.listener(), accepting);
  }
  for (const Completion& c : of(world.settle(), accepting)) {
    if (c.result >= 0) sockets.push_back(c.result);
  }
  for (int fd = 0; (fd = world.io().accept_now(world.listener())) >= 0;) sockets.push_back(fd);
  CHECK(sockets.size() == 20);
  for (const int socket : sockets) world.io().close(socket);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("receive: what comes is lent, piece by piece, until it is cancelled", W, EVERY) {
  W world;
  const Pair pair(world);
  world.io().submit_recv(pair.ours, receiving, false);
  for (const char* piece : {"hello", "again", "and once more"}) {
    world.send(pair.theirs, piece);
    const Completions all = world.harvest(1);
    REQUIRE(all.size() == 1);
    CHECK(all[0].more);
    CHECK(world.io().buffers_lent() == 1);
    CHECK(take(world, all) == piece);
  }
  cancel(world, pair.ours, receiving);
  world.io().close(pair.ours);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("receive: more than a buffer holds comes whole and in order", W, EVERY) {
  W world;
  const Pair pair(world);
  const std::string sent = pattern(200'000);
  world.io().submit_recv(pair.ours, receiving, false);
  std::string got;
  for (std::size_t at = 0; at < sent.size(); at += 50'000) {
    world.send(pair.theirs, std::string_view(sent).substr(at, 50'000));
    got += receive(world, 50'000);
  }
  CHECK(got == sent);
  cancel(world, pair.ours, receiving);
  world.io().close(pair.ours);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("receive: what came before it was armed, and while it was not", W, EVERY) {
  W world;
  const Pair pair(world);
  CHECK(world.io().quiet(pair.ours));
  world.send(pair.theirs, "early");
  CHECK_FALSE(world.io().quiet(pair.ours));
  world.io().submit_recv(pair.ours, receiving, false);
  CHECK(receive(world, 5) == "early");
  CHECK(world.io().quiet(pair.ours));
  cancel(world, pair.ours, receiving);
  world.send(pair.theirs, "meanwhile");
  CHECK(of(world.settle(), receiving).empty());
  CHECK(world.io().bytes_waiting(pair.ours) == 9);
  world.io().submit_recv(pair.ours, receiving, false);
  CHECK(receive(world, 9) == "meanwhile");
  cancel(world, pair.ours, receiving);
  world.io().close(pair.ours);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("receive: a FIN comes behind the data, and leaves the other way open", W,
                   EVERY) {
  W world;
  const Pair pair(world);
  const std::string sent = pattern(5000);
  world.send(pair.theirs, sent);
  world.fin(pair.theirs);
  world.io().submit_recv(pair.ours, receiving, false);
  const Completions all = world.harvest(end_of(receiving));
  CHECK(take(world, all) == sent);
  REQUIRE(ended(all, receiving));
  CHECK(of(all, receiving).back().result == 0);
  CHECK_FALSE(world.io().quiet(pair.ours));
  world.io().submit_send(pair.ours, "answer", sending);
  const Completions answered = world.harvest(1);
  REQUIRE(answered.size() == 1);
  CHECK(answered[0].result == 6);
  CHECK(world.receive(pair.theirs, 6) == "answer");
  world.io().close(pair.ours);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("receive: a reset ends it", W, EVERY) {
  W world;
  const Pair pair(world);
  world.io().submit_recv(pair.ours, receiving, false);
  world.send(pair.theirs, "last words");
  CHECK(receive(world, 10) == "last words");
  world.reset(pair.theirs);
  const Completions all = world.settle();
  REQUIRE(all.size() == 1);
  CHECK(all[0].result == -ECONNRESET);
  CHECK_FALSE(all[0].more);
  world.io().close(pair.ours);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("receive: shutting both ways ends it", W, EVERY) {
  W world;
  const Pair pair(world);
  world.io().submit_recv(pair.ours, receiving, false);
  CHECK(world.settle().empty());
  world.io().shut_both(pair.ours);
  const Completions all = world.settle();
  REQUIRE(all.size() == 1);
  CHECK(all[0].result == 0);
  CHECK_FALSE(all[0].more);
  world.io().close(pair.ours);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("receive: once means one buffer, and the rest stays where it is", W, EVERY) {
  W world;
  const Pair pair(world);
  const std::string sent = pattern(3 * limits::receive_buffer_bytes);
  world.send(pair.theirs, sent);
  std::string got;
  while (got.size() < sent.size()) {
    world.io().submit_recv(pair.ours, receiving, true);
    const Completions all = world.harvest(1);
    REQUIRE(all.size() == 1);
    REQUIRE(all[0].has_buffer);
    CHECK_FALSE(all[0].more);
    CHECK(all[0].result <= static_cast<int>(limits::receive_buffer_bytes));
    got += take(world, all);
    CHECK(world.io().operations() == 0);
  }
  CHECK(got == sent);
  world.io().submit_recv(pair.ours, receiving, true);
  CHECK(world.settle().empty());
  world.fin(pair.theirs);
  const Completions end = world.harvest(1);
  REQUIRE(end.size() == 1);
  CHECK(end[0].result == 0);
  world.io().close(pair.ours);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("receive: without a free buffer it ends by ENOBUFS, and loses nothing", W,
                   EVERY) {
  W world;
  const Pair pair(world);
  world.io().submit_recv(pair.ours, receiving, false);
  const std::string sent = pattern((limits::receive_buffers + 2) * limits::receive_buffer_bytes);
  Completions all;
  std::size_t at = 0;
  for (; at < sent.size() && !ended(all, receiving); at += limits::receive_buffer_bytes) {
    world.send(pair.theirs, std::string_view(sent).substr(at, limits::receive_buffer_bytes));
    const Completions some = world.harvest(1);
    all.insert(all.end(), some.begin(), some.end());
  }
  if (!ended(all, receiving)) {
    const Completions some = world.harvest(end_of(receiving));
    all.insert(all.end(), some.begin(), some.end());
  }
  REQUIRE(ended(all, receiving));
  CHECK(of(all, receiving).back().result == -ENOBUFS);
  CHECK(world.io().buffers_lent() == limits::receive_buffers);
  std::string got = take(world, all);
  const std::size_t rest = world.io().bytes_waiting(pair.ours);
  CHECK(got.size() + rest == at);  // Linux 6.1 ends it before there is something without a buffer
  world.io().submit_recv(pair.ours, receiving, false);
  got += receive(world, rest);
  CHECK(got == sent.substr(0, got.size()));
  cancel(world, pair.ours, receiving);
  world.io().close(pair.ours);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("receive: a reset that came while none was armed is told", W, EVERY) {
  W world;
  const Pair pair(world);
  world.io().submit_recv(pair.ours, receiving, false);
  cancel(world, pair.ours, receiving);
  world.send(pair.theirs, "unread");
  world.reset(pair.theirs);
  world.settle();
  CHECK_FALSE(world.io().quiet(pair.ours));
  world.io().submit_recv(pair.ours, receiving, false);
  const Completions all = world.harvest(end_of(receiving));
  REQUIRE(ended(all, receiving));
  CHECK(of(all, receiving).back().result == -ECONNRESET);
  take(world, all);
  world.io().close(pair.ours);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("send: small ones are whole, and nobody waits for a harvest", W, EVERY) {
  W world;
  const Pair pair(world);
  for (int i = 0; i < 3; ++i) {
    world.io().submit_send(pair.ours, "0123456789", sending);
    const Ms before = world.io().now();
    const Completions all = world.harvest(1);
    CHECK(world.io().now() - before < 5000);
    REQUIRE(all.size() == 1);
    CHECK(all[0].result == 10);
    CHECK_FALSE(all[0].more);
  }
  CHECK(world.receive(pair.theirs, 30) == "012345678901234567890123456789");
  world.io().close(pair.ours);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("send: a client that does not read holds it, and ends it whole by reading", W,
                   EVERY) {
  W world;
  const Pair pair(world);
  const std::string sent = pattern(16 << 20);
  world.io().submit_send(pair.ours, sent, sending);
  CHECK(world.settle().empty());
  CHECK(world.io().operations() == 1);
  const auto [got, all] = ReadAll(world, pair.theirs, sent.size());
  CHECK(got == sent);
  REQUIRE(all.size() == 1);
  CHECK(all[0].result == static_cast<int>(sent.size()));
  world.io().close(pair.ours);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("send: a cancel, or shutting both ways, tells what had gone before", W, EVERY) {
  for (const bool by_cancel : {true, false}) {
    CAPTURE(by_cancel);
    W world;
    const Pair pair(world);
    const std::string sent = pattern(16 << 20);
    world.io().submit_send(pair.ours, sent, sending);
    CHECK(world.settle().empty());
    if (by_cancel) {
      world.io().submit_cancel(pair.ours, sending);
    } else {
      world.io().shut_both(pair.ours);
    }
    const Completions all = world.settle();
    REQUIRE(of(all, sending).size() == 1);
    const int result = of(all, sending)[0].result;
    REQUIRE(result > 0);
    CHECK(static_cast<std::size_t>(result) < sent.size());
    world.io().shut_send(pair.ours);
    const auto went = static_cast<std::size_t>(result);
    CHECK(world.receive(pair.theirs, went) == sent.substr(0, went));
    CHECK(world.receive(pair.theirs, 1).empty());
    world.io().close(pair.ours);
    check_nothing_left(world);
  }
}

TEST_CASE_TEMPLATE("send: a client that goes in the middle ends it short", W, EVERY) {
  W world;
  const Pair pair(world);
  const std::string sent = pattern(16 << 20);
  world.io().submit_recv(pair.ours, receiving, false);
  world.io().submit_send(pair.ours, sent, sending);
  CHECK(world.settle().empty());
  world.reset(pair.theirs);
  const Completions all = world.settle();
  REQUIRE(of(all, sending).size() == 1);
  CHECK(of(all, sending)[0].result < static_cast<int>(sent.size()));
  REQUIRE(ended(all, receiving));
  CHECK(of(all, receiving).back().result <= 0);
  world.io().close(pair.ours);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("send of two pieces: both, in order, as far as the client reads", W, EVERY) {
  W world;
  const Pair pair(world);
  const std::string head = pattern(3000);
  TwoPieces small{.first = head, .second = "small"};
  world.io().submit_send_two(pair.ours, small, sending);
  const Completions sent = world.harvest(1);
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].result == static_cast<int>(small.size()));
  CHECK(world.receive(pair.theirs, small.size()) == head + "small");

  const std::string content = pattern(16 << 20);
  TwoPieces large{.first = head, .second = content};
  world.io().submit_send_two(pair.ours, large, sending);
  CHECK(world.settle().empty());
  const auto [got, all] = ReadAll(world, pair.theirs, large.size());
  CHECK(got == head + content);
  REQUIRE(all.size() == 1);
  CHECK(all[0].result == static_cast<int>(large.size()));
  world.io().close(pair.ours);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("send of two pieces: a cancel tells what had gone before", W, EVERY) {
  W world;
  const Pair pair(world);
  const std::string head = "head";
  const std::string content = pattern(16 << 20);
  TwoPieces pieces{.first = head, .second = content};
  world.io().submit_send_two(pair.ours, pieces, sending);
  CHECK(world.settle().empty());
  world.io().submit_cancel(pair.ours, sending);
  const Completions all = world.settle();
  REQUIRE(of(all, sending).size() == 1);
  const int result = of(all, sending)[0].result;
  REQUIRE(result > 0);
  CHECK(static_cast<std::size_t>(result) < pieces.size());
  world.io().shut_send(pair.ours);
  const auto went = static_cast<std::size_t>(result);
  CHECK(world.receive(pair.theirs, went) == (head + content).substr(0, went));
  CHECK(world.receive(pair.theirs, 1).empty());
  world.io().close(pair.ours);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("receive: into memory of the caller's, once, no more than it holds", W, EVERY) {
  W world;
  const Pair pair(world);
  std::array<std::byte, 6> into{};
  const auto received = [&](std::size_t bytes) {
    const std::string_view all(reinterpret_cast<const char*>(into.data()), into.size());
    return all.substr(0, bytes);
  };
  world.io().submit_read(pair.ours, into, receiving);
  CHECK(world.settle().empty());
  world.send(pair.theirs, "hello world");
  Completions all = world.settle();
  REQUIRE(all.size() == 1);
  CHECK(all[0].result == 6);
  CHECK_FALSE(all[0].more);
  CHECK_FALSE(all[0].has_buffer);
  CHECK(received(6) == "hello ");
  CHECK(world.io().buffers_lent() == 0);
  CHECK(received_some(all, receiving));
  world.io().submit_read(pair.ours, into, receiving);
  all = world.settle();
  REQUIRE(all.size() == 1);
  CHECK(all[0].result == 5);
  CHECK(received(5) == "world");
  world.io().submit_read(pair.ours, into, receiving);
  cancel(world, pair.ours, receiving);
  world.io().submit_read(pair.ours, into, receiving);
  world.fin(pair.theirs);
  all = world.settle();
  REQUIRE(all.size() == 1);
  CHECK(all[0].result == 0);
  CHECK_FALSE(received_some(all, receiving));
  world.io().close(pair.ours);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("both ways at once on one socket", W, EVERY) {
  W world;
  const Pair pair(world);
  const std::string sent = pattern(16 << 20);
  std::array<std::byte, 100> into{};
  world.io().submit_read(pair.ours, into, awaiting);
  world.io().submit_send(pair.ours, sent, another);
  CHECK(world.settle().empty());
  world.send(pair.theirs, "pong");
  const Completions read = world.settle();
  REQUIRE(read.size() == 1);
  CHECK(read[0].ticket.pack() == awaiting.pack());
  CHECK(read[0].result == 4);
  CHECK(std::string_view(reinterpret_cast<const char*>(into.data()), 4) == "pong");
  cancel(world, pair.ours, another);
  world.io().close(pair.ours);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("cancel: of what has completed already, and of what never was", W, EVERY) {
  W world;
  const Pair pair(world);
  world.io().submit_send(pair.ours, "x", sending);
  CHECK(world.harvest(1).size() == 1);
  world.io().submit_cancel(pair.ours, sending);
  world.io().submit_cancel(pair.ours, awaiting);
  const Completions all = world.settle();
  CHECK(of(all, {Kind::cancel}).size() == 2);
  CHECK(all.size() == 2);
  world.io().close(pair.ours);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("cancel: in the same turn as the data, one of both comes, and nothing is lost",
                   W, EVERY) {
  W world;
  const Pair pair(world);
  world.io().submit_recv(pair.ours, receiving, false);
  CHECK(world.settle().empty());
  world.send(pair.theirs, "late");
  world.io().submit_cancel(pair.ours, receiving);
  const Completions all = world.settle();
  REQUIRE(ended(all, receiving));
  std::string got = take(world, all);
  if (got.empty()) {
    world.io().submit_recv(pair.ours, receiving, false);
    got = receive(world, 4);
    cancel(world, pair.ours, receiving);
  }
  CHECK(got == "late");
  world.io().close(pair.ours);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("connect: to somebody, to nobody", W, EVERY) {
  W world;
  for (const bool somebody : {true, false}) {
    CAPTURE(somebody);
    const Address to = somebody ? world.somebody() : world.nobody();
    const int socket = world.io().open_socket(AF_INET);
    REQUIRE(socket >= 0);
    world.io().submit_connect(socket, reinterpret_cast<const sockaddr*>(&to.storage), to.size,
                              awaiting);
    const Completions all = world.harvest(1);
    REQUIRE(all.size() == 1);
    CHECK(all[0].result == (somebody ? 0 : -ECONNREFUSED));
    if (somebody) {
      world.io().submit_send(socket, "request", another);
      const Completions sent = world.harvest(1);
      REQUIRE(sent.size() == 1);
      CHECK(sent[0].result == 7);
    }
    world.io().close(socket);
  }
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("wake: once for each read, however often it was written to", W, EVERY) {
  W world;
  const int event = world.make_event();
  alignas(8) std::array<std::byte, 8> into{};
  for (int round = 0; round < 3; ++round) {
    world.io().submit_read(event, into, {Kind::wake});
    CHECK(world.settle().empty());
    world.io().wake(event);
    world.io().wake(event);
    const Completions all = world.settle();
    REQUIRE(all.size() == 1);
    CHECK(all[0].result == 8);
  }
  world.io().wake(event);  // before it is read
  world.io().submit_read(event, into, {Kind::wake});
  CHECK(world.harvest(1).size() == 1);
  world.io().submit_read(event, into, {Kind::wake});
  cancel(world, event, {Kind::wake});
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("signal: read once, and not blocked for when somebody else has it", W, EVERY) {
  W world;
  const int fd = world.signal_fd();
  alignas(8) std::array<std::byte, sizeof(signalfd_siginfo)> into{};
  world.io().submit_read(fd, into, {Kind::signal});
  CHECK(world.settle().empty());
  world.raise_signal();
  const Completions all = world.harvest(1);
  REQUIRE(all.size() == 1);
  CHECK(all[0].result == static_cast<int>(sizeof(signalfd_siginfo)));
  CHECK(reinterpret_cast<const signalfd_siginfo*>(into.data())->ssi_signo == SIGUSR2);
  world.io().submit_read(fd, into, {Kind::signal});
  CHECK(world.settle().empty());
  cancel(world, fd, {Kind::signal});
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("files: written where they are told to, and synced", W, EVERY) {
  W world;
  const int file = world.make_file();
  world.io().submit_write(file, "hello world", 0, awaiting);
  Completions all = world.harvest(1);
  REQUIRE(all.size() == 1);
  CHECK(all[0].result == 11);
  world.io().submit_write(file, "there", 6, awaiting);
  all = world.harvest(1);
  REQUIRE(all.size() == 1);
  world.io().submit_sync(file, another);
  all = world.harvest(1);
  REQUIRE(all.size() == 1);
  CHECK(all[0].ticket.pack() == another.pack());
  CHECK(all[0].result == 0);
  CHECK(world.contents(file) == "hello there");
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("poll: once, when it is so, and again", W, EVERY) {
  W world;
  const Pair pair(world);
  world.io().submit_poll(pair.ours, POLLIN, awaiting);
  CHECK(world.settle().empty());
  world.send(pair.theirs, "x");
  Completions all = world.harvest(1);
  REQUIRE(all.size() == 1);
  CHECK((all[0].result & POLLIN) != 0);
  world.io().submit_poll(pair.ours, POLLIN, awaiting);  // still so
  all = world.harvest(1);
  REQUIRE(all.size() == 1);
  std::array<char, 8> rest;
  CHECK(world.io().receive_now(pair.ours, rest) == 1);
  world.io().submit_poll(pair.ours, POLLIN, awaiting);
  CHECK(world.settle().empty());
  cancel(world, pair.ours, awaiting);
  world.io().close(pair.ours);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("close: a number that is used again brings nothing of the old socket's", W,
                   EVERY) {
  W world;
  for (int round = 0; round < 3; ++round) {
    const Pair pair(world);
    world.io().submit_recv(pair.ours, receiving, false);
    world.send(pair.theirs, "first");
    CHECK(receive(world, 5) == "first");
    cancel(world, pair.ours, receiving);
    world.send(pair.theirs, "unread");
    world.fin(pair.theirs);
    world.io().close(pair.ours);
    const Pair next(world);
    world.io().submit_recv(next.ours, receiving, false);
    CHECK(world.settle().empty());
    world.send(next.theirs, "second");
    CHECK(receive(world, 6) == "second");
    cancel(world, next.ours, receiving);
    world.io().close(next.ours);
  }
  check_nothing_left(world);
}
