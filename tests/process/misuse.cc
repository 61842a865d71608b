// A program that makes the mistakes which the library tells its user of, for misuse_test.py:
//
//   misuse ADDRESS:PORT MISTAKE
//
//   run-twice      runs a second time when the first is over
//   route-late     adds a route from the hook of the drain
//   none           serves, and its handlers make theirs:
//     /latch       two waiters of one latch: the second is wrong
//     /fine        none
#include <chrono>
#include <memory>
#include <string_view>

#include <lastcall/latch.h>
#include <lastcall/log.h>
#include <lastcall/server.h>

namespace {

void fine(lastcall::Request&, lastcall::Response& response, void*) { response.body("fine"); }

struct Meeting {
  lastcall::Latch begun;
};

lastcall::Task<> waits(std::shared_ptr<Meeting> meeting) { co_await meeting->begun; }

lastcall::Task<> latch(lastcall::Request&, lastcall::Response&, void*) {
  const auto meeting = std::make_shared<Meeting>();
  if (!lastcall::background("first", waits, meeting)) co_return;
  co_await lastcall::sleep(std::chrono::milliseconds(20));  // the job waits by now
  try {
    co_await meeting->begun;
  } catch (...) {
    meeting->begun.set();  // for the first one
    throw;
  }
}

void route_late(void* server) {
  static_cast<lastcall::Server*>(server)->route(lastcall::Method::get, "/late", fine);
}

}  // namespace

int main(int argc, char** argv) {
  lastcall::block_signals();
  if (argc != 3) return 2;
  const std::string_view mistake = argv[2];
  lastcall::log::configure(lastcall::log::Format::json, lastcall::log::Level::info);
  lastcall::Options options;
  options.listen = argv[1];
  options.workers = 1;
  options.drain_window = std::chrono::milliseconds(0);
  options.termination_log = "";
  lastcall::Server server(options);
  server.route(lastcall::Method::get, "/latch", latch);
  server.route(lastcall::Method::get, "/fine", fine);
  if (mistake == "route-late") server.on_drain(route_late, &server);
  const int code = server.run();
  return mistake == "run-twice" ? server.run() : code;
}
