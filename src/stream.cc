#include "stream.h"

#include <cerrno>
#include <utility>

#include "awaited.h"
#include "bounds.h"
#include "counters.h"
#include "io.h"
#include "resolver.h"
#include "streams.h"

namespace lastcall {
namespace {

std::error_code error_of(int result) {
  return result < 0 ? std::error_code(-result, std::generic_category()) : std::error_code();
}

// What a send names, until its completion.
struct Sending {
  Sending(std::shared_ptr<Stream::State> whose, std::string what)
      : state(std::move(whose)), bytes(std::move(what)) {}
  std::shared_ptr<Stream::State> state;
  std::string bytes;
};

}  // namespace

// ---- what a worker keeps of them

Stream::State::State(Io& opened_by, Counters& counted_by, int socket)
    : io(&opened_by), counters(&counted_by), fd(socket) {
  counters->add(Count::streams_open);
}

Stream::State::~State() {
  if (fd < 0) return;
  *link = next;
  if (next != nullptr) next->link = link;
  io->close(fd);
  counters->subtract(Count::streams_open);
}

void Streams::add(Stream::State& state) {
  state.next = first_;
  state.link = &first_;
  if (first_ != nullptr) first_->link = &state.next;
  first_ = &state;
}

void Streams::close_all() {
  while (first_ != nullptr) {
    Stream::State& state = *std::exchange(first_, first_->next);
    state.io->close(std::exchange(state.fd, -1));
    state.counters->subtract(Count::streams_open);
  }
}

// ---- the stream

Stream& Stream::operator=(Stream&& other) noexcept {
  close();
  state_ = std::move(other.state_);
  return *this;
}

Stream::~Stream() { close(); }

// An operation under way ends by the shutdown; its slot then holds the last reference.
void Stream::close() {
  const auto state = std::exchange(state_, nullptr);
  if (state != nullptr && state->fd >= 0 && state.use_count() > 1) state->io->shut_both(state->fd);
}

Task<std::error_code> Stream::connect(std::string host, std::uint16_t port, Duration limit) {
  close();
  const Ms deadline = local().now + limit.count();
  const Resolved resolved = co_await local().resolver.resolve(std::move(host), port, deadline);
  if (resolved.error) co_return resolved.error;
  int result = -EADDRNOTAVAIL;
  for (std::size_t i = 0; i < resolved.addresses.size(); ++i) {
    Local& here = local();
    const Ms left = deadline - here.now;
    if (left <= 0) co_return error_of(-ETIMEDOUT);
    const int fd = here.io.open_socket(resolved.addresses[i].storage.ss_family);
    if (fd < 0) co_return error_of(fd);
    const auto state = std::make_shared<State>(here.io, here.counters, fd);
    state->peer = resolved.addresses[i];
    here.streams.add(*state);
    const Ms share = left / static_cast<Ms>(resolved.addresses.size() - i);
    result = co_await await_operation(
        [&](Io& io, Ticket ticket) {
          const auto* name = reinterpret_cast<const sockaddr*>(&state->peer.storage);
          io.submit_connect(fd, name, state->peer.size, ticket);
        },
        here.now + share, state);
    if (result == 0) {
      state_ = state;
      co_return {};
    }
  }
  local().counters.add(Count::streams_failed);
  co_return error_of(result);
}

Task<std::error_code> Stream::send(std::string bytes, Duration limit) {
  const auto state = state_;
  if (state == nullptr || state->fd < 0) co_return error_of(-ENOTCONN);
  if (bytes.empty()) co_return {};
  const auto sending = std::make_shared<Sending>(state, std::move(bytes));
  const int result = co_await await_operation(
      [&](Io& io, Ticket ticket) { io.submit_send(state->fd, sending->bytes, ticket); },
      local().now + limit.count(), sending);
  const bool all = result >= 0 && static_cast<std::size_t>(result) == sending->bytes.size();
  co_return all ? std::error_code() : error_of(result < 0 ? result : -EPIPE);
}

Task<Received> Stream::receive(Duration limit) {
  const auto state = state_;
  if (state == nullptr || state->fd < 0) co_return Received{{}, error_of(-ENOTCONN)};
  if (state->in == nullptr) state->in.reset(new char[limits::stream_receive_bytes]);
  const std::span<std::byte> into(reinterpret_cast<std::byte*>(state->in.get()),
                                  limits::stream_receive_bytes);
  const int result = co_await await_operation(
      [&](Io& io, Ticket ticket) { io.submit_read(state->fd, into, ticket); },
      local().now + limit.count(), state);
  if (result < 0) co_return Received{{}, error_of(result)};
  co_return Received{{state->in.get(), static_cast<std::size_t>(result)}, {}};
}

}  // namespace lastcall
