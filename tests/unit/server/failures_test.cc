// What handlers throw is told, and does not fill the log.
#include "server/failures.h"

#include <doctest/doctest.h>

#include <new>
#include <stdexcept>

#include "captured.h"

using namespace lastcall;

namespace {

template <class Thrown>
void fail(Failures& failures, const Thrown& thrown, Ms now) {
  const Request request;
  try {
    throw thrown;
  } catch (...) {
    failures.note(request, now);
  }
}

}  // namespace

TEST_CASE("a kind of failure is told at once, then once a second with how many there were since") {
  const Captured log;
  Failures failures;
  for (Ms now = 1000; now < 2000; now += 10) fail(failures, std::runtime_error("disk"), now);
  CHECK(log.count("failed, answered 500: disk") == 1);
  fail(failures, std::runtime_error("disk again"), 2000);
  CHECK(log.count("disk again; and 99 more since that was said last") == 1);
  fail(failures, std::bad_alloc(), 2001);
  fail(failures, 42, 2001);
  CHECK(log.count("failed, answered 500") == 4);
  CHECK(log.count("no std::exception") == 1);
}

TEST_CASE("of many kinds the last share a line") {
  const Captured log;
  Failures failures;
  fail(failures, std::runtime_error("a"), 0);
  fail(failures, std::logic_error("b"), 0);
  fail(failures, std::invalid_argument("c"), 0);
  fail(failures, std::domain_error("d"), 0);
  fail(failures, std::length_error("e"), 0);
  fail(failures, std::out_of_range("f"), 0);
  fail(failures, std::range_error("g"), 0);
  fail(failures, std::overflow_error("h"), 0);
  fail(failures, std::underflow_error("i"), 0);
  fail(failures, 1, 0);
  CHECK(log.count("failed, answered 500") == limits::failure_kinds);
}
