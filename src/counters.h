// What one worker counts: written by it alone, read by whoever asks for metrics or the audit.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lastcall {

enum class Count : std::uint8_t {
  // gauges
  connections_open,
  requests_in_flight,
  handlers_waiting,  // coroutines, their client still there or not
  jobs_running,
  streams_open,
  // connections
  connections_accepted,
  accepted_in_window,       // between the signal and the end of the window
  accepted_after_unlisten,  // handshakes that had begun before
  accepted_in_sweep,        // taken from the queue after the accept's last completion
  accept_paused,            // descriptors or connections at their bound
  accept_failed,
  queue_lost,            // still in the accept queue at the deadline
  handshakes_abandoned,  // half-way when settling had taken its longest
  // requests
  requests_received,     // complete: handed to a handler, answered 404/405, or cut
  probes_received,       // those of them for a health path, or on the admin listener
  requests_answered,     // the whole answer is in the kernel's hands
  requests_undelivered,  // the client had gone
  requests_cut,          // by the deadline
  requests_rejected,     // malformed or beyond a bound: answered 4xx or 5xx, closed
  partial_cut,           // by the deadline, with part of a request received
  handler_failed,        // an exception: 500
  frame_denied,          // no memory for a coroutine's frame: 503
  body_denied,           // --body-memory used up by others: 503, no handler saw the request
  answers_denied,        // the same for its answer: 503 after the handler has run
  // background work and outbound connections
  jobs_started,
  jobs_finished,
  jobs_failed,      // by an exception of their own
  jobs_refused,     // --max-jobs were running, or memory was out
  jobs_unfinished,  // at the deadline
  streams_failed,   // no address of the peer could be connected
  // the close
  closes_announced,  // `Connection: close` because of the drain
  idle_closed,       // half-closed while silent
  late_bytes,        // after our FIN or an announced close
  lost_after_fin,    // connections whose bytes came after a FIN that nothing had announced
  lost_in_drain,     // those of them that the drain closed
  forced_closes,     // by the deadline
  linger_timeouts,
  // slow clients
  header_timeouts,
  body_timeouts,
  idle_timeouts,
  write_timeouts,
  receive_paused,   // back-pressure: the spill was full
  receive_starved,  // no lent buffer left (ENOBUFS)
  connections_broken,
  stale_completions,
  end,
};

[[nodiscard]] std::string_view name(Count count);  // as in the metrics
[[nodiscard]] std::string_view help(Count count);
[[nodiscard]] bool is_gauge(Count count);

inline constexpr auto counts = static_cast<std::size_t>(Count::end);

class Counters {
 public:
  // One writer: no locked instruction is needed.
  void add(Count count, std::uint64_t n = 1) {
    auto& value = values_[static_cast<std::size_t>(count)];
    value.store(value.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void subtract(Count count, std::uint64_t n = 1) { add(count, ~n + 1); }
  [[nodiscard]] std::uint64_t get(Count count) const {
    return values_[static_cast<std::size_t>(count)].load(std::memory_order_relaxed);
  }

 private:
  std::array<std::atomic<std::uint64_t>, counts> values_{};
};

}  // namespace lastcall
