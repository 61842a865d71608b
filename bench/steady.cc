// Requests at a steady rate: each has an instant, and its latency counts from there, however late
// the answers before it were.
//
//   steady [--rate N] [--seconds N] [--connections N] [--spin] [--hold] PORT [PATH]
//
// One thread and kept connections to 127.0.0.1, each with one request at a time: what is due while
// none is free is sent late, and its latency tells. Says `held` once each has had its first answer,
// and in the end one JSON object, times in microseconds.
//
// --spin never sleeps: the most exact, on a processor of its own. Without it steady goes before
// whatever else runs there (SCHED_FIFO, where it may), so that the load beside it does not count.
// --hold sends nothing behind the first request of each, and keeps them until it is killed.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t patience = 5 * second;  // with the last answers
constexpr std::int64_t pause = second / 10;    // between `held` and the first instant

struct Asked {
  std::int64_t rate = 1000;
  std::int64_t seconds = 3;
  std::size_t connections = 64;
  bool spin = false;
  bool hold = false;
  std::uint16_t port = 0;
  std::string path = "/";
};

struct Client {
  int fd = -1;
  std::size_t received = 0;  // of the answer that is due
  std::int64_t due = 0;      // when its request was to be sent
};

[[noreturn]] void fail(const char* what, const char* why) {
  std::fprintf(stderr, "steady: %s: %s\n", what, why);
  std::exit(1);
}

std::int64_t now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * second + time.tv_nsec;
}

int connect_to(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
    fail("connect", std::strerror(errno));
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

void send_all(int fd, std::string_view text) {
  if (send(fd, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size()))
    fail("send", std::strerror(errno));
}

void check_status(std::string_view answer) {
  if (!answer.starts_with("HTTP/1.1 200")) fail("an answer that is not 200", answer.data());
}

// How many bytes the answer has: all answers have as many.
std::size_t first_answer(int fd) {
  std::string answer;
  std::size_t whole = 0;
  while (whole == 0 || answer.size() < whole) {
    std::array<char, 16 * 1024> bytes;
    const ssize_t got = recv(fd, bytes.data(), bytes.size(), 0);
    if (got <= 0) fail("the first answer", got < 0 ? std::strerror(errno) : "end of file");
    answer.append(bytes.data(), static_cast<std::size_t>(got));
    const std::size_t head = answer.find("\r\n\r\n");
    if (head == std::string::npos || whole != 0) continue;
    constexpr const char* field = "\r\ncontent-length:";
    const char* length = strcasestr(answer.c_str(), field);
    if (length == nullptr) fail("the first answer", "it has no Content-Length");
    whole = head + 4 + std::strtoul(length + std::strlen(field), nullptr, 10);
  }
  check_status(answer);
  return whole;
}

class Steady {
 public:
  explicit Steady(const Asked& asked);
  void run();

 private:
  void send_due(std::int64_t at);
  void wait(std::int64_t at);
  void on_readable(std::size_t index);
  void print() const;
  [[nodiscard]] bool can_send() const { return sent_ < total_ && !free_.empty(); }
  [[nodiscard]] std::int64_t due(std::int64_t number) const {
    return began_ + number * second / asked_.rate;
  }

  Asked asked_;
  std::int64_t total_;  // requests
  std::string request_;
  std::vector<Client> clients_;
  std::deque<std::size_t> free_;  // of them, the one that has waited longest first
  std::size_t answer_bytes_ = 0;
  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  std::int64_t began_ = 0;
  std::int64_t sent_ = 0;
  std::vector<std::int64_t> latencies_;  // nanoseconds, of those answered
};

Steady::Steady(const Asked& asked) : asked_(asked), total_(asked.rate * asked.seconds) {
  request_ = "GET " + asked.path + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(asked.port) +
             "\r\n\r\n";
  for (std::size_t i = 0; i < asked.connections; ++i) {
    const int fd = connect_to(asked.port);
    send_all(fd, request_);
    answer_bytes_ = first_answer(fd);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll", std::strerror(errno));
    clients_.push_back({.fd = fd});
    free_.push_back(i);
  }
}

void Steady::run() {
  std::puts("held");
  std::fflush(stdout);
  while (asked_.hold) ::pause();
  latencies_.reserve(static_cast<std::size_t>(total_));
  began_ = now() + pause;
  const std::int64_t end = due(total_) + patience;
  for (std::int64_t at = now(); at < end; at = now()) {
    send_due(at);
    if (sent_ == total_ && free_.size() == clients_.size()) break;
    wait(at);
  }
  print();
}

void Steady::send_due(std::int64_t at) {
  while (can_send() && due(sent_) <= at) {
    Client& client = clients_[free_.front()];
    free_.pop_front();
    client.received = 0;
    client.due = due(sent_++);
    send_all(client.fd, request_);
  }
}

// Until an answer comes or the next request is due.
void Steady::wait(std::int64_t at) {
  const std::int64_t until =
      can_send() ? std::clamp<std::int64_t>(due(sent_) - at, 0, pause) : pause;
  const timespec timeout{.tv_sec = 0, .tv_nsec = asked_.spin ? 0 : until};
  std::array<epoll_event, 64> events;
  const int count = epoll_pwait2(epoll_, events.data(), events.size(), &timeout, nullptr);
  for (int i = 0; i < count; ++i) on_readable(events[static_cast<std::size_t>(i)].data.u64);
}

void Steady::on_readable(std::size_t index) {
  Client& client = clients_[index];
  std::array<char, 64 * 1024> bytes;
  const ssize_t got = recv(client.fd, bytes.data(), bytes.size() - 1, 0);
  if (got <= 0) fail("an answer", got < 0 ? std::strerror(errno) : "end of file");
  bytes[static_cast<std::size_t>(got)] = '\0';
  if (client.received == 0) check_status({bytes.data(), static_cast<std::size_t>(got)});
  client.received += static_cast<std::size_t>(got);
  if (client.received < answer_bytes_) return;
  if (client.received > answer_bytes_) fail("an answer", "it is longer than the first");
  latencies_.push_back(now() - client.due);
  free_.push_back(index);
}

void Steady::print() const {
  std::vector<std::int64_t> ordered = latencies_;
  std::sort(ordered.begin(), ordered.end());
  // Nearest rank.
  const auto percentile = [&](double percent) {
    if (ordered.empty()) return 0.0;
    const double rank = std::ceil(static_cast<double>(ordered.size()) * percent / 100);
    return static_cast<double>(ordered[static_cast<std::size_t>(std::max(rank, 1.0)) - 1]) / 1000;
  };
  std::printf(
      "{\"sent\": %lld, \"answered\": %zu, \"p50\": %.1f, \"p99\": %.1f, \"p99.9\": %.1f, "
      "\"max\": %.1f}\n",
      static_cast<long long>(sent_), ordered.size(), percentile(50), percentile(99),
      percentile(99.9), percentile(100));
}

Asked parse(int argc, char** argv) {
  Asked asked;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    const auto number = [&] { return i + 1 < argc ? std::strtol(argv[++i], nullptr, 10) : 0; };
    if (option == "--rate") {
      asked.rate = number();
    } else if (option == "--seconds") {
      asked.seconds = number();
    } else if (option == "--connections") {
      asked.connections = static_cast<std::size_t>(std::max(0L, number()));
    } else if (option == "--spin") {
      asked.spin = true;
    } else if (option == "--hold") {
      asked.hold = true;
    } else if (option.starts_with('/')) {
      asked.path = option;
    } else {
      asked.port = static_cast<std::uint16_t>(std::strtol(argv[i], nullptr, 10));
    }
  }
  return asked;
}

}  // namespace

int main(int argc, char** argv) {
  const Asked asked = parse(argc, argv);
  if (asked.port == 0 || asked.rate < 1 || asked.seconds < 1 || asked.connections == 0) {
    std::fprintf(stderr,
                 "usage: steady [--rate N] [--seconds N] [--connections N] [--spin] [--hold] PORT "
                 "[PATH]\n");
    return 2;
  }
  prctl(PR_SET_TIMERSLACK, 1UL);  // nanosecond
  const sched_param first{.sched_priority = 1};
  if (!asked.spin && !asked.hold) (void)sched_setscheduler(0, SCHED_FIFO, &first);
  Steady(asked).run();
}
