#include <lastcall/stream.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <stdexcept>
#include <utility>

#include <lastcall/sleep.h>

#include "await/awaited.h"
#include "await/open_streams.h"
#include "await/resolver.h"
#include "base/check.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "io/io.h"

namespace lastcall {
namespace {

std::error_code error_of(int result) {
  return result < 0 ? std::error_code(-result, std::generic_category()) : std::error_code();
}

// A receive or a send until its completion has been seen: what it names lives as long. `place` is
// where the state notes that one of the kind is under way.
struct Transfer {
  Transfer(std::shared_ptr<Stream::State> whose, const void* Stream::State::* which,
           std::string what = {})
      : state(std::move(whose)), place(which), bytes(std::move(what)) {
    if ((*state).*place != nullptr)
      throw std::logic_error("a stream has one receive and one send under way: this is a second");
    (*state).*place = this;
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer() {
    (*state).*place = nullptr;
    if (state->closed && state->receiving == nullptr && state->sending == nullptr) state->release();
  }

  std::shared_ptr<Stream::State> state;
  const void* Stream::State::* place;
  std::string bytes;  // of a send
};

}  // namespace

// ---- what a worker keeps of them

Stream::State::State(Io& opened_by, Metrics& counted_by) : io(&opened_by), metrics(&counted_by) {}

void Stream::State::release() {
  if (fd < 0) return;
  *link = next;
  if (next != nullptr) next->link = link;
  io->close(std::exchange(fd, -1));
  metrics->subtract("streams_open");
}

void OpenStreams::add(Stream::State& state, int socket) {
  DCHECK(state.fd < 0 && socket >= 0 && state.link == nullptr);
  state.fd = socket;
  state.metrics->add("streams_open");
  state.next = first_;
  state.link = &first_;
  if (first_ != nullptr) first_->link = &state.next;
  first_ = &state;
}

void OpenStreams::add(KeepsStreams& keeper) {
  DCHECK(keeper.link == nullptr);
  keeper.next = first_keeper_;
  keeper.link = &first_keeper_;
  if (first_keeper_ != nullptr) first_keeper_->link = &keeper.next;
  first_keeper_ = &keeper;
}

void OpenStreams::let_go() {
  while (first_keeper_ != nullptr) {
    KeepsStreams& keeper = *first_keeper_;
    keeper.leave();
    keeper.let_go(keeper);
  }
}

void OpenStreams::close_all() {
  while (first_ != nullptr) {
    Stream::State& state = *std::exchange(first_, first_->next);
    state.io->close(std::exchange(state.fd, -1));
    state.metrics->subtract("streams_open");
  }
}

// ---- the stream

Stream& Stream::operator=(Stream&& other) noexcept {
  if (this == &other) return *this;
  drop();
  state_ = std::exchange(other.state_, nullptr);
  return *this;
}

Stream::~Stream() { drop(); }

bool Stream::is_open() const { return state_ != nullptr && !state_->closed; }

// An operation under way ends by the shutdown. Whoever looks at what was received may go on.
void Stream::close() {
  if (!is_open()) return;
  state_->closed = true;
  if (state_->fd < 0) return;
  if (state_->receiving == nullptr && state_->sending == nullptr) {
    state_->release();
  } else {
    state_->io->shut_both(state_->fd);
  }
}

// What is still under way holds the last reference then.
void Stream::drop() {
  close();
  if (state_ != nullptr) std::exchange(state_, nullptr)->self.reset();
}

void Stream::end() {
  if (is_open() && state_->fd >= 0) state_->io->shut_send(state_->fd);
}

bool Stream::is_alive() const {
  return is_open() && state_->fd >= 0 && state_->unread.empty() && state_->io->quiet(state_->fd);
}

Task<std::error_code> Stream::connect(std::string host, std::uint16_t port, Duration limit) {
  drop();
  const Ms deadline = context().after(limit.count());
  const Resolved resolved = co_await context().resolver.resolve(std::move(host), port, deadline);
  if (resolved.error) co_return resolved.error;
  int result = -EADDRNOTAVAIL;
  for (std::size_t i = 0; i < resolved.addresses.size(); ++i) {
    Context& here = context();
    const Ms left = deadline - here.now;
    if (left <= 0) co_return error_of(-ETIMEDOUT);
    const Ms share = left / static_cast<Ms>(resolved.addresses.size() - i);
    result = co_await try_connect(resolved.addresses[i], here.now + share);
    if (result == 0) co_return {};
  }
  context().metrics.add("streams_failed");
  co_return error_of(result);
}

// 0, or -errno: no descriptor; or no IPv6 here, and IPv4 comes next.
Task<int> Stream::try_connect(const Address& address, std::int64_t until) {
  Context& here = context();
  const auto state = std::make_shared<State>(here.io, here.metrics);  // may throw: first
  const int fd = here.io.open_socket(address.storage.ss_family);
  if (fd < 0) co_return fd;
  state->peer = address;
  here.open_streams.add(*state, fd);
  const int result = co_await await_operation(
      fd,
      [&](Io& io, Ticket ticket) {
        const auto* name = reinterpret_cast<const sockaddr*>(&state->peer.storage);
        io.submit_connect(fd, name, state->peer.size, ticket);
      },
      until, state);
  if (result != 0) co_return result;
  if (here.io.met_itself(fd)) {
    here.io.set_close_resets(fd, true);  // nothing of it stays, or the port would be taken
    co_return -ECONNREFUSED;
  }
  drop();  // of two connects at once the later one counts
  state->self = state;
  state_ = state.get();
  co_return 0;
}

// A full queue is EAGAIN at once, since a unix socket does not wait for it without blocking
// (connect(2)).
Task<std::error_code> Stream::connect_unix(std::string path, Duration limit) {
  drop();
  Address address;
  if (!Address::of_unix(path, address)) co_return error_of(-ENAMETOOLONG);
  const Ms deadline = context().after(limit.count());
  for (;;) {
    const int result = co_await try_connect(address, deadline);
    if (result == 0) co_return {};
    const Ms left = deadline - context().now;
    if (result != -EAGAIN || left <= 0) {
      context().metrics.add("streams_failed");
      co_return error_of(result == -EAGAIN ? -ETIMEDOUT : result);
    }
    co_await sleep(std::chrono::milliseconds(std::min(left, limits::unix_retry_ms)));
  }
}

Task<std::error_code> Stream::send(std::string bytes, Duration limit) {
  if (context().operations.canceled()) throw Canceled();
  if (!is_open() || state_->fd < 0) co_return error_of(-ENOTCONN);
  const auto sending = std::make_shared<Transfer>(state_->self, &State::sending, std::move(bytes));
  const State& state = *sending->state;
  const Ms deadline = context().after(limit.count());
  for (std::string_view rest = sending->bytes; !rest.empty();) {
    const std::string_view piece = rest.substr(0, limits::stream_send_bytes);
    const int result = co_await await_operation(
        state.fd, [&](Io& io, Ticket ticket) { io.submit_send(state.fd, piece, ticket); }, deadline,
        sending);
    if (result < 0) co_return error_of(result);
    if (static_cast<std::size_t>(result) < piece.size()) {  // what was cancelled had sent a part
      if (context().operations.canceled()) throw Canceled();
      co_return error_of(context().now >= deadline ? -ETIMEDOUT : -EPIPE);
    }
    rest.remove_prefix(piece.size());
  }
  co_return {};
}

Task<Received> Stream::receive(Duration limit) {
  if (context().operations.canceled()) throw Canceled();
  if (!is_open() || state_->fd < 0) co_return Received{{}, error_of(-ENOTCONN)};
  if (!state_->unread.empty()) co_return Received{std::exchange(state_->unread, {}), {}};
  const auto receiving = std::make_shared<Transfer>(state_->self, &State::receiving);
  State& state = *receiving->state;
  if (state.in == nullptr) state.in.reset(new char[limits::stream_receive_bytes]);
  const std::span<std::byte> into(reinterpret_cast<std::byte*>(state.in.get()),
                                  limits::stream_receive_bytes);
  const int result = co_await await_operation(
      state.fd, [&](Io& io, Ticket ticket) { io.submit_read(state.fd, into, ticket); },
      context().after(limit.count()), receiving);
  if (state.closed) co_return Received{{}, error_of(-ECANCELED)};  // by us: no FIN of the peer's
  if (result < 0) co_return Received{{}, error_of(result)};
  co_return Received{{state.in.get(), static_cast<std::size_t>(result)}, {}};
}

}  // namespace lastcall
