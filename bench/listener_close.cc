// One way to close a listener, many times, under clients that never pause: how many of them had
// connected and were reset all the same? bench/listener-close runs it once for each way.
//
//   unlisten   a lastcall worker, drained: un-listen, settle, sweep, close
//   fallback   the same where the kernel cannot un-listen: settle, sweep, close
//   close      close(2) on the listener of a plain accept loop, as most servers do
//
// The worker serves by io_uring or by epoll, as told.
//
// A thread serves; each client is a thread with blocking calls: connect, send one small request,
// read the answer to EOF, close, again. A client never resets a connection by itself: it sends
// nothing more than the request and reads everything before it closes. One line a second goes to
// stderr, the counts as JSON to stdout.
#include <arpa/inet.h>
#include <fmt/core.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <lastcall/log.h>

#include "base/check.h"
#include "io/epoll.h"
#include "io/sockets.h"
#include "io/uring.h"
#include "server/worker.h"

namespace {

using lastcall::Ms;
using Clock = std::chrono::steady_clock;

constexpr std::string_view request =
    "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
constexpr std::string_view body = "hello world";
constexpr Ms serve_ms_min = 10;  // a listener's life before its end, drawn anew for each
constexpr Ms serve_ms_max = 25;
constexpr lastcall::Budget budget{.window = 2, .timeout = 15'000, .lead = 0};
constexpr std::size_t connections_max = 20'000;          // room for a multishot accept
constexpr timeval patience{.tv_sec = 10, .tv_usec = 0};  // of a client, and of the plain server
constexpr auto refused_pause = std::chrono::milliseconds(5);

[[noreturn]] void give_up(const std::string& why) {
  fmt::print(stderr, "listener_close: {}\n", why);
  std::_Exit(2);  // whatever the other threads are doing
}

// ---- a network of our own

void write_sysctl(const char* path, const char* value) {
  std::FILE* file = std::fopen(path, "we");
  if (file == nullptr) return;  // an older kernel, or a read-only /proc
  std::fputs(value, file);
  std::fclose(file);
}

// With a network namespace of its own this leaves no trace: neither ports in TIME_WAIT (of which
// two million connections leave as many as the machine allows, and which the settling listener
// would have to read through in /proc/net/tcp) nor changed settings. False where that is denied;
// then the machine's own loopback has to do.
bool enter_own_network() {
  if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return false;
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq loopback{};
  std::strcpy(loopback.ifr_name, "lo");
  loopback.ifr_flags = IFF_UP | IFF_RUNNING;
  if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &loopback) != 0) give_up("cannot bring up loopback");
  close(fd);
  write_sysctl("/proc/sys/net/ipv4/ip_local_port_range", "12288 65535");
  write_sysctl("/proc/sys/net/ipv4/tcp_tw_reuse", "1");
  write_sysctl("/proc/sys/net/ipv4/tcp_max_tw_buckets", "64");
  return true;
}

// ---- clients

enum class Outcome : std::uint8_t {
  answered,   // completely
  refused,    // never connected: safe to try again
  reset,      // connected, then ECONNRESET or EPIPE before the answer was complete
  cut,        // connected, then EOF before the answer was complete
  timed_out,  // neither refused nor answered within our patience
  harness,    // no port or descriptor left: our own failure, and no result is valid
  end,
};
constexpr auto outcomes = static_cast<std::size_t>(Outcome::end);

struct Tally {
  std::array<std::atomic<std::uint64_t>, outcomes> counts{};
  std::uint64_t operator[](Outcome outcome) const {
    return counts[static_cast<std::size_t>(outcome)].load();
  }
  // Of the clients that had connected.
  [[nodiscard]] std::uint64_t lost() const {
    return (*this)[Outcome::reset] + (*this)[Outcome::cut];
  }
};

Outcome outcome_of(int error) {
  switch (error) {
    case ECONNREFUSED: return Outcome::refused;
    // From connect(2) too: the handshake was complete, and its RST faster than our wake-up.
    case ECONNRESET:
    case EPIPE: return Outcome::reset;
    case EAGAIN:
    case EINPROGRESS:
    case ETIMEDOUT: return Outcome::timed_out;
    default: return Outcome::harness;
  }
}

Outcome exchange(int fd, const sockaddr_in& server) {
  const auto* name = reinterpret_cast<const sockaddr*>(&server);
  if (connect(fd, name, sizeof server) != 0) return outcome_of(errno);
  // The request fits any send buffer: never a partial send.
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) return outcome_of(errno);
  char answer[1024];
  std::size_t size = 0;
  for (;;) {
    const ssize_t got = recv(fd, answer + size, sizeof answer - size, 0);
    if (got < 0) return outcome_of(errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  const std::string_view text(answer, size);
  return text.starts_with("HTTP/1.1 200 ") && text.ends_with(body) ? Outcome::answered
                                                                   : Outcome::cut;
}

void run_client(const sockaddr_in& server, Tally& tally, const std::atomic<bool>& stop) {
  while (!stop) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) give_up(fmt::format("no socket: {}", std::strerror(errno)));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);  // of connect too
    const Outcome outcome = exchange(fd, server);
    close(fd);
    ++tally.counts[static_cast<std::size_t>(outcome)];
    if (outcome != Outcome::answered) std::this_thread::sleep_for(refused_pause);
  }
}

// ---- servers: each opens a listener, serves for `life`, closes it, and ends with nothing open

struct Served {
  std::atomic<std::uint64_t> answered{0};
  std::atomic<std::uint64_t> after_unlisten{0};  // accepted between un-listen and the accept's end
  std::atomic<std::uint64_t> in_sweep{0};
};

lastcall::Descriptor listener_at(std::uint16_t port) {
  lastcall::Address address;
  (void)lastcall::Address::parse(fmt::format("127.0.0.1:{}", port), address);
  return lastcall::open_listener(address);
}

void hello(lastcall::Request&, lastcall::Response& response, void*) { response.body(body); }

class LastcallServer {
 public:
  LastcallServer(bool unlisten, bool epoll) : unlisten_(unlisten) {
    std::string error;
    io_ = epoll ? lastcall::make_epoll(error) : lastcall::make_uring(error);
    if (io_ == nullptr) give_up(error);
    if (unlisten_ && !lastcall::can_unlisten()) give_up("this kernel cannot un-listen");
    router_.add({lastcall::Method::get, "/", lastcall::Handler(hello, nullptr)});
    config_.router = &router_;
    config_.admin_router = &admin_router_;
    config_.connections_max = connections_max;
  }

  // Its own process is not taken away: it only hears that it would be.
  void serve_and_close(int listener, std::uint16_t port, Ms life, Served& served) {
    lastcall::Process process(1, budget);
    process.can_unlisten = unlisten_;
    process.port = port;
    process.slots[0].listener = listener;
    lastcall::Worker worker(*io_, config_, process, 0);
    worker.start(-1, -1);
    const Ms end = io_->now() + life;
    while (!worker.stopped()) {
      worker.turn();  // returns soon: the clients never pause
      if (!process.signaled() && io_->now() >= end) process.on_signal(SIGTERM, io_->now());
    }
    worker.check_nothing_left();
    served.answered += process.sum("requests_answered");
    served.after_unlisten += process.sum("accepted_after_unlisten");
    served.in_sweep += process.sum("accepted_in_sweep");
  }

 private:
  const bool unlisten_;
  std::unique_ptr<lastcall::Io> io_;
  lastcall::Router router_;
  lastcall::Router admin_router_;
  lastcall::WorkerConfig config_;
};

// Answers one connection at a time, and loses none that it has accepted.
class PlainServer {
 public:
  void serve_and_close(int listener, std::uint16_t, Ms life, Served& served) {
    const auto end = Clock::now() + std::chrono::milliseconds(life);
    while (Clock::now() < end) {
      pollfd ready{listener, POLLIN, 0};
      if (poll(&ready, 1, 1) != 1) continue;
      const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      if (answer(fd)) ++served.answered;
      close(fd);
    }
    close(listener);
  }

 private:
  static bool answer(int fd) {
    static const std::string text = fmt::format(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}", body.size(), body);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    char received[1024];
    // The request comes in one piece. Nothing is left unread, so that close(2) sends no RST.
    if (recv(fd, received, sizeof received, 0) != ssize_t{request.size()}) return false;
    return send(fd, text.data(), text.size(), MSG_NOSIGNAL) == ssize_t(text.size());
  }
};

// ---- the run

struct Arguments {
  std::string_view way;
  std::string_view engine;  // of a lastcall worker
  unsigned closes = 0;      // in all
  unsigned clients = 0;     // of each listener
  // A listener each, side by side: while one settles the others keep the machine busy. Outside of
  // the ephemeral range, or a client could connect to itself.
  std::vector<std::uint16_t> ports;
};

template <class Number>
Number number(const char* text) {
  Number value{};
  const char* const end = text + std::strlen(text);
  if (std::from_chars(text, end, value).ptr != end || value == 0)
    give_up(fmt::format("'{}' is not a number", text));
  return value;
}

Arguments parse(int argc, char** argv) {
  if (argc < 6) {
    give_up("usage: listener_close unlisten|fallback|close io_uring|epoll CLOSES CLIENTS PORT...");
  }
  Arguments arguments{argv[1], argv[2], number<unsigned>(argv[3]), number<unsigned>(argv[4]), {}};
  for (int i = 5; i < argc; ++i) arguments.ports.push_back(number<std::uint16_t>(argv[i]));
  return arguments;
}

// What all listeners share.
class Run {
 public:
  explicit Run(const Arguments& arguments) : arguments_(arguments) {}

  // On a thread of its own: one listener after the other on `port`, under its own clients.
  void attack(std::uint16_t port) {
    sockaddr_in server{};
    server.sin_family = AF_INET;
    server.sin_port = htons(port);
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::atomic<bool> stop{false};
    std::vector<std::thread> clients;
    for (unsigned i = 0; i < arguments_.clients; ++i)
      clients.emplace_back(run_client, std::cref(server), std::ref(tally), std::cref(stop));
    close_many(port);
    stop = true;
    for (std::thread& client : clients) client.join();
  }

  // Until all closes are done.
  void tell_progress() const {
    for (unsigned done = 0; done < arguments_.closes;) {
      std::this_thread::sleep_for(std::chrono::seconds(1));
      done = std::min(closed_.load(), arguments_.closes);
      fmt::print(stderr, "{}: {}/{} closes, {} answered, {} refused, {} connected and lost\n",
                 arguments_.way, done, arguments_.closes, tally[Outcome::answered],
                 tally[Outcome::refused], tally.lost());
    }
  }

  Tally tally;
  Served served;

 private:
  void close_many(std::uint16_t port) {
    const bool epoll = arguments_.engine == "epoll";
    if (arguments_.way == "unlisten") {
      close_many(LastcallServer(true, epoll), port);
    } else if (arguments_.way == "fallback") {
      close_many(LastcallServer(false, epoll), port);
    } else if (arguments_.way == "close") {
      close_many(PlainServer(), port);
    } else {
      give_up(fmt::format("'{}' is no way to close", arguments_.way));
    }
  }

  template <class Server>
  void close_many(Server&& server, std::uint16_t port) {
    std::mt19937 random(port);
    std::uniform_int_distribution<Ms> life(serve_ms_min, serve_ms_max);
    while (begun_++ < arguments_.closes) {
      const lastcall::Descriptor listener = listener_at(port);
      if (listener.error != 0)
        give_up(fmt::format("cannot listen: {}", std::strerror(listener.error)));
      server.serve_and_close(listener.fd, port, life(random), served);
      ++closed_;
    }
  }

  const Arguments& arguments_;
  std::atomic<unsigned> begun_{0};
  std::atomic<unsigned> closed_{0};
};

void print_json(const Arguments& arguments, const Run& run, double seconds, bool own_network) {
  const Tally& tally = run.tally;
  fmt::print(
      R"({{"way":"{}","engine":"{}","closes":{},"clients":{},"listeners":{},"answered":{},"refused":{},)"
      R"("reset":{},"cut":{},"timed_out":{},"harness":{},"answered_by_server":{},)"
      R"("accepted_after_unlisten":{},"accepted_in_sweep":{},"seconds":{:.1f},"own_network":{}}})"
      "\n",
      arguments.way, arguments.engine, arguments.closes, arguments.clients, arguments.ports.size(),
      tally[Outcome::answered], tally[Outcome::refused], tally[Outcome::reset], tally[Outcome::cut],
      tally[Outcome::timed_out], tally[Outcome::harness], run.served.answered.load(),
      run.served.after_unlisten.load(), run.served.in_sweep.load(), seconds, own_network);
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  const bool own_network = enter_own_network();  // before there is a second thread
  lastcall::log::configure(lastcall::log::Format::text, lastcall::log::Level::warning);
  const auto began = Clock::now();
  Run run(arguments);
  std::vector<std::thread> attacks;
  for (const std::uint16_t port : arguments.ports) attacks.emplace_back(&Run::attack, &run, port);
  run.tell_progress();
  for (std::thread& attack : attacks) attack.join();
  const std::chrono::duration<double> took = Clock::now() - began;
  print_json(arguments, run, took.count(), own_network);
  return 0;
}
