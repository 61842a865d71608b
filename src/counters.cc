#include "counters.h"

namespace lastcall {
namespace {

struct Entry {
  std::string_view name;
  std::string_view help;
};

constexpr Entry entries[] = {
    {"connections_open", "Connections open now, of the main listener."},
    {"requests_in_flight", "Requests received in full whose answer is not yet sent."},
    {"handlers_waiting", "Coroutines of handlers that have not ended."},
    {"jobs_running", "Background jobs that have not ended."},
    {"streams_open", "Outbound connections open now."},
    {"connections_accepted_total", "Connections accepted by the main listener."},
    {"accepted_in_window_total", "Connections accepted during the drain window."},
    {"accepted_after_unlisten_total", "Connections accepted after un-listen."},
    {"accepted_in_sweep_total", "Connections swept from the queue after the accept had ended."},
    {"accept_paused_total", "Times accepting paused at a bound of descriptors or connections."},
    {"accept_failed_total", "Accepts that failed and were armed again."},
    {"queue_lost_total", "Connections still in the accept queue at the deadline."},
    {"handshakes_abandoned_total", "Handshakes half-way when the listener closed."},
    {"requests_received_total", "Complete requests."},
    {"probes_received_total", "Those of them for a health path, or on the admin listener."},
    {"requests_answered_total", "Answers handed to the kernel in full."},
    {"requests_undelivered_total", "Answers whose client had gone."},
    {"requests_cut_total", "Complete requests cut by the deadline."},
    {"requests_rejected_total", "Requests refused as malformed or beyond a bound."},
    {"partial_cut_total", "Incomplete requests cut by the deadline."},
    {"handler_failed_total", "Handlers that threw: answered 500."},
    {"frame_denied_total", "Requests answered 503 for want of a coroutine frame."},
    {"body_denied_total", "Requests answered 503 for want of body memory, before their handler."},
    {"answers_denied_total", "Answers replaced by 503 for want of body memory, after the handler."},
    {"jobs_started_total", "Background jobs started."},
    {"jobs_finished_total", "Background jobs that ended well."},
    {"jobs_failed_total", "Background jobs that ended by an exception."},
    {"jobs_refused_total", "Background jobs refused at the bound, or for want of memory."},
    {"jobs_unfinished_total", "Background jobs cut by the deadline."},
    {"streams_failed_total", "Outbound connects that failed."},
    {"closes_announced_total", "Answers that said close because of the drain."},
    {"idle_closed_total", "Silent connections half-closed."},
    {"late_bytes_total", "Bytes received after a close was said or done."},
    {"lost_after_fin_total", "Connections with bytes after a FIN that nothing had announced."},
    {"lost_in_drain_total", "Those of them that were closed by the drain."},
    {"forced_closes_total", "Connections closed by the deadline."},
    {"linger_timeouts_total", "Connections whose client did not close after our FIN."},
    {"header_timeouts_total", "Requests whose head took too long: 408."},
    {"body_timeouts_total", "Requests whose body took too long: 408."},
    {"idle_timeouts_total", "Connections closed after --idle-timeout."},
    {"write_timeouts_total", "Connections whose client did not read its answer."},
    {"receive_paused_total", "Times a client was held back until it reads its answers."},
    {"receive_starved_total", "Receives that found no buffer."},
    {"connections_broken_total", "Connections that the peer or the network broke."},
    {"stale_completions_total", "Completions for a connection that was gone."},
};
static_assert(std::size(entries) == counts);

}  // namespace

std::string_view name(Count count) { return entries[static_cast<std::size_t>(count)].name; }
std::string_view help(Count count) { return entries[static_cast<std::size_t>(count)].help; }
bool is_gauge(Count count) { return count < Count::connections_accepted; }

}  // namespace lastcall
