// What one worker counts: written by it alone, read by whoever asks for /metrics or the audit.
//
// A metric is one row of the table below; where in the table it stands decides nothing. It is named
// where it is counted, `metrics.add("requests_cut")`, and a name that has no row does not compile.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace lastcall {

enum class MetricKind : std::uint8_t {
  gauge,    // goes up and down
  counter,  // only up; /metrics adds `_total` to its name
};

struct MetricRow {
  std::string_view name;
  MetricKind kind;
  std::string_view help;  // shown by /metrics; the audit has meanings of its own (server/audit.cc)
};

namespace detail {
using enum MetricKind;  // so that a row is short

inline constexpr MetricRow metric_rows[] = {
    // connections
    {"connections_open", gauge, "Connections open now, of the main listener."},
    {"connections_accepted", counter, "Connections accepted by the main listener."},
    {"accepted_in_window", counter, "Connections accepted during the drain window."},
    {"accepted_after_unlisten", counter,
     "Connections accepted after the listener's end: their handshakes had begun before."},
    {"accepted_in_sweep", counter, "Connections swept from the queue after the accept had ended."},
    {"accept_paused", counter, "Times accepting paused at a bound of descriptors or connections."},
    {"accept_failed", counter, "Accepts that failed and were armed again."},
    {"accept_denied", counter, "Connections closed at once for want of memory."},
    {"queue_lost", counter,
     "Connections still in the accept queue at the deadline, or closed for want of memory."},
    {"handshakes_abandoned", counter, "Handshakes half-way when the listener closed."},
    {"resets_found", counter, "Connections found reset that no completion had told of."},
    {"connections_broken", counter, "Connections that the peer or the network broke."},
    {"stale_completions", counter, "Completions for a connection that was gone."},

    // requests. Each complete one is answered, undelivered or cut in the end.
    {"requests_in_flight", gauge, "Requests received in full whose answer is not yet sent."},
    {"requests_received", counter, "Complete requests."},
    {"probes_received", counter, "Those of them for a health path, or on the admin listener."},
    {"requests_answered", counter, "Answers handed to the kernel in full."},
    {"answers_unread", counter,
     "Those of them that a client never read to the end: undelivered, or cut, as well."},
    {"answers_broken_off", counter,
     "Answers whose handlers failed after they had begun: cut, so that the client could tell."},
    {"requests_undelivered", counter,
     "Requests whose client had gone, or had not sent them in full."},
    {"requests_cut", counter, "Complete requests cut, by the deadline or for want of memory."},
    {"requests_rejected", counter, "Requests refused as malformed or beyond a bound."},
    {"partial_cut", counter, "Incomplete requests cut by the deadline."},
    {"tunnels_open", gauge, "Connections that are another protocol's now."},
    {"tunnels_begun", counter, "Connections that became another protocol's."},
    {"tunnels_cut", counter, "Those of them that the drain cut: counted apart, and no loss."},
    {"handlers_waiting", gauge, "Coroutines of handlers that have not ended."},
    {"start_denied", counter, "Requests refused with 503 since on_start had not ended well."},
    {"turns_late", counter,
     "Turns of a worker that were late by a second or more: a handler blocked it, or the process "
     "was stopped."},
    {"handler_failed", counter, "Handlers that threw: answered 500, or broken off."},
    {"files_denied", counter, "Files answered 503 since there was no descriptor or no memory."},
    {"writes_waited", counter,
     "Times a handler waited for its client to read what it had written."},
    {"contents_left", counter,
     "Connections closed since a handler left more of a content unread than is discarded."},
    {"bodies_incomplete", counter,
     "Requests whose handlers gave up, since the rest of the content never came."},
    {"hook_failed", counter,
     "Hooks that threw, or made more than a small answer, where it was the server's own."},
    {"frame_denied", counter, "Requests answered 503 for want of a coroutine frame."},
    {"body_denied", counter,
     "Requests answered 503 since there was no room for their heads or bodies."},
    {"memory_denied", counter,
     "Requests answered 503, before their handler, since memory was scarce."},
    {"input_denied", counter,
     "Connections ended since there was no memory for what they had sent."},
    {"answers_denied", counter,
     "Answers replaced by 500 since there was no room for them, after the handler."},
    {"memory_bytes", gauge, "What clients make us hold, of --memory."},
    {"memory_tight", counter, "Times half of --memory was used: clients are held back then."},
    {"memory_returned", counter, "Times memory went back to the system after a burst."},

    // background work and outbound connections
    {"jobs_running", gauge, "Background jobs that have not ended."},
    {"jobs_started", counter, "Background jobs started."},
    {"jobs_finished", counter, "Background jobs that ended well."},
    {"jobs_failed", counter, "Background jobs that ended by an exception."},
    {"jobs_refused", counter, "Background jobs refused at the bound, or for want of memory."},
    {"jobs_unfinished", counter, "Background jobs cut by the deadline."},
    {"blocking_calls", gauge, "Calls that block, running or waiting for a thread; jobs, too."},
    {"posts_refused", counter, "Callables and jobs of other threads that no worker took."},
    {"posts_failed", counter, "Callables of other threads that ended by an exception."},
    {"streams_open", gauge, "Outbound connections open now."},
    {"streams_failed", counter, "Outbound connects that failed."},
    {"calls_begun", counter, "Requests that clients of other services began (client.h)."},
    {"calls_on_kept", counter, "Those of them that went out on a connection that was kept."},
    {"calls_failed", counter, "Those of them that ended by CallFailed."},
    {"calls_too_large", counter, "Those of the failed whose answer was beyond a bound."},

    // the close
    {"closes_announced", counter, "Answers that said close in a drain, or with few places left."},
    {"idle_closed", counter, "Silent connections half-closed."},
    {"late_bytes", counter, "Bytes received after a close was said or done."},
    {"lost_after_fin", counter, "Connections with bytes after a FIN that nothing had announced."},
    {"lost_in_drain", counter, "Those of them whose FIN we had sent in the drain."},
    {"closes_unheard", counter,
     "Silent connections closed in the drain whose client had not acknowledged our FIN."},
    {"forced_closes", counter, "Connections closed by the deadline, or for want of memory."},
    {"linger_timeouts", counter, "Connections whose client did not close after our FIN."},

    // slow clients
    {"header_timeouts", counter, "Requests whose head took too long: 408."},
    {"body_timeouts", counter, "Requests whose body took too long: 408."},
    {"idle_timeouts", counter, "Connections closed after --idle-timeout."},
    {"write_timeouts", counter, "Connections whose client did not read its answer."},
    {"receive_paused", counter,
     "Times a client was held back: it does not read, or its handler runs."},
    {"receive_starved", counter, "Receives that found no buffer."},
    {"share_waits", counter, "Times a large content had to wait for a share of its worker's turn."},
};
}  // namespace detail
using detail::metric_rows;

// A metric by its name, looked up when this is compiled.
class Metric {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): a literal is a metric wherever one is asked for.
  consteval Metric(const char* name) : row_(find(name)) {}

  [[nodiscard]] constexpr std::size_t row() const { return row_; }

 private:
  static consteval std::size_t find(std::string_view name) {
    for (std::size_t row = 0; row < std::size(metric_rows); ++row) {
      if (metric_rows[row].name == name) return row;
    }
    throw "no metric has that name";
  }

  std::size_t row_;
};

// One that may go down.
class Gauge : public Metric {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): as of a metric.
  consteval Gauge(const char* name) : Metric(name) {
    if (metric_rows[row()].kind != MetricKind::gauge) throw "a counter only goes up";
  }
};

class Metrics {
 public:
  // One writer: no locked instruction is needed.
  void add(Metric metric, std::uint64_t n = 1) {
    auto& value = values_[metric.row()];
    value.store(value.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void subtract(Gauge gauge, std::uint64_t n = 1) { add(gauge, ~n + 1); }
  void set(Gauge gauge, std::uint64_t n) {
    values_[gauge.row()].store(n, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t get(Metric metric) const { return at(metric.row()); }
  [[nodiscard]] std::uint64_t at(std::size_t row) const {
    return values_[row].load(std::memory_order_relaxed);
  }

 private:
  std::array<std::atomic<std::uint64_t>, std::size(metric_rows)> values_{};
};

}  // namespace lastcall
