#include "server/audit.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <iterator>

#include <lastcall/duration.h>
#include <lastcall/exit_code.h>

#include "base/log.h"
#include "http/router.h"
#include "io/sockets.h"

namespace lastcall {
namespace {

using Whose = const Process&;

template <class Number>
bool number(Audit& audit, Number value) {
  fmt::format_to(std::back_inserter(audit.plain), "{}", value);
  fmt::format_to(std::back_inserter(audit.json), "{}", value);
  return true;
}

// One of ours, which needs no escape.
bool word(Audit& audit, std::string_view text) {
  fmt::format_to(std::back_inserter(audit.plain), "{}", text);
  fmt::format_to(std::back_inserter(audit.json), "\"{}\"", text);
  return true;
}

// Milliseconds between two instants; left out when either has not been.
bool span(Audit& audit, Ms from, Ms to) {
  return from != never && to != never && number(audit, to - from);
}

std::string_view signal_name(Whose process) {
  switch (process.signal()) {
    case SIGTERM: return "SIGTERM";
    case SIGINT: return "SIGINT";
    case SIGQUIT: return "SIGQUIT";
    case SIGHUP: return "SIGHUP";
    default: return "SIGNONE";
  }
}

std::string_view close_kind(Whose process) {
  if (process.close_began_at == never) return "none";
  return process.unlisten_worked ? "un-listen" : "sweep-only";
}

// Relative to the signal, and negative before it.
bool last_arrival(Whose process, Audit& audit) {
  const Ms last = process.last_arrival();
  return span(audit, process.deadlines().signaled_at, last == 0 ? never : last);
}

// What is under way when the process ends otherwise than by its loop is lost.
std::uint64_t with_what_ends(Whose process, Metric lost, Metric under_way) {
  return process.sum(lost) + (process.ended_by != nullptr ? process.sum(under_way) : 0);
}

// What nobody will accept any more: asked of the kernel, while the listeners stand.
std::uint64_t queue_lost(Whose process) {
  std::uint64_t lost = process.sum("queue_lost");
  if (process.ended_by == nullptr || process.settled_at != never) return lost;
  for (const WorkerSlot& slot : process.slots) {
    if (slot.listener >= 0) lost += connections_queued(slot.listener);
  }
  return lost;
}

std::uint64_t unfinished_of(Whose process, const JobSum& sum) {
  return sum.unfinished + (process.ended_by != nullptr ? sum.running : 0);
}

// By name, how many and the age of the oldest; left out when nothing is unfinished.
bool unfinished(Whose process, Audit& audit) {
  const JobSums sums = process.job_sums();
  bool any = false;
  for (const JobSum& sum : sums) {
    const std::uint64_t jobs = unfinished_of(process, sum);
    if (jobs == 0) continue;
    fmt::format_to(std::back_inserter(audit.plain), "{}{}:{}:{}", any ? "," : "", sum.name, jobs,
                   format_duration(sum.oldest_ms));
    fmt::format_to(std::back_inserter(audit.json), R"({}{{"name":"{}","jobs":{},"oldest_ms":{}}})",
                   any ? "," : "[", sum.name, jobs, sum.oldest_ms);
    any = true;
  }
  if (any) audit.json.push_back(']');
  return any;
}

// Of a path: what could be mistaken for something else in either form is a question mark.
void path(Audit::Text& text, std::string_view path) {
  for (const char c : path.substr(0, limits::route_bytes_told))
    text.push_back(c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != ',' ? c : '?');
}

// Requests that handlers had when the process ended abruptly, by route; left out otherwise.
bool cut_by_route(Whose process, Audit& audit) {
  if (process.ended_by == nullptr || process.router == nullptr) return false;
  const std::vector<Route>& routes = process.router->all();
  bool any = false;
  for (std::size_t row = 0; row < std::min(routes.size(), limits::routes_told); ++row) {
    const std::uint64_t requests = process.under_way(row);
    if (requests == 0) continue;
    const bool shared = row + 1 == limits::routes_told && routes.size() > row + 1;
    const std::string_view method = shared ? "" : name(routes[row].method);
    const std::string_view where = shared ? "others" : std::string_view(routes[row].path);
    fmt::format_to(std::back_inserter(audit.plain), "{}{}", any ? "," : "", method);
    path(audit.plain, where);
    fmt::format_to(std::back_inserter(audit.plain), ":{}", requests);
    fmt::format_to(std::back_inserter(audit.json), "{}{{\"route\":\"{}{}", any ? "," : "[", method,
                   shared ? "" : " ");
    path(audit.json, where);
    fmt::format_to(std::back_inserter(audit.json), "\",\"requests\":{}}}", requests);
    any = true;
  }
  if (any) audit.json.push_back(']');
  return any;
}

constexpr AuditField fields[] = {
    {"exit", "0: nothing was lost. 3: something was, see the rest. 4: likewise, forced by hand",
     [](Whose process, Audit& audit) { return number(audit, exit_code(process)); }},
    {"signal", "what asked it to go; Kubernetes sends SIGTERM",
     [](Whose process, Audit& audit) { return word(audit, signal_name(process)); }},
    {"ended_by",
     "what ended it otherwise than by its loop (a signal, exit(), its watchdog): what was under "
     "way is counted as cut. Left out: nothing did",
     [](Whose process, Audit& audit) {
       const char* const what = process.ended_by;
       return what != nullptr && word(audit, what);
     }},
    {"workers", "how many loops, of a thread each",
     [](Whose process, Audit& audit) { return number(audit, process.slots.size()); }},
    {"io", "what it served by, `io_uring` or `epoll`: same promises",
     [](Whose process, Audit& audit) { return word(audit, process.io); }},
    {"io_error",
     "why that broke, for which exit is 3: something may be missing. Left out: it did not",
     [](Whose process, Audit& audit) {
       return process.io_error() != 0 && word(audit, strerrorname_np(process.io_error()));
     }},
    {"serving_ms", "how long it had served when the signal came",
     [](Whose process, Audit& audit) {
       return span(audit, process.serving_at, process.deadlines().signaled_at);
     }},
    {"draining_ms", "from the signal to the listener's end: the window",
     [](Whose process, Audit& audit) {
       return span(audit, process.deadlines().signaled_at, process.close_began_at);
     }},
    {"settling_ms", "until no handshake was under way any more",
     [](Whose process, Audit& audit) {
       return span(audit, process.close_began_at, process.settled_at);
     }},
    {"closing_ms", "from then on: finishing what was in flight",
     [](Whose process, Audit& audit) {
       return span(audit, process.settled_at, process.stopped_at);
     }},
    {"listener_close",
     "`un-listen` loses nothing; `sweep-only`: this kernel cannot; `none`: not done",
     [](Whose process, Audit& audit) { return word(audit, close_kind(process)); }},
    {"connections_accepted", "all of them, probes' on the admin listener left out",
     [](Whose process, Audit& audit) {
       return number(audit, process.sum("connections_accepted"));
     }},
    {"accepted_in_window", "of these: between the signal and the listener's end",
     [](Whose process, Audit& audit) { return number(audit, process.sum("accepted_in_window")); }},
    {"accepted_after_unlisten", "of these: handshakes that had begun before the listener's end",
     [](Whose process, Audit& audit) {
       return number(audit, process.sum("accepted_after_unlisten"));
     }},
    {"accepted_in_sweep", "of these: taken from the queue when the accept had ended",
     [](Whose process, Audit& audit) { return number(audit, process.sum("accepted_in_sweep")); }},
    {"last_arrival_ms",
     "last new connection, from the signal: near the window is too near; below 0: none came since; "
     "left out: none ever came",
     last_arrival},
    {"requests_received", "complete requests",
     [](Whose process, Audit& audit) { return number(audit, process.sum("requests_received")); }},
    {"probes_received", "of these: from probes and scrapers",
     [](Whose process, Audit& audit) { return number(audit, process.sum("probes_received")); }},
    {"requests_answered", "sent in full. Less than received, nothing cut: clients hung up",
     [](Whose process, Audit& audit) {
       return number(audit, process.sum("requests_answered") - process.sum("answers_unread"));
     }},
    {"requests_undelivered", "the client had gone before its answer; not ours",
     [](Whose process, Audit& audit) {
       return number(audit, process.sum("requests_undelivered"));
     }},
    {"requests_cut",
     "**lost**: complete, but at the deadline not answered, or the answer not read to its end",
     [](Whose process, Audit& audit) {
       return number(audit, with_what_ends(process, "requests_cut", "requests_in_flight"));
     }},
    {"cut_by_route",
     "of these, where `ended_by` is set: those that handlers had. The rest were being sent",
     cut_by_route},
    {"requests_rejected", "malformed or beyond a bound: answered so, and no loss",
     [](Whose process, Audit& audit) { return number(audit, process.sum("requests_rejected")); }},
    {"answers_denied", "handled, but `--memory` had no room for the answer: the client got 500",
     [](Whose process, Audit& audit) { return number(audit, process.sum("answers_denied")); }},
    {"partial_cut", "clients that had sent half a request when the time was over",
     [](Whose process, Audit& audit) { return number(audit, process.sum("partial_cut")); }},
    {"queue_lost", "**lost**: connected, and never accepted",
     [](Whose process, Audit& audit) { return number(audit, queue_lost(process)); }},
    {"handshakes_abandoned",
     "half-way when the listener closed, and no loss: packets are lost, or it was a spoofed SYN",
     [](Whose process, Audit& audit) {
       return number(audit, process.sum("handshakes_abandoned"));
     }},
    {"syn_cookies",
     "sent in our network namespace since the signal, up to the listener's end: who connects by "
     "one is nowhere to be seen, and could be reset. Left out: none, or not known",
     [](Whose process, Audit& audit) {
       const std::int64_t sent = process.syn_cookies;
       return sent > 0 && number(audit, sent);
     }},
    {"closes_announced", "how many clients were told to go by an answer",
     [](Whose process, Audit& audit) { return number(audit, process.sum("closes_announced")); }},
    {"idle_closed", "how many were told by a FIN, being silent",
     [](Whose process, Audit& audit) { return number(audit, process.sum("idle_closed")); }},
    {"late_bytes",
     "bytes after our close; behind one that nothing announced also `lost_after_fin`, else the "
     "client may send them again",
     [](Whose process, Audit& audit) { return number(audit, process.sum("late_bytes")); }},
    {"lost_after_fin", "clients that spoke after we had closed them as silent",
     [](Whose process, Audit& audit) { return number(audit, process.sum("lost_after_fin")); }},
    {"lost_in_drain", "**lost**: these of them that we had closed in the drain",
     [](Whose process, Audit& audit) { return number(audit, process.sum("lost_in_drain")); }},
    {"forced_closes", "connections that the deadline closed, but for those already half-closed",
     [](Whose process, Audit& audit) { return number(audit, process.sum("forced_closes")); }},
    {"jobs_started", "background work, all of it",
     [](Whose process, Audit& audit) { return number(audit, process.sum("jobs_started")); }},
    {"jobs_failed", "**promised and not done**: an exception, see the log",
     [](Whose process, Audit& audit) { return number(audit, process.sum("jobs_failed")); }},
    {"jobs_unfinished", "**promised and not done** at the deadline",
     [](Whose process, Audit& audit) {
       return number(audit, with_what_ends(process, "jobs_unfinished", "jobs_running"));
     }},
    {"unfinished", "these by name: how many, and the age of the oldest", unfinished},
    {"operations_outstanding",
     "begun and not ended, of any kind: always 0, or the process would not have ended by itself",
     [](Whose process, Audit& audit) { return number(audit, process.operations_left.load()); }},
    {"log_dropped", "lines that are missing in the log, since nobody read stderr",
     [](Whose, Audit& audit) { return number(audit, log::dropped()); }},
};

}  // namespace

int exit_code(const Process& process) {
  if (process.ended_by != nullptr && process.ended_with != 0) return process.ended_with;
  const std::uint64_t cut = with_what_ends(process, "requests_cut", "requests_in_flight") +
                            with_what_ends(process, "jobs_unfinished", "jobs_running") +
                            queue_lost(process) + process.sum("lost_in_drain") +
                            process.sum("jobs_failed");
  if (cut == 0 && process.io_error() == 0) return exit_finished.code;
  return process.forced() ? exit_forced.code : exit_cut.code;
}

std::span<const AuditField> audit_fields() { return fields; }

void make_audit(const Process& process, Audit& audit) {
  audit.plain.clear();
  audit.json.clear();
  fmt::format_to(std::back_inserter(audit.plain), "audit:");
  for (const AuditField& field : fields) {
    const std::size_t plain = audit.plain.size();
    const std::size_t json = audit.json.size();
    fmt::format_to(std::back_inserter(audit.plain), " {}=", field.name);
    fmt::format_to(std::back_inserter(audit.json), "{}\"{}\":", json == 0 ? "" : ",", field.name);
    if (field.write(process, audit)) continue;
    audit.plain.resize(plain);
    audit.json.resize(json);
  }
}

}  // namespace lastcall
