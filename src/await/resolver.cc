// All that knows c-ares. See ares_init_options(3), ares_getaddrinfo(3), ares_process_fd(3).
#include "await/resolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>

#include <lastcall/latch.h>

#include "await/awaited.h"
#include "base/check.h"
#include "base/reserve.h"

namespace lastcall {
namespace {

class ResolverCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "resolver"; }
  [[nodiscard]] std::string message(int status) const override { return ares_strerror(status); }
};

// Once in the process; c-ares wants it done by one thread.
int initialize_library() {
  static std::once_flag once;
  static int status = ARES_SUCCESS;
  std::call_once(once, [] { status = ares_library_init(ARES_LIB_INIT_ALL); });
  return status;
}

// RFC 6761 section 6.3: always the loopback, whatever a name server or a file may say.
bool is_localhost(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  return host == "localhost" || host.ends_with(".localhost");
}

bool parse_literal(const std::string& host, std::uint16_t port, Address& address) {
  const bool v6 = host.find(':') != std::string::npos;
  const std::string bracketed = v6 && host.front() != '[' ? "[" + host + "]" : host;
  return Address::parse(bracketed + ":" + std::to_string(port), address).empty();
}

// Which resolv.conf(5) it is: c-ares reads it once, and networks change.
struct Version {
  static Version current() {
    struct stat found{};
    if (stat("/etc/resolv.conf", &found) != 0) return {};
    return {found.st_ino, found.st_size, found.st_mtim.tv_sec, found.st_mtim.tv_nsec};
  }
  bool operator==(const Version&) const = default;

  ino_t file = 0;
  off_t size = 0;
  time_t seconds = 0;
  long nanoseconds = 0;
};

}  // namespace

const std::error_category& resolver_category() {
  static const ResolverCategory category;
  return category;
}

// One name, asked for twice: its IPv6 and its IPv4 addresses are two questions, and some name
// servers answer but one of them. c-ares holds a reference until it has called back for both; the
// coroutine may leave first, at its deadline.
struct Resolver::Query {
  static void on_ipv6(void* query, int status, int, ares_addrinfo* answer) noexcept {
    static_cast<Query*>(query)->on_answer(status, answer, true);
  }
  static void on_ipv4(void* query, int status, int, ares_addrinfo* answer) noexcept {
    static_cast<Query*>(query)->on_answer(status, answer, false);
  }
  static void on_deadline(void* query) noexcept;
  void on_answer(int status, ares_addrinfo* answer, bool first);

  Latch answered;
  TimerWheel* timers = nullptr;
  Timer timer{&Query::on_deadline, this};  // the deadline; sooner once one answer is there
  Ms deadline = 0;
  Channel* channel = nullptr;
  unsigned unanswered = 2;
  int status = ARES_SUCCESS;  // of the last answer that held nothing
  bool timed_out = false;
  std::vector<Address> addresses;
  std::shared_ptr<Query> held_by_channel;
};

// ---- the channel: c-ares's sockets on our ring

struct Resolver::Channel {
  Channel(Operations& on, TimerWheel& with) : operations(on), timers(with) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel();

  struct Watch {  // a socket of c-ares
    Watch(Channel& of, int socket) : channel(of), fd(socket) {}
    Channel& channel;
    const int fd;
    unsigned events = 0;  // poll(2)'s
    bool polling = false;
    Ticket ticket;
  };

  [[nodiscard]] int open();
  static void on_socket_state(void* channel, int fd, int readable, int writable);
  static void on_ready(void* watch, int result) noexcept;
  static void on_time(void* channel) noexcept;
  void watch(int fd, unsigned events);
  void process(int readable, int writable);
  void tend();

  Operations& operations;
  TimerWheel& timers;
  ares_channel ares = nullptr;
  std::vector<std::unique_ptr<Watch>> watches;
  Timer timer{&Channel::on_time, this};
  const Version version = Version::current();
  std::size_t asked = 0;  // queries that c-ares has not called back for
};

int Resolver::Channel::open() {
  if (const int status = initialize_library(); status != ARES_SUCCESS) return status;
  ares_options options{};
  options.sock_state_cb = &Channel::on_socket_state;
  options.sock_state_cb_data = this;
  options.timeout = limits::resolver_try_ms;
  options.tries = limits::resolver_tries;
  return ares_init_options(&ares, &options,
                           ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
}

Resolver::Channel::~Channel() {
  if (ares != nullptr) ares_destroy(ares);  // calls back for each socket and query
  timers.disarm(timer);
  CHECK(watches.empty());
}

void Resolver::Channel::on_socket_state(void* self, int fd, int readable, int writable) {
  const unsigned events = (readable != 0 ? POLLIN : 0u) | (writable != 0 ? POLLOUT : 0u);
  static_cast<Channel*>(self)->watch(fd, events);
}

// The socket is closed right after it was said to be of no interest; the poll, which holds the
// file, ends by its cancel.
void Resolver::Channel::watch(int fd, unsigned events) {
  const auto at = std::find_if(watches.begin(), watches.end(),
                               [fd](const auto& watch) { return watch->fd == fd; });
  Watch* found = at != watches.end() ? at->get() : nullptr;
  if (found == nullptr) {
    if (events == 0) return;
    try {
      reserve_for(watches, watches.size() + 1);
      found = watches.emplace_back(std::make_unique<Watch>(*this, fd)).get();
    } catch (const std::bad_alloc&) {
      return;  // c-ares asks again in time, by another socket
    }
  }
  if (found->polling && found->events != events) {
    operations.forget(found->ticket);
    found->polling = false;
  }
  found->events = events;
  if (events == 0) watches.erase(at);
}

// Polls what is to be polled, and arms the timer of the next time-out.
void Resolver::Channel::tend() {
  for (const auto& watch : watches) {
    if (watch->polling || operations.canceled()) continue;
    try {
      watch->ticket = operations.begin(watch->fd, &Channel::on_ready, watch.get(), never, nullptr);
    } catch (const std::bad_alloc&) {
      continue;  // until the timer below
    }
    watch->polling = true;
    context().io.submit_poll(watch->fd, watch->events, watch->ticket);
  }
  timeval left{};
  if (ares_timeout(ares, nullptr, &left) == nullptr) {
    timers.disarm(timer);
  } else {
    timers.arm(timer, context().now + left.tv_sec * 1000 + left.tv_usec / 1000 + 1);
  }
}

void Resolver::Channel::on_ready(void* self, int result) noexcept {
  auto& watch = *static_cast<Watch*>(self);
  watch.polling = false;
  const auto happened = static_cast<unsigned>(std::max(result, 0));
  const bool failed = result < 0 || (happened & (POLLERR | POLLHUP | POLLNVAL)) != 0;
  const int fd = watch.fd;
  const int none = ARES_SOCKET_BAD;
  Channel& channel = watch.channel;  // the watch may go
  channel.process(failed || (happened & POLLIN) != 0 ? fd : none,
                  (happened & POLLOUT) != 0 ? fd : none);
}

void Resolver::Channel::on_time(void* self) noexcept {
  static_cast<Channel*>(self)->process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

void Resolver::Channel::process(int readable, int writable) {
  ares_process_fd(ares, readable, writable);
  tend();
}

// ---- queries

void Resolver::Query::on_answer(int result, ares_addrinfo* answer, bool first) {
  const auto held = --unanswered == 0 ? std::move(held_by_channel) : held_by_channel;
  if (unanswered == 0) --channel->asked;
  const std::size_t before = addresses.size();
  for (auto* node = answer != nullptr ? answer->nodes : nullptr;
       node != nullptr && addresses.size() < before + limits::addresses_max; node = node->ai_next) {
    Address address;
    address.size = node->ai_addrlen;
    std::memcpy(&address.storage, node->ai_addr, node->ai_addrlen);
    addresses.push_back(address);  // there is room: `resolve`
  }
  if (answer != nullptr) ares_freeaddrinfo(answer);
  if (addresses.size() == before) status = result != ARES_SUCCESS ? result : ARES_ENODATA;
  if (first) {
    const auto middle = addresses.begin() + static_cast<std::ptrdiff_t>(before);
    std::rotate(addresses.begin(), middle, addresses.end());
  }
  if (addresses.size() > limits::addresses_max) addresses.resize(limits::addresses_max);
  if (answered.is_set()) return;  // too late
  if (unanswered == 0) {
    answered.set();
  } else if (!addresses.empty()) {
    timers->arm(timer, std::min(deadline, context().after(limits::resolver_grace_ms)));
  }
}

void Resolver::Query::on_deadline(void* self) noexcept {
  auto& query = *static_cast<Query*>(self);
  query.timed_out = query.addresses.empty();
  query.answered.set();
}

Resolver::Resolver(Operations& operations, TimerWheel& timers)
    : operations_(operations), timers_(timers) {}
Resolver::~Resolver() = default;

Task<Resolved> Resolver::resolve(std::string host, std::uint16_t port, Ms deadline) {
  if (operations_.canceled()) throw Canceled();
  Resolved resolved;
  Address literal;
  if (parse_literal(host, port, literal)) {
    resolved.addresses.push_back(literal);
    co_return resolved;
  }
  if (is_localhost(host)) {
    for (const char* loopback : {"::1", "127.0.0.1"}) {
      if (parse_literal(loopback, port, literal)) resolved.addresses.push_back(literal);
    }
    co_return resolved;
  }
  if (const int status = open_channel(); status != ARES_SUCCESS) {
    resolved.error = {status, resolver_category()};
    co_return resolved;
  }
  const auto query = std::make_shared<Query>();
  query->addresses.reserve(2 * limits::addresses_max);
  query->held_by_channel = query;
  query->timers = &timers_;
  query->deadline = deadline;
  timers_.arm(query->timer, deadline);
  ask(*query, host, port);
  channel_->tend();
  co_await query->answered;
  timers_.disarm(query->timer);
  if (operations_.canceled()) throw Canceled();
  if (query->timed_out) {
    resolved.error = std::make_error_code(std::errc::timed_out);
  } else if (query->addresses.empty()) {
    resolved.error = {query->status, resolver_category()};
  } else {
    resolved.addresses = query->addresses;
  }
  co_return resolved;
}

// One that has read the resolv.conf that is there now.
int Resolver::open_channel() {
  reserve_for(outdated_, outdated_.size() + 1);
  std::erase_if(outdated_, [](const auto& each) { return each->asked == 0; });
  if (channel_ != nullptr && channel_->version == Version::current()) return ARES_SUCCESS;
  auto channel = std::make_unique<Channel>(operations_, timers_);
  if (const int status = channel->open(); status != ARES_SUCCESS)
    return channel_ != nullptr ? ARES_SUCCESS : status;  // the old one is better than none
  if (channel_ != nullptr) outdated_.push_back(std::move(channel_));
  channel_ = std::move(channel);
  return ARES_SUCCESS;
}

void Resolver::ask(Query& query, const std::string& host, std::uint16_t port) {
  query.channel = channel_.get();
  ++channel_->asked;
  const std::string service = std::to_string(port);
  ares_addrinfo_hints hints{};
  hints.ai_flags = ARES_AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_family = AF_INET6;
  ares_getaddrinfo(channel_->ares, host.c_str(), service.c_str(), &hints, &Query::on_ipv6, &query);
  hints.ai_family = AF_INET;
  ares_getaddrinfo(channel_->ares, host.c_str(), service.c_str(), &hints, &Query::on_ipv4, &query);
}

void Resolver::cancel() {
  if (channel_ != nullptr) ares_cancel(channel_->ares);
  for (const auto& each : outdated_) ares_cancel(each->ares);
}

void Resolver::close() {
  channel_.reset();
  outdated_.clear();
}

}  // namespace lastcall
