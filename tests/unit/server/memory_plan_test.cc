// What is whose of the memory that a process may use.
#include "server/memory_plan.h"

#include <doctest/doctest.h>

using namespace lastcall;

namespace {

constexpr std::size_t MiB = 1 << 20;
constexpr std::size_t many = 1'000'000;  // what RLIMIT_NOFILE would allow

MemoryPlan plan(std::size_t usable, std::size_t connections, std::size_t memory = 0,
                unsigned workers = 1) {
  Options options;
  options.memory = memory;
  options.max_connections = connections == many ? 0 : connections;
  return MemoryPlan::of(options, workers, usable, connections);
}

}  // namespace

TEST_CASE("half is for what clients make us hold, and half of that, at most, for bodies") {
  CHECK(plan(1024 * MiB, 100).each.all == 512 * MiB);
  CHECK(plan(1024 * MiB, 100).each.bodies == 256 * MiB);
  CHECK(plan(256 * MiB, 100).each.bodies == 64 * MiB);
  CHECK(plan(64 * 1024 * MiB, 100).each.bodies == Options{}.body_memory);
  CHECK(plan(1024 * MiB, 100, 0, 2).each.all == 256 * MiB);
  CHECK(plan(1024 * MiB, 100, 300 * MiB, 2).each.all == 150 * MiB);
}

TEST_CASE("the manifest's 16,384 connections have their places in 1 GiB, with narrow buffers") {
  const MemoryPlan manifest = plan(1024 * MiB, 16'384);
  CHECK(manifest.connections == 16'384);
  CHECK(manifest.narrow);
  CHECK(manifest.wide_sockets == 512);
  CHECK_FALSE(plan(1024 * MiB, 500).narrow);
}

TEST_CASE("who asks for no number gets as many as there is memory for, and their buffers grow") {
  CHECK(plan(1024 * MiB, many).connections == 1536);
  CHECK_FALSE(plan(1024 * MiB, many).narrow);
  CHECK(plan(1024 * MiB, many, 4 * MiB).connections == 409);
}

TEST_CASE("there are no more connections than there is memory for, on either side") {
  CHECK(plan(64 * MiB, 100'000).connections == 1024);
  CHECK(plan(1024 * MiB, 100'000, 4 * MiB).connections == 409);
  CHECK(plan(1024 * MiB, 100'000, 1024 * MiB).connections == 8192);
  CHECK(plan(4 * MiB, 100'000, 0, 200).connections == 200);  // one for each worker
}
