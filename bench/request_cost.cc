// What a request costs in user time, without a kernel: lastcall's worker, connection, parser and
// response over an `Io` in memory. Prints one JSON object a request, for bench/throughput.
//
//   request_cost [ROUNDS]
//
// 64 pretend clients send a request, or 16 in a row, and the next as soon as the answer is whole.
// Their bytes lie in the receive buffers from the start: no copy is measured, as the kernel would
// make it. Time that the pretend Io itself takes is measured by a consumer that answers without
// looking, in the same round, and subtracted. Heap allocations in the steady state are counted.
// Behind these come the kinds of traffic that a release build is trained by (bench/traffic.h).
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include <lastcall/log.h>

#include "traffic.h"

namespace {
std::atomic<std::uint64_t> allocations{0};
}  // namespace

// Counts, and does what the library's own would. The other forms of new call this one, but those
// with an alignment, which nothing here needs.
void* operator new(std::size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
// Not inline: GCC 12 takes what it sees of a pair for one that does not match.
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using namespace lastcall;

constexpr std::size_t clients = 64;

// The real thing, with as many routes as the sample service has.
std::unique_ptr<PretendServer> serve(std::string_view batch) {
  auto server = std::make_unique<PretendServer>(batch, clients);
  for (const char* path : {"/", "/whoami", "/slow", "/echo"})
    server->router.add({Method::get, path, Handler(hello, nullptr)});
  server->start();
  return server;
}

// Answers without looking: what remains is the pretend Io's own time.
class Nobody {
 public:
  Nobody(std::string_view batch, std::size_t count, std::string answers)
      : io(batch, count), answers_(std::move(answers)) {
    io.answer_bytes(answers_.size());
    io.submit_accept(PretendServer::listener_fd, {Kind::accept, 0, 0}, false);
  }
  void turn() {
    for (const Completion& completion : io.harvest(0)) {
      const Ticket& ticket = completion.ticket;
      if (ticket.kind == Kind::accept) {
        const int fd = completion.result;
        io.submit_recv(fd, {Kind::recv, static_cast<std::uint32_t>(fd - PretendIo::first_fd), 0},
                       false);
      } else if (ticket.kind == Kind::recv) {
        io.give_back(completion.buffer);
        const auto fd = static_cast<int>(ticket.index) + PretendIo::first_fd;
        io.submit_send(fd, answers_, {Kind::send, ticket.index, 0});
      }
    }
  }

  PretendIo io;

 private:
  const std::string answers_;
};

// ---- the measurement

struct Load {
  const char* name;
  std::string_view request;
  std::size_t pipelined;
};

constexpr std::string_view small = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
constexpr std::string_view browser =
    "GET / HTTP/1.1\r\n"
    "Host: 127.0.0.1:8080\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
    "Accept: text/html,*/*;q=0.8\r\n"
    "Accept-Language: en, de\r\n"
    "Connection: keep-alive\r\n\r\n";
static_assert(small.size() == 40 && browser.size() == 163);

constexpr std::array loads{Load{"40 bytes", small, 1}, Load{"40 bytes x 16", small, 16},
                           Load{"163 bytes", browser, 1}, Load{"163 bytes x 16", browser, 16}};

// CPU nanoseconds per request, over `batches` or a few more.
template <class Server>
double time_requests(Server& server, std::size_t pipelined, std::uint64_t batches) {
  const std::uint64_t before = server.io.batches();
  const std::int64_t began = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
  while (server.io.batches() - before < batches) server.turn();
  const std::int64_t took = nanoseconds(CLOCK_THREAD_CPUTIME_ID) - began;
  const auto requests = static_cast<double>((server.io.batches() - before) * pipelined);
  return static_cast<double>(took) / requests;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// The length of an answer is what the first one has, to a request that comes alone.
std::string one_answer() {
  const auto server = serve(small);
  while (server->io.sends() == 0) server->turn();
  return std::string(server->io.last_sent());
}

// What is measured, and how: of a batch, how many requests there are in it.
struct Measured {
  const char* name;
  std::size_t batch_bytes;
  std::size_t requests;
  std::uint64_t batches;
  bool may_allocate = false;
};

void measure(const Measured& what, std::size_t rounds, PretendServer& server, Nobody& nobody) {
  time_requests(server, what.requests, what.batches);  // every pool and vector has grown
  time_requests(nobody, what.requests, what.batches);
  std::vector<double> costs;
  std::vector<double> overheads;
  costs.reserve(rounds);
  overheads.reserve(rounds);
  const std::uint64_t allocated = allocations;
  const std::uint64_t before = server.io.batches();
  for (std::size_t round = 0; round < rounds; ++round) {
    overheads.push_back(time_requests(nobody, what.requests, what.batches));
    costs.push_back(time_requests(server, what.requests, what.batches) - overheads.back());
  }
  const std::uint64_t requests = (server.io.batches() - before) * what.requests;
  fmt::print(R"({{"load":"{}","request_bytes":{},"pipelined":{},"requests":{},"rounds":{},)"
             R"("ns_per_request":{:.1f},"ns_min":{:.1f},"ns_max":{:.1f},"io_ns":{:.1f},)"
             R"("allocations":{},"may_allocate":{}}})"
             "\n",
             what.name, what.batch_bytes / what.requests, what.requests, requests, rounds,
             median(costs), *std::min_element(costs.begin(), costs.end()),
             *std::max_element(costs.begin(), costs.end()), median(overheads),
             allocations - allocated, what.may_allocate);
}

void measure(const Load& load, std::size_t rounds, const std::string& answer) {
  std::string batch;
  std::string answers;
  for (std::size_t i = 0; i < load.pipelined; ++i) batch += load.request, answers += answer;
  const auto server = serve(batch);
  Nobody nobody(batch, clients, answers);
  server->io.answer_bytes(answers.size());
  measure({load.name, batch.size(), load.pipelined, 200'000 / load.pipelined}, rounds, *server,
          nobody);
}

void measure(const traffic::Load& load, std::size_t rounds) {
  const std::size_t count = traffic::clients_of(load);
  PretendServer server(load.batch, count, PretendIo::Clock::stepped);
  const std::size_t answer_bytes = traffic::start(server, count);
  Nobody nobody(load.batch, count, std::string(answer_bytes, 'a'));
  measure({load.name, load.batch.size(), load.requests, load.batches, load.large}, rounds, server,
          nobody);
}

}  // namespace

int main(int argc, char** argv) {
  const long rounds = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 9;
  if (argc > 2 || rounds < 1 || rounds > 1000) {
    fmt::print(stderr, "usage: request_cost [ROUNDS]\n");
    return 2;
  }
  log::configure(log::Format::text, log::Level::off);
  const std::string answer = one_answer();
  const auto count = static_cast<std::size_t>(rounds);
  for (const Load& load : loads) measure(load, count, answer);
  for (const traffic::Load& load : traffic::loads()) {
    if (!load.waits) measure(load, count);
  }
  return 0;
}
