#include "server/audit.h"

#include <fmt/core.h>

#include <csignal>
#include <cstring>
#include <iterator>

#include <lastcall/duration.h>
#include <lastcall/exit_code.h>

#include "base/log.h"

namespace lastcall {
namespace {

using Value = std::optional<AuditField::Value>;
using Whose = const Process&;

template <class Number>
Value number(Number value) {
  const std::string text = fmt::format("{}", value);
  return AuditField::Value{text, text};
}

Value word(std::string_view text) {
  return AuditField::Value{std::string(text), log::quoted(text)};
}

// Milliseconds between two instants; left out when either has not been.
Value span(Ms from, Ms to) {
  if (from == never || to == never) return std::nullopt;
  return number(to - from);
}

std::string signal_name(Whose process) {
  return fmt::format("SIG{}", process.signal() == 0 ? "NONE" : sigabbrev_np(process.signal()));
}

std::string_view close_kind(Whose process) {
  if (process.close_began_at == never) return "none";
  return process.unlisten_worked ? "un-listen" : "sweep-only";
}

// Relative to the signal, and negative before it.
Value last_arrival(Whose process) {
  const Ms last = process.last_arrival();
  return span(process.deadlines().signaled_at, last == 0 ? never : last);
}

// By name, how many and the age of the oldest; left out when nothing is unfinished.
Value unfinished(Whose process) {
  AuditField::Value value;
  for (const JobSum& sum : process.job_sums()) {
    if (sum.unfinished == 0) continue;
    fmt::format_to(std::back_inserter(value.text), "{}{}:{}:{}", value.text.empty() ? "" : ",",
                   sum.name, sum.unfinished, format_duration(sum.oldest_ms));
    fmt::format_to(std::back_inserter(value.json), R"({}{{"name":{},"jobs":{},"oldest_ms":{}}})",
                   value.json.empty() ? "" : ",", log::quoted(sum.name), sum.unfinished,
                   sum.oldest_ms);
  }
  if (value.text.empty()) return std::nullopt;
  value.json = "[" + value.json + "]";
  return value;
}

constexpr AuditField fields[] = {
    {"exit", "0: nothing was lost. 3: something was, see the rest. 4: likewise, forced by hand",
     [](Whose process) { return number(exit_code(process)); }},
    {"signal", "what asked it to go; Kubernetes sends SIGTERM",
     [](Whose process) { return word(signal_name(process)); }},
    {"workers", "how many loops, of a thread each",
     [](Whose process) { return number(process.slots.size()); }},
    {"io", "what it served by, `io_uring` or `epoll`: same promises",
     [](Whose process) { return word(process.io); }},
    {"io_error",
     "why that broke, for which exit is 3: something may be missing. Left out: it did not",
     [](Whose process) -> Value {
       if (process.io_error() == 0) return std::nullopt;
       return word(strerrorname_np(process.io_error()));
     }},
    {"serving_ms", "how long it had served when the signal came",
     [](Whose process) { return span(process.serving_at, process.deadlines().signaled_at); }},
    {"draining_ms", "from the signal to the listener's end: the window",
     [](Whose process) { return span(process.deadlines().signaled_at, process.close_began_at); }},
    {"settling_ms", "until no handshake was under way any more",
     [](Whose process) { return span(process.close_began_at, process.settled_at); }},
    {"closing_ms", "from then on: finishing what was in flight",
     [](Whose process) { return span(process.settled_at, process.stopped_at); }},
    {"listener_close",
     "`un-listen` loses nothing; `sweep-only`: this kernel cannot; `none`: not done",
     [](Whose process) { return word(close_kind(process)); }},
    {"connections_accepted", "all of them, probes' on the admin listener left out",
     [](Whose process) { return number(process.sum("connections_accepted")); }},
    {"accepted_in_window", "of these: between the signal and the listener's end",
     [](Whose process) { return number(process.sum("accepted_in_window")); }},
    {"accepted_after_unlisten", "of these: handshakes that had begun before the listener's end",
     [](Whose process) { return number(process.sum("accepted_after_unlisten")); }},
    {"accepted_in_sweep", "of these: taken from the queue when the accept had ended",
     [](Whose process) { return number(process.sum("accepted_in_sweep")); }},
    {"last_arrival_ms",
     "last new connection, from the signal: near the window is too near; below 0: none came since; "
     "left out: none ever came",
     last_arrival},
    {"requests_received", "complete requests",
     [](Whose process) { return number(process.sum("requests_received")); }},
    {"probes_received", "of these: from probes and scrapers",
     [](Whose process) { return number(process.sum("probes_received")); }},
    {"requests_answered", "sent in full. Less than received, nothing cut: clients hung up",
     [](Whose process) {
       return number(process.sum("requests_answered") - process.sum("answers_unread"));
     }},
    {"requests_undelivered", "the client had gone before its answer; not ours",
     [](Whose process) { return number(process.sum("requests_undelivered")); }},
    {"requests_cut",
     "**lost**: complete, but at the deadline not answered, or the answer not read to its end",
     [](Whose process) { return number(process.sum("requests_cut")); }},
    {"requests_rejected", "malformed or beyond a bound: answered so, and no loss",
     [](Whose process) { return number(process.sum("requests_rejected")); }},
    {"answers_denied", "handled, but `--memory` had no room for the answer: the client got 500",
     [](Whose process) { return number(process.sum("answers_denied")); }},
    {"partial_cut", "clients that had sent half a request when the time was over",
     [](Whose process) { return number(process.sum("partial_cut")); }},
    {"queue_lost", "**lost**: connected, and never accepted",
     [](Whose process) { return number(process.sum("queue_lost")); }},
    {"handshakes_abandoned",
     "half-way when the listener closed: such a client may have seen a reset",
     [](Whose process) { return number(process.sum("handshakes_abandoned")); }},
    {"closes_announced", "how many clients were told to go by an answer",
     [](Whose process) { return number(process.sum("closes_announced")); }},
    {"idle_closed", "how many were told by a FIN, being silent",
     [](Whose process) { return number(process.sum("idle_closed")); }},
    {"late_bytes",
     "bytes after our close; behind one that nothing announced also `lost_after_fin`, else the "
     "client may send them again",
     [](Whose process) { return number(process.sum("late_bytes")); }},
    {"lost_after_fin", "clients that spoke after we had closed them as silent",
     [](Whose process) { return number(process.sum("lost_after_fin")); }},
    {"lost_in_drain", "**lost**: these of them that we had closed in the drain",
     [](Whose process) { return number(process.sum("lost_in_drain")); }},
    {"forced_closes", "connections that the deadline closed, but for those already half-closed",
     [](Whose process) { return number(process.sum("forced_closes")); }},
    {"jobs_started", "background work, all of it",
     [](Whose process) { return number(process.sum("jobs_started")); }},
    {"jobs_failed", "**promised and not done**: an exception, see the log",
     [](Whose process) { return number(process.sum("jobs_failed")); }},
    {"jobs_unfinished", "**promised and not done** at the deadline",
     [](Whose process) { return number(process.sum("jobs_unfinished")); }},
    {"unfinished", "these by name: how many, and the age of the oldest", unfinished},
    {"operations_outstanding",
     "begun and not ended, of any kind: always 0, or the process would not have ended by itself",
     [](Whose process) { return number(process.operations_left.load()); }},
    {"log_dropped", "lines that are missing in the log, since nobody read stderr",
     [](Whose) { return number(log::dropped()); }},
};

}  // namespace

int exit_code(const Process& process) {
  const std::uint64_t cut = process.sum("requests_cut") + process.sum("queue_lost") +
                            process.sum("lost_in_drain") + process.sum("jobs_unfinished") +
                            process.sum("jobs_failed");
  if (cut == 0 && process.io_error() == 0) return exit_finished.code;
  return process.forced() ? exit_forced.code : exit_cut.code;
}

std::span<const AuditField> audit_fields() { return fields; }

Audit make_audit(const Process& process) {
  Audit audit{.text = "audit:", .json = {}};
  for (const AuditField& field : fields) {
    const Value value = field.value(process);
    if (!value) continue;
    fmt::format_to(std::back_inserter(audit.text), " {}={}", field.name, value->text);
    fmt::format_to(std::back_inserter(audit.json), "{}\"{}\":{}", audit.json.empty() ? "" : ",",
                   field.name, value->json);
  }
  return audit;
}

}  // namespace lastcall
