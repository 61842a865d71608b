// A server whose handlers misbehave, for stuck_test.py:
//
//   stuck ADDRESS:PORT WORKERS WINDOW_MS TIMEOUT_MS
//
//   /block      never returns, and blocks its worker's thread for ever; it is called "blocked" then
//   /who        "PROCESS THREAD": which worker answered (the leader's thread is the process's)
//   /wait       answers after 300 ms, and blocks nobody
//   /for-ever   after an hour
//   /disk       sleeps where no signal wakes it, as a disk that hangs makes one
#include <pthread.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>

#include <lastcall/log.h>
#include <lastcall/server.h>

namespace {

using std::chrono::milliseconds;

void block(lastcall::Request&, lastcall::Response&, void*) {
  pthread_setname_np(pthread_self(), "blocked");
  for (;;) ::sleep(1000);
}

void who(lastcall::Request&, lastcall::Response& response, void*) {
  response.body(std::to_string(getpid()) + " " + std::to_string(gettid()));
}

lastcall::Task<> wait(lastcall::Request&, lastcall::Response& response, void*) {
  co_await lastcall::sleep(milliseconds(300));
  response.body("waited");
}

lastcall::Task<> for_ever(lastcall::Request&, lastcall::Response&, void*) {
  co_await lastcall::sleep(std::chrono::hours(1));
}

// A parent of vfork(2) sleeps so until its child has ended.
void disk(lastcall::Request&, lastcall::Response&, void*) {
  pthread_setname_np(pthread_self(), "blocked");
  if (vfork() == 0) {
    for (int i = 0; i < 60; ++i) ::sleep(1);
    _exit(0);
  }
}

}  // namespace

int main(int argc, char** argv) {
  lastcall::block_signals();
  if (argc != 5) return 2;
  lastcall::log::configure(lastcall::log::Format::json, lastcall::log::Level::info);
  lastcall::log::start();
  lastcall::Options options;
  options.listen = argv[1];
  options.workers = static_cast<unsigned>(std::atoi(argv[2]));
  options.drain_window = milliseconds(std::atoi(argv[3]));
  options.shutdown_timeout = milliseconds(std::atoi(argv[4]));
  options.termination_log = "";
  if (const char* io = std::getenv("LASTCALL_IO")) options.io = io;
  // It leaves nothing behind that the next one would miss.
  {
    const lastcall::Server unused(options);
  }
  lastcall::Server server(options);
  server.route(lastcall::Method::get, "/block", block);
  server.route(lastcall::Method::get, "/who", who);
  server.route(lastcall::Method::get, "/wait", wait);
  server.route(lastcall::Method::get, "/disk", disk);
  server.route(lastcall::Method::get, "/for-ever", for_ever);
  return server.run();
}
