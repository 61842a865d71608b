// A service that does what the worker must not: it blocks, it has threads of its own, it watches
// descriptors, it serves files. bridge_test.py and files_test.py run it: bridge MANNER, and options
// as any program has them, [-- DIRECTORY].
#include <lastcall/log.h>
#include <lastcall/server.h>

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

using namespace std::chrono_literals;
using lastcall::Request;
using lastcall::Response;
using lastcall::Task;

namespace {

std::chrono::milliseconds asked(const Request& request) {
  return std::chrono::milliseconds(std::stol(request.query_value("ms").value_or("0")));
}

std::atomic<int> posted{0};
std::atomic<int> jobs{0};
std::atomic<bool> started{false};

Task<> job(std::string text) {
  co_await lastcall::sleep(20ms);
  if (text == "from a thread") ++jobs;
}

// From threads that are no worker's: 100 callables for each of two workers, and 100 jobs.
void add_threads(lastcall::Server& server) {
  server.route("GET", "/threads", [](Request&, Response& response) -> Task<> {
    const int refused = co_await lastcall::run_blocking("threads", [] {
      std::atomic<int> missed{0};
      std::array<std::thread, 4> all;
      for (std::thread& thread : all) {
        thread = std::thread([&missed] {
          for (int i = 0; i < 25; ++i) {
            for (const unsigned worker : {0U, 1U})
              missed += !lastcall::post(
                  worker, [worker] { posted += lastcall::this_worker() == worker ? 1 : 1000; });
            missed += !lastcall::background("counting", job, std::string("from a thread"));
          }
        });
      }
      for (std::thread& thread : all) thread.join();
      return missed.load();
    });
    co_await lastcall::sleep(200ms);
    response.body(std::to_string(posted) + " " + std::to_string(jobs) + " " +
                  std::to_string(refused) + " " +
                  std::to_string(lastcall::post(7, [] { posted += 1000; })));
  });
}

void add_blocking(lastcall::Server& server) {
  server.route("GET", "/blocking", [](Request& request, Response& response) -> Task<> {
    const auto nap = asked(request);
    const std::string text(40, 'b');
    const auto copies = [nap, text] {
      std::this_thread::sleep_for(nap);
      return text;
    };
    response.body(co_await lastcall::run_blocking("naps", copies));
  });
  // Says what has become of it: nobody may be there to hear it.
  server.route("GET", "/canceled", [](Request& request, Response& response) -> Task<> {
    const auto nap = asked(request);
    try {
      co_await lastcall::run_blocking("naps", [nap] { std::this_thread::sleep_for(nap); });
      lastcall::log::info("a nap has ended");
    } catch (const lastcall::Canceled&) {
      lastcall::log::info("a nap was canceled");
      throw;
    }
    response.body("slept");
  });
  server.route("GET", "/throws", [](Request&, Response& response) -> Task<> {
    try {
      co_await lastcall::run_blocking("failures",
                                      [] { throw std::runtime_error("on another thread"); });
    } catch (const std::runtime_error& error) {
      response.body(error.what());
    }
  });
  server.route("GET", "/crashes", [](Request&, Response&) -> Task<> {
    co_await lastcall::run_blocking("crash", [] { std::raise(SIGSEGV); });
  });
  // What the watch over the workers tells of.
  server.route("GET", "/stands-still", [](Request& request, Response& response) {
    std::this_thread::sleep_for(asked(request));
    response.body("up");
  });
  server.route("GET", "/stands-still-later", [](Request& request, Response&) -> Task<> {
    co_await lastcall::sleep(20ms);
    std::this_thread::sleep_for(asked(request));
  });
}

void add_descriptors(lastcall::Server& server) {
  server.route("GET", "/pipe", [](Request& request, Response& response) -> Task<> {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) throw std::system_error(errno, std::generic_category());
    std::string text = co_await lastcall::writable(ends[1]) ? "writable" : "full";
    std::thread writer;
    const auto nap = asked(request);
    writer = std::thread([nap, end = ends[1]] {
      std::this_thread::sleep_for(nap);
      (void)!::write(end, "x", 1);
    });
    text += co_await lastcall::readable(ends[0], 500ms) ? " readable" : " late";
    co_await lastcall::run_blocking("joins", [&writer] { writer.join(); });
    ::close(ends[0]);
    ::close(ends[1]);
    response.body(text);
  });
}

void add_ends(lastcall::Server& server) {
  server.route("GET", "/", [](Request&, Response& response) {
    response.body(started ? "started" : "not started");
  });
  server.route("GET", "/port", [&server](Request&, Response& response) {
    response.body(std::to_string(server.port()));
  });
  server.route("GET", "/stop", [&server](Request&, Response& response) -> Task<> {
    co_await lastcall::run_blocking("stop", [&server] {
      server.stop();
      server.stop();
    });
    while (!lastcall::draining()) co_await lastcall::sleep(10ms);
    response.body("stopped");
  });
  server.on_drain([] { lastcall::log::info(lastcall::log::Fields().add("n", 7), "drain hook"); });
}

void add_manner(lastcall::Server& server, std::string_view manner) {
  if (manner == "slow-start") {
    server.on_start([]() -> Task<> {
      co_await lastcall::sleep(1s);
      started = true;
    });
  } else if (manner == "failing-start") {
    server.on_start([]() -> Task<> {
      co_await lastcall::sleep(300ms);
      if (lastcall::this_worker() == 1) throw std::runtime_error("no database");
    });
  } else if (manner == "stopped-before") {
    server.stop();
  } else if (manner == "stopped-at-start") {
    server.on_start([&server]() -> Task<> {
      server.stop();
      co_return;
    });
  } else if (manner == "flooded") {
    // Until nobody takes it: each posts itself again.
    server.on_drain([] {
      struct Again {
        void operator()() const {
          if (lastcall::post(lastcall::this_worker(), *this)) ++posted;
        }
      };
      (void)lastcall::post(0, Again());
      (void)lastcall::post(1, Again());
    });
  }
}

}  // namespace

int main(int argc, char** argv) {
  lastcall::block_signals();
  if (argc < 2) return 2;
  const std::string_view manner = argv[1];
  argv[1] = argv[0];
  const lastcall::Options options = lastcall::Options::from(argc - 1, argv + 1);
  lastcall::Server server(options);
  if (!options.rest.empty()) {
    server.route("GET", "/files/{path...}",
                 [directory = options.rest[0]](Request& request, Response& response) {
                   response.file(directory, request.param("path"));
                 });
  }
  add_threads(server);
  add_blocking(server);
  add_descriptors(server);
  add_ends(server);
  add_manner(server, manner);
  return server.run();
}
