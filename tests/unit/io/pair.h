// An end of a connection that is ours, and what the tests of the seam ask of it.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

#include "io/world.h"

namespace lastcall {

inline constexpr Ticket accepting{Kind::accept, 0, 0};
inline constexpr Ticket receiving{Kind::recv, 7, 1};
inline constexpr Ticket sending{Kind::send, 7, 1};
inline constexpr Ticket awaiting{Kind::awaited, 3, 2};
inline constexpr Ticket another{Kind::awaited, 4, 9};

using Completions = World::Completions;

inline Completions of(const Completions& all, Ticket ticket) {
  Completions some;
  std::copy_if(all.begin(), all.end(), std::back_inserter(some),
               [&](const Completion& c) { return c.ticket.pack() == ticket.pack(); });
  return some;
}

inline bool ended(const Completions& all, Ticket ticket) {
  const Completions its = of(all, ticket);
  return !its.empty() && !its.back().more;
}

inline auto end_of(Ticket ticket) {
  return [ticket](const Completions& all) { return ended(all, ticket); };
}

// A connection: our end of it, accepted, and theirs.
struct Pair {
  explicit Pair(World& world) : theirs(world.connect()) {
    world.io().submit_accept(world.listener(), accepting, true);
    const Completions all = world.harvest(1);
    REQUIRE(all.size() == 1);
    REQUIRE(all[0].result >= 0);
    REQUIRE_FALSE(all[0].more);
    ours = all[0].result;
  }
  int theirs;
  int ours = -1;
};

// What a client gets that reads up to so many bytes, while we harvest, each time for `wait` ms at
// most; and what completes meanwhile.
struct ReadAll {
  ReadAll(World& world, int peer, std::size_t bytes, Ms wait = 0) {
    while (got.size() < bytes) {
      const std::string piece =
          world.receive(peer, std::min<std::size_t>(64 << 10, bytes - got.size()));
      if (piece.empty()) break;
      got += piece;
      const auto some = world.io().harvest(wait == 0 ? 0 : world.io().now() + wait);
      all.insert(all.end(), some.begin(), some.end());
    }
    if (all.empty()) all = world.harvest(1);
  }
  std::string got;
  Completions all;
};

// The bytes that came, their buffers given back.
inline std::string take(World& world, const Completions& all) {
  std::string bytes;
  for (const Completion& c : all) {
    if (!c.has_buffer) continue;
    bytes += world.io().lent(c.buffer, static_cast<std::size_t>(std::max(c.result, 0)));
    world.io().give_back(c.buffer);
  }
  return bytes;
}

// Receives until as much has come, or nothing more does.
inline std::string receive(World& world, std::size_t bytes) {
  std::string all;
  while (all.size() < bytes) {
    const std::string more = take(world, world.harvest(1));
    if (more.empty()) break;
    all += more;
  }
  return all;
}

inline void cancel(World& world, int fd, Ticket target) {
  world.io().submit_cancel(fd, target);
  const Completions all = world.harvest(
      [&](const Completions& c) { return ended(c, target) && ended(c, {Kind::cancel}); });
  CHECK(ended(all, target));
  CHECK(ended(all, {Kind::cancel}));
  take(world, all);
}

inline void check_nothing_left(World& world) {
  CHECK(world.io().operations() == 0);
  CHECK(world.io().cancels() == 0);
  CHECK(world.io().buffers_lent() == 0);
  CHECK(world.io().broken() == 0);
}

inline std::string pattern(std::size_t bytes) {
  std::string all(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i)
    all[i] = static_cast<char>('a' + i * 7 % 23 + i / 4096 % 3);
  return all;
}

}  // namespace lastcall
