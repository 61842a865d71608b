// What only real descriptors show, over both engines that serve: whatever epoll must be careful
// with, the ring does by itself.
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string>
#include <utility>

#include "io/pair.h"
#include "io/world.h"

using namespace lastcall;

#define REAL UringWorld, EpollWorld

TEST_CASE_TEMPLATE("signal: taken by another thread after it was seen", W, REAL) {
  W world;
  const int fd = world.signal_fd();
  alignas(8) std::array<std::byte, sizeof(signalfd_siginfo)> into{};
  world.io().submit_read(fd, into, {Kind::signal});
  CHECK(world.settle().empty());
  world.raise_signal();
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  const timespec at_once{};
  CHECK(sigtimedwait(&set, nullptr, &at_once) == SIGUSR2);
  CHECK(world.settle().empty());
  cancel(world, fd, {Kind::signal});
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("files: a cancel comes before it or after it, and is counted", W, REAL) {
  W world;
  const int file = world.make_file();
  const std::string bytes = pattern(1 << 20);
  for (std::uint32_t i = 0; i < 8; ++i) {
    world.io().submit_write(file, bytes, 0, {Kind::awaited, i, 1});
    world.io().submit_sync(file, {Kind::awaited, 8 + i, 1});
  }
  for (std::uint32_t i = 0; i < 16; ++i) world.io().submit_cancel(file, {Kind::awaited, i, 1});
  CHECK(world.io().operations() == 32);
  const Completions all = world.harvest(32);
  CHECK(all.size() == 32);
  for (std::uint32_t i = 0; i < 16; ++i) {
    const Completions its = of(all, {Kind::awaited, i, 1});
    REQUIRE(its.size() == 1);
    const int done = i < 8 ? static_cast<int>(bytes.size()) : 0;
    CHECK((its[0].result == done || its[0].result == -ECANCELED || its[0].result == -EINTR));
  }
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("poll: of a descriptor that its owner closes behind our back", W, REAL) {
  W world;
  for (int round = 0; round < 3; ++round) {  // the number is the same each time
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    world.io().submit_poll(ends[0], POLLIN, awaiting);
    world.io().submit_poll(ends[0], POLLOUT, another);
    const Completions writable = world.settle();
    REQUIRE(writable.size() == 1);
    CHECK(writable[0].ticket.pack() == another.pack());
    if (round == 1) {
      cancel(world, ends[0], awaiting);
    } else {
      CHECK(::write(ends[1], "x", 1) == 1);
      CHECK(world.harvest(1).size() == 1);
    }
    ::close(ends[0]);
    ::close(ends[1]);
  }
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("receive: urgent data stops nothing", W, REAL) {
  W world;
  const Pair pair(world);
  world.io().submit_recv(pair.ours, receiving, false);
  CHECK(world.settle().empty());
  REQUIRE(::send(pair.theirs, "ab!", 3, MSG_OOB) == 3);  // the last byte is the urgent one
  world.send(pair.theirs, "cd");
  std::string got;
  for (int i = 0; i < 4 && got.size() < 4; ++i) got += receive(world, 4 - got.size());
  CHECK(got == "abcd");
  cancel(world, pair.ours, receiving);
  world.io().close(pair.ours);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("a regular file is read at once", W, REAL) {
  W world;
  const int file = world.make_file();
  REQUIRE(::pwrite(file, "contents", 8, 0) == 8);
  std::array<std::byte, 100> into{};
  world.io().submit_read(file, into, awaiting);
  const Completions all = world.harvest(1);
  REQUIRE(all.size() == 1);
  CHECK(all[0].result == 8);
  check_nothing_left(world);
}

// At the deadline a worker has but a moment for what has connected and was not accepted yet.
TEST_CASE("more uploaders than there are buffers take turns: nobody starves") {
  EpollWorld world;
  constexpr std::size_t uploaders = 2 * limits::receive_buffers / limits::receives_per_turn;
  std::vector<std::unique_ptr<Pair>> pairs;
  std::vector<std::size_t> got(uploaders);
  const std::string much = pattern(2 * limits::receives_per_turn * limits::receive_buffer_bytes);
  for (std::uint32_t i = 0; i < uploaders; ++i) {
    pairs.push_back(std::make_unique<Pair>(world));
    world.io().submit_recv(pairs[i]->ours, {Kind::recv, i, 0}, false);
  }
  for (int turn = 0; turn < 20; ++turn) {
    for (const auto& pair : pairs)
      (void)::send(pair->theirs, much.data(), much.size(), MSG_DONTWAIT);
    for (const Completion& c : world.io().harvest(world.io().now())) {
      if (!c.has_buffer) continue;
      got[c.ticket.index] += static_cast<std::size_t>(c.result);
      world.io().give_back(c.buffer);
    }
  }
  const auto [least, most] = std::minmax_element(got.begin(), got.end());
  CHECK(*least > 0);
  CHECK(*least * 2 >= *most);
  for (std::uint32_t i = 0; i < uploaders; ++i) {
    cancel(world, pairs[i]->ours, {Kind::recv, i, 0});
    world.io().close(pairs[i]->ours);
  }
}

TEST_CASE("accept by epoll: whoever is queued, in one harvest") {
  EpollWorld world;
  constexpr std::size_t queued = 300;
  for (std::size_t i = 0; i < queued; ++i) world.connect();
  world.io().submit_accept(world.listener(), accepting, false);
  const auto some = world.io().harvest(world.io().now() + 1000);
  const Completions all(some.begin(), some.end());
  CHECK(of(all, accepting).size() == queued);
  for (const Completion& c : all) world.io().close(c.result);
  cancel(world, world.listener(), accepting);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("poll: another event on the same descriptor need not wait", W, REAL) {
  W world;
  const Pair pair(world);
  world.io().submit_poll(pair.ours, POLLIN, awaiting);
  CHECK(world.settle().empty());
  world.io().submit_poll(pair.ours, POLLOUT, another);
  CHECK(of(world.harvest(1), another).size() == 1);
  cancel(world, pair.ours, awaiting);
  world.io().close(pair.ours);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("one client's flood keeps nobody waiting", W, REAL) {
  W world;
  const Pair flood(world);
  const Pair other(world);
  constexpr Ticket its{Kind::recv, 8, 1};
  world.io().submit_recv(flood.ours, receiving, false);
  world.io().submit_recv(other.ours, its, false);
  CHECK(world.settle().empty());
  world.send(flood.theirs, pattern(500'000));
  world.send(other.theirs, "me too");
  // In this one harvest, or the next.
  Completions all;
  for (int i = 0; i < 2; ++i) {
    const auto some = world.io().harvest(world.io().now() + 1000);
    all.insert(all.end(), some.begin(), some.end());
  }
  CHECK(of(all, its).size() == 1);
  take(world, all);
  take(world, world.settle());
  for (const auto& [pair, ticket] : {std::pair{&flood, receiving}, std::pair{&other, its}}) {
    world.io().shut_both(pair->ours);
    while (world.io().operations() > 0) {
      const Completions some = world.settle();
      take(world, some);
      if (of(some, ticket).empty()) break;
      if (ended(some, ticket) && of(some, ticket).back().result == -ENOBUFS)
        world.io().submit_recv(pair->ours, ticket, false);
    }
    world.io().close(pair->ours);
  }
  check_nothing_left(world);
}
