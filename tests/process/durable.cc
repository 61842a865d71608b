// A service whose 200 means "counted", and jobs that end in unusual ways, for file_counter_test.py
// and jobs_test.py:
//
//   durable ADDRESS:PORT WORKERS COUNTER WINDOW_MS TIMEOUT_MS
//
//   /add        awaits the counter, and answers only then: a 200 is an increment that is kept
//   /value      the counter
//   /forever    starts a job "forever", which nothing can end
//   /blocks     starts a job "blocks", which blocks its worker, and one "behind it"
//   /stubborn   starts a job "stubborn", which takes being cancelled for no reason to fail
//   /fails      starts a job "fails", which throws
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>

#include <lastcall/latch.h>
#include <lastcall/log.h>
#include <lastcall/server.h>

#include "program/counter.h"

namespace {

using lastcall::Request;
using lastcall::Response;
using lastcall::Task;
using std::chrono::milliseconds;

Task<> add(Request&, Response& response, void* state) {
  co_await static_cast<lastcall::Counter*>(state)->add(1);
  response.body("added\n");
}

Task<> value(Request&, Response& response, void* state) {
  const auto known = co_await static_cast<lastcall::Counter*>(state)->value();
  response.status(known ? 200 : 503).body(std::to_string(known.value_or(-1)));
}

Task<> wait_forever() {
  lastcall::Latch never;
  co_await never;
}

Task<> ignore_the_deadline() {
  try {
    co_await lastcall::sleep(milliseconds(60'000));
  } catch (const lastcall::Canceled&) {
  }
}

Task<> fail() {
  co_await lastcall::sleep(milliseconds(1));
  throw std::runtime_error("no reason at all");
}

void forever(Request&, Response& response, void*) {
  response.status(lastcall::background("forever", wait_forever) ? 200 : 503);
}

void stubborn(Request&, Response& response, void*) {
  response.status(lastcall::background("stubborn", ignore_the_deadline) ? 200 : 503);
}

Task<> block() {
  co_await lastcall::sleep(milliseconds(1));
  std::this_thread::sleep_for(std::chrono::hours(1));
}

void blocks(Request&, Response& response, void*) {
  const bool both =
      lastcall::background("blocks", block) && lastcall::background("behind it", wait_forever);
  response.status(both ? 200 : 503);
}

void fails(Request&, Response& response, void*) {
  response.status(lastcall::background("fails", fail) ? 200 : 503);
}

}  // namespace

int main(int argc, char** argv) {
  lastcall::block_signals();
  if (argc != 6) return 2;
  lastcall::log::configure(lastcall::log::Format::json, lastcall::log::Level::info);
  lastcall::log::start();
  lastcall::CounterOptions where;
  where.where = argv[3];
  std::string why;
  const auto counter = lastcall::make_counter(where, why);
  if (counter == nullptr) {
    std::fprintf(stderr, "durable: %s\n", why.c_str());
    return 1;
  }
  lastcall::Options options;
  options.listen = argv[1];
  options.workers = static_cast<unsigned>(std::atoi(argv[2]));
  options.drain_window = milliseconds(std::atoi(argv[4]));
  options.shutdown_timeout = milliseconds(std::atoi(argv[5]));
  options.termination_log = "";
  if (const char* io = std::getenv("LASTCALL_IO")) options.io = io;
  lastcall::Server server(options);
  server.route(lastcall::Method::any, "/add", add, counter.get());
  server.route(lastcall::Method::get, "/value", value, counter.get());
  server.route(lastcall::Method::get, "/forever", forever);
  server.route(lastcall::Method::get, "/stubborn", stubborn);
  server.route(lastcall::Method::get, "/fails", fails);
  server.route(lastcall::Method::get, "/blocks", blocks);
  return server.run();
}
