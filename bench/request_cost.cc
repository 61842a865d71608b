// What a request costs in user time, without a kernel: lastcall's worker, connection, parser and
// response over an `Io` in memory. Prints one JSON object a request, for bench/throughput.
//
//   request_cost [ROUNDS]
//
// 64 pretend clients send a request, or 16 in a row, and the next as soon as the answer is whole.
// Their bytes lie in the receive buffers from the start: no copy is measured, as the kernel would
// make it. Time that the pretend Io itself takes is measured by a consumer that answers without
// looking, in the same round, and subtracted. Heap allocations in the steady state are counted.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <lastcall/log.h>

#include "base/check.h"
#include "io/io.h"
#include "server/health.h"
#include "server/worker.h"

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
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using lastcall::Completion;
using lastcall::Kind;
using lastcall::Ms;
using lastcall::Ticket;
namespace limits = lastcall::limits;

constexpr std::size_t clients = 64;
constexpr int first_fd = 1000;  // no descriptor behind them: nobody may use them in a system call
constexpr int listener_fd = 999;

std::int64_t nanoseconds(clockid_t clock) {
  std::timespec time{};
  clock_gettime(clock, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// ---- the pretend kernel

// Each client's batch comes in as many buffers as it needs, all in one harvest; the next batch
// comes when everything sent has made up the answers to this one. Buffers go round in a ring, as
// the kernel's do: the cache sees all of them.
class PretendIo final : public lastcall::Io {
 public:
  PretendIo(std::string_view batch, std::size_t requests) : batch_(batch), requests_(requests) {
    for (std::size_t i = 0; i < limits::receive_buffers; ++i) free_[i] = std::uint16_t(i);
    completions_.reserve(8 * limits::receive_buffers);
    // Buffer i always carries piece i modulo the number of pieces.
    for (std::size_t i = 0; i < limits::receive_buffers; ++i) {
      const std::string_view bytes = piece(i % pieces());
      std::memcpy(&memory_[i * limits::receive_buffer_bytes], bytes.data(), bytes.size());
    }
    CHECK(limits::receive_buffers % pieces() == 0);
    CHECK(clients * pieces() <= limits::receive_buffers);
  }

  void answer_bytes(std::size_t bytes) { batch_answer_bytes_ = bytes * requests_; }
  [[nodiscard]] std::uint64_t batches() const { return batches_; }
  [[nodiscard]] std::uint64_t sends() const { return sends_; }
  [[nodiscard]] std::string_view last_sent() const { return last_sent_; }

  void reserve(std::size_t) override {}
  void submit_accept(int, Ticket ticket, bool) override { accept_ = ticket, accepting_ = true; }
  void submit_recv(int socket, Ticket ticket, bool) override {
    client_of(socket).recv = ticket;
    client_of(socket).receiving = true;
  }
  void submit_send(int socket, std::string_view bytes, Ticket ticket) override {
    Client& client = client_of(socket);
    client.send = ticket;
    client.sending = bytes.size();
    last_sent_ = bytes;
    ++sends_;
  }
  void submit_send_file(int, lastcall::FilePiece&, Ticket) override { std::abort(); }
  void submit_read(int, std::span<std::byte>, Ticket) override {}
  void submit_connect(int, const sockaddr*, socklen_t, Ticket) override {}
  void submit_poll(int, unsigned, Ticket) override {}
  void submit_write(int, std::string_view, std::uint64_t, Ticket) override {}
  void submit_sync(int, Ticket) override {}
  void submit_cancel(int, Ticket) override {}

  std::span<const Completion> harvest(Ms) override {
    completions_.clear();
    if (accepting_ && accepted_ < clients) accept_all();
    for (Client& client : clients_) {
      if (client.sending > 0) complete_send(client);
      if (client.receiving && client.unanswered == 0) complete_recv(client);
    }
    return completions_;
  }
  [[nodiscard]] std::size_t operations() const override { return 0; }
  [[nodiscard]] std::size_t cancels() const override { return 0; }

  [[nodiscard]] std::string_view lent(std::uint16_t buffer, std::size_t bytes) const override {
    return {&memory_[buffer * limits::receive_buffer_bytes], bytes};
  }
  void give_back(std::uint16_t buffer) override { free_[given_back_++ % free_.size()] = buffer; }
  [[nodiscard]] std::size_t buffers_lent() const override {
    return lent_ - (given_back_ - free_.size());
  }

  // As the real ones: their cost is lastcall's.
  Ms now() override { return nanoseconds(CLOCK_MONOTONIC) / 1'000'000; }
  std::int64_t wall_seconds() override {
    return nanoseconds(CLOCK_REALTIME_COARSE) / 1'000'000'000;
  }

  int accept_now(int) override { return -EAGAIN; }
  int open_socket(int) override { return -EMFILE; }
  void shut_send(int) override {}
  void shut_both(int) override {}
  void reset(int) override {}
  void set_close_resets(int, bool) override {}
  void close(int) override {}
  std::size_t bytes_waiting(int) override { return 0; }
  [[nodiscard]] bool may_have_received(Ticket) const override { return false; }
  std::size_t receive_now(int, std::span<char>) override { return 0; }
  std::size_t bytes_unacked(int) override { return 0; }
  std::uint64_t bytes_acked(int) override { return 0; }
  bool gone(int) override { return false; }
  bool quiet(int) override { return true; }
  void set_receive_room(int, std::size_t) override {}
  int listen(int) override { return 0; }
  bool met_itself(int) override { return false; }
  int unlisten(int) override { return 0; }
  unsigned accept_queue_length(int) override { return 0; }
  int handshakes_half_way(std::uint16_t) override { return 0; }
  lastcall::TcpCounts tcp_counts() override { return {}; }
  void wake(int) override {}
  std::string peer(int) override { return "a pretend client"; }

 private:
  struct Client {
    Ticket recv;
    Ticket send;
    bool receiving = false;
    std::size_t sending = 0;
    std::size_t unanswered = 0;  // bytes of answers that the client still waits for
  };

  Client& client_of(int socket) { return clients_[static_cast<std::size_t>(socket - first_fd)]; }
  [[nodiscard]] std::size_t pieces() const {
    return (batch_.size() + limits::receive_buffer_bytes - 1) / limits::receive_buffer_bytes;
  }
  [[nodiscard]] std::string_view piece(std::size_t number) const {
    return batch_.substr(number * limits::receive_buffer_bytes, limits::receive_buffer_bytes);
  }

  void accept_all() {
    for (; accepted_ < clients; ++accepted_) {
      completions_.push_back(
          {.ticket = accept_, .result = first_fd + static_cast<int>(accepted_), .more = true});
    }
  }
  void complete_send(Client& client) {
    completions_.push_back({.ticket = client.send, .result = static_cast<int>(client.sending)});
    CHECK(batch_answer_bytes_ == 0 || client.unanswered >= client.sending);
    client.unanswered -= std::min(client.unanswered, client.sending);
    client.sending = 0;
  }
  void complete_recv(Client& client) {
    for (std::size_t i = 0; i < pieces(); ++i) {
      const std::uint16_t buffer = free_[lent_++ % free_.size()];
      CHECK(buffer % pieces() == i);
      completions_.push_back({.ticket = client.recv,
                              .result = static_cast<int>(piece(i).size()),
                              .more = true,
                              .has_buffer = true,
                              .buffer = buffer});
    }
    client.unanswered = batch_answer_bytes_;
    ++batches_;
  }

  const std::string_view batch_;
  const std::size_t requests_;
  std::array<Client, clients> clients_{};
  std::size_t accepted_ = 0;
  bool accepting_ = false;
  Ticket accept_;
  std::size_t batch_answer_bytes_ = 0;  // 0: not known yet, and anything is an answer
  std::uint64_t batches_ = 0;
  std::uint64_t sends_ = 0;
  std::string_view last_sent_;
  std::array<std::uint16_t, limits::receive_buffers> free_{};
  std::uint64_t lent_ = 0;
  std::uint64_t given_back_ = limits::receive_buffers;
  std::array<char, limits::receive_buffers * limits::receive_buffer_bytes> memory_{};
  std::vector<Completion> completions_;
};

// ---- who is measured

void hello(lastcall::Request&, lastcall::Response& response, void*) {
  response.body("hello world");
}

// The real thing, with as many routes as the sample service has.
class Lastcall {
 public:
  Lastcall(std::string_view batch, std::size_t requests) : io(batch, requests) {
    lastcall::add_health_routes(router_, health_);
    lastcall::add_health_routes(admin_router_, health_);
    for (const char* path : {"/", "/whoami", "/slow", "/echo"})
      router_.add({lastcall::Method::get, path, lastcall::Handler(hello, nullptr)});
    config_.router = &router_;
    config_.admin_router = &admin_router_;
    config_.connections_max = 20'000;  // room for a multishot accept
    worker_ = std::make_unique<lastcall::Worker>(io, config_, process_, 0);
    process_.slots[0].listener = listener_fd;
    worker_->start(-1, -1);
  }
  void turn() { worker_->turn(); }

  PretendIo io;

 private:
  lastcall::Process process_{1, {.window = 0, .timeout = 0, .lead = 0}};
  lastcall::Health health_{.process = &process_, .also_alive = {}};
  lastcall::Router router_;
  lastcall::Router admin_router_;
  lastcall::WorkerConfig config_;
  std::unique_ptr<lastcall::Worker> worker_;
};

// Answers without looking: what remains is the pretend Io's own time.
class Nobody {
 public:
  Nobody(std::string_view batch, std::size_t requests) : io(batch, requests), requests_(requests) {
    io.submit_accept(listener_fd, {Kind::accept, 0, 0}, false);
  }
  void answer(std::string_view one) {
    for (std::size_t i = 0; i < requests_; ++i) answers_ += one;
  }
  void turn() {
    for (const Completion& completion : io.harvest(0)) {
      const Ticket& ticket = completion.ticket;
      if (ticket.kind == Kind::accept) {
        const int fd = completion.result;
        io.submit_recv(fd, {Kind::recv, static_cast<std::uint32_t>(fd - first_fd), 0}, false);
      } else if (ticket.kind == Kind::recv) {
        io.give_back(completion.buffer);
        const auto fd = static_cast<int>(ticket.index) + first_fd;
        io.submit_send(fd, answers_, {Kind::send, ticket.index, 0});
      }
    }
  }

  PretendIo io;

 private:
  const std::size_t requests_;
  std::string answers_;
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
  Lastcall server(small, 1);
  while (server.io.sends() == 0) server.turn();
  return std::string(server.io.last_sent());
}

void measure(const Load& load, std::size_t rounds, const std::string& answer) {
  std::string batch;
  for (std::size_t i = 0; i < load.pipelined; ++i) batch += load.request;
  const std::uint64_t batches = 200'000 / load.pipelined;
  Lastcall server(batch, load.pipelined);
  Nobody nobody(batch, load.pipelined);
  server.io.answer_bytes(answer.size());
  nobody.io.answer_bytes(answer.size());
  nobody.answer(answer);
  time_requests(server, load.pipelined, batches);  // every pool and vector has grown
  time_requests(nobody, load.pipelined, batches);
  std::vector<double> costs;
  std::vector<double> overheads;
  costs.reserve(rounds);
  overheads.reserve(rounds);
  const std::uint64_t allocated = allocations;
  const std::uint64_t before = server.io.batches();
  for (std::size_t round = 0; round < rounds; ++round) {
    overheads.push_back(time_requests(nobody, load.pipelined, batches));
    costs.push_back(time_requests(server, load.pipelined, batches) - overheads.back());
  }
  const std::uint64_t requests = (server.io.batches() - before) * load.pipelined;
  fmt::print(R"({{"load":"{}","request_bytes":{},"pipelined":{},"requests":{},"rounds":{},)"
             R"("ns_per_request":{:.1f},"ns_min":{:.1f},"ns_max":{:.1f},"io_ns":{:.1f},)"
             R"("allocations":{}}})"
             "\n",
             load.name, load.request.size(), load.pipelined, requests, rounds, median(costs),
             *std::min_element(costs.begin(), costs.end()),
             *std::max_element(costs.begin(), costs.end()), median(overheads),
             allocations - allocated);
}

}  // namespace

int main(int argc, char** argv) {
  const long rounds = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 9;
  if (argc > 2 || rounds < 1 || rounds > 1000) {
    fmt::print(stderr, "usage: request_cost [ROUNDS]\n");
    return 2;
  }
  lastcall::log::configure(lastcall::log::Format::text, lastcall::log::Level::off);
  const std::string answer = one_answer();
  for (const Load& load : loads) measure(load, static_cast<std::size_t>(rounds), answer);
  return 0;
}
