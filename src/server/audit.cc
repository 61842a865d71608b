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

std::string_view close_kind(const Process& process) {
  if (process.close_began_at == never) return "none";
  return process.unlisten_worked ? "un-listen" : "sweep-only";
}

// Relative to the signal, and negative before it.
bool last_arrival(const Process& process, Audit& audit) {
  const Ms last = process.last_arrival();
  return span(audit, process.deadlines().signaled_at, last == 0 ? never : last);
}

// What is under way when the process ends otherwise than by its loop is lost.
std::uint64_t with_what_ends(const Process& process, Metric lost, Metric under_way) {
  // In this order: what is lost is counted before it is no longer under way.
  const std::uint64_t more = process.ended_by != nullptr ? process.sum(under_way) : 0;
  return process.sum(lost) + more;
}

// What nobody will accept any more: asked of the kernel, of the listeners that still stand.
std::uint64_t queue_lost(const Process& process) {
  std::uint64_t lost = process.sum("queue_lost");
  if (process.ended_by == nullptr) return lost;
  for (const WorkerSlot& slot : process.slots) {
    const int listener = slot.listener;
    if (listener >= 0) lost += connections_queued(listener);
  }
  return lost;
}

std::uint64_t requests_cut(const Process& process) {
  return with_what_ends(process, "requests_cut", "requests_in_flight");
}

std::uint64_t jobs_unfinished(const Process& process) {
  return with_what_ends(process, "jobs_unfinished", "jobs_running");
}

std::uint64_t unfinished_of(const Process& process, const JobSum& sum) {
  return sum.unfinished + (process.ended_by != nullptr ? sum.running : 0);
}

// By name, how many, and where the deadline has cut them the age of the oldest; left out when
// nothing is unfinished.
bool unfinished(const Process& process, Audit& audit) {
  const JobSums sums = process.job_sums();
  bool any = false;
  for (const JobSum& sum : sums) {
    const std::uint64_t jobs = unfinished_of(process, sum);
    if (jobs == 0) continue;
    fmt::format_to(std::back_inserter(audit.plain), "{}{}:{}", any ? "," : "", sum.name, jobs);
    fmt::format_to(std::back_inserter(audit.json), R"({}{{"name":"{}","jobs":{})", any ? "," : "[",
                   sum.name, jobs);
    if (sum.unfinished > 0) {
      fmt::format_to(std::back_inserter(audit.plain), ":{}", format_duration(sum.oldest_ms));
      fmt::format_to(std::back_inserter(audit.json), R"(,"oldest_ms":{})", sum.oldest_ms);
    }
    audit.json.push_back('}');
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
bool cut_by_route(const Process& process, Audit& audit) {
  if (process.ended_by == nullptr || process.router == nullptr) return false;
  const std::deque<Route>& routes = process.router->all();
  bool any = false;
  for (std::size_t row = 0; row < std::min(routes.size(), limits::routes_told); ++row) {
    const std::uint64_t requests = process.under_way(row);
    if (requests == 0) continue;
    const bool shared = row + 1 == limits::routes_told && routes.size() > row + 1;
    const std::string_view method = shared ? "" : routes[row].method_text();
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
    {"exit",
     "0: nothing was lost. 3: something was, see the rest. 4: likewise, forced by hand. Beside "
     "`ended_by` also what exit() was told, or 128 and the number of a signal; left out where "
     "quick_exit(), which does not tell, lost nothing",
     [](const Process& process, Audit& audit) {
       const int code = exit_code(process);
       return (code != 0 || !process.status_unknown) && number(audit, code);
     }},
    {"signal", "what asked it to go; Kubernetes sends SIGTERM. Left out: nothing did",
     [](const Process& process, Audit& audit) {
       const int signal = process.signal();
       if (signal == 0) return false;
       char name[16] = "SIG";
       std::strncat(name, sigabbrev_np(signal), sizeof name - 4);
       return word(audit, name);
     }},
    {"ended_by",
     "what ended it otherwise than by its loop (a signal, exit(), its watchdog): what was under "
     "way is counted as cut. Left out: nothing did",
     [](const Process& process, Audit& audit) {
       const char* const what = process.ended_by;
       return what != nullptr && word(audit, what);
     }},
    {"workers", "how many loops, of a thread each",
     [](const Process& process, Audit& audit) { return number(audit, process.slots.size()); }},
    {"io", "what it served by, `io_uring` or `epoll`: same promises",
     [](const Process& process, Audit& audit) { return word(audit, process.io); }},
    {"io_error",
     "why that broke, for which exit is 3: something may be missing. Left out: it did not",
     [](const Process& process, Audit& audit) {
       return process.io_error() != 0 && word(audit, strerrorname_np(process.io_error()));
     }},
    {"serving_ms", "how long it had served when the signal came",
     [](const Process& process, Audit& audit) {
       return span(audit, process.serving_at, process.deadlines().signaled_at);
     }},
    {"draining_ms", "from the signal to the listener's end: the window",
     [](const Process& process, Audit& audit) {
       return span(audit, process.deadlines().signaled_at, process.close_began_at);
     }},
    {"settling_ms", "until no handshake was under way any more",
     [](const Process& process, Audit& audit) {
       return span(audit, process.close_began_at, process.settled_at);
     }},
    {"closing_ms", "from then on: finishing what was in flight",
     [](const Process& process, Audit& audit) {
       return span(audit, process.settled_at, process.stopped_at);
     }},
    {"listener_close",
     "`un-listen` loses nothing; `sweep-only`: this kernel cannot; `none`: not done",
     [](const Process& process, Audit& audit) { return word(audit, close_kind(process)); }},
    {"connections_accepted",
     "all of them, probes' on the admin listener left out",
     {},
     "connections_accepted"},
    {"accepted_in_window",
     "of these: between the signal and the listener's end",
     {},
     "accepted_in_window"},
    {"accepted_after_unlisten",
     "of these: handshakes that had begun before the listener's end",
     {},
     "accepted_after_unlisten"},
    {"accepted_in_sweep",
     "of these: taken from the queue when the accept had ended",
     {},
     "accepted_in_sweep"},
    {"last_arrival_ms",
     "last new connection, from the signal: near the window is too near; below 0: none came since; "
     "left out: none ever came",
     last_arrival},
    {"requests_received", "complete requests", {}, "requests_received"},
    {"probes_received", "of these: from probes and scrapers", {}, "probes_received"},
    {"requests_answered", "sent in full. Less than received, nothing cut: `requests_undelivered`",
     [](const Process& process, Audit& audit) {
       return number(audit, process.sum("requests_answered") - process.sum("answers_unread"));
     }},
    {"requests_undelivered",
     "the client had gone, or reset the connection, before its kernel had acknowledged the answer, "
     "which it may have read; or it had sent only half (`partial_cut`); not ours",
     {},
     "requests_undelivered"},
    {"answers_broken_off",
     "handlers that failed after their answer had begun: the client saw that it was cut",
     {},
     "answers_broken_off"},
    {"requests_cut",
     "**lost**: complete, but at the deadline not answered, or the answer not read to its end",
     [](const Process& process, Audit& audit) { return number(audit, requests_cut(process)); }},
    {"cut_by_route",
     "of these, where `ended_by` is set: those that handlers had. The rest were being sent",
     cut_by_route},
    {"requests_rejected",
     "malformed or beyond a bound: answered so, and no loss",
     {},
     "requests_rejected"},
    {"answers_denied",
     "handled, but `--memory` had no room for the answer: the client got 500",
     {},
     "answers_denied"},
    {"tunnels_cut",
     "WebSockets and their like that went on until their time in the drain was over; no loss, "
     "since "
     "nothing tells where one could end",
     {},
     "tunnels_cut"},
    {"partial_cut",
     "clients that had sent half a request when the time was over, and nothing was begun with it",
     {},
     "partial_cut"},
    {"queue_lost", "**lost**: connected, and never accepted",
     [](const Process& process, Audit& audit) { return number(audit, queue_lost(process)); }},
    {"handshakes_abandoned",
     "half-way when the listener closed, and no loss: packets are lost, or it was a spoofed SYN",
     {},
     "handshakes_abandoned"},
    {"syn_cookies",
     "sent in our network namespace since the signal, up to the listener's end: who connects by "
     "one is nowhere to be seen, and could be reset. Left out: none, or not known",
     [](const Process& process, Audit& audit) {
       const std::int64_t sent = process.syn_cookies;
       return sent > 0 && number(audit, sent);
     }},
    {"queue_overflows",
     "likewise: handshakes whose end met a full accept queue. Their clients think that they are "
     "connected, and could be reset. Left out: none, or not known",
     [](const Process& process, Audit& audit) {
       const std::int64_t count = process.queue_overflows;
       return count > 0 && number(audit, count);
     }},
    {"closes_announced", "how many clients were told to go by an answer", {}, "closes_announced"},
    {"idle_closed", "how many were told by a FIN, being silent", {}, "idle_closed"},
    {"late_bytes",
     "bytes after our close; behind one that nothing announced also `lost_after_fin`, else the "
     "client may send them again",
     {},
     "late_bytes"},
    {"lost_after_fin",
     "clients that spoke after we had closed them as silent",
     {},
     "lost_after_fin"},
    {"lost_in_drain",
     "**lost**: these of them that we had closed in the drain",
     {},
     "lost_in_drain"},
    {"closes_unheard",
     "silent clients, closed in the drain, that have not acknowledged our FIN 2 s later: they have "
     "vanished, or packets are lost, and a request that was on its way is, too",
     {},
     "closes_unheard"},
    {"forced_closes",
     "connections that the deadline closed, but for those already half-closed",
     {},
     "forced_closes"},
    {"jobs_started", "background work, all of it", {}, "jobs_started"},
    {"jobs_failed", "**promised and not done**: an exception, see the log", {}, "jobs_failed"},
    {"jobs_unfinished", "**promised and not done** at the deadline",
     [](const Process& process, Audit& audit) { return number(audit, jobs_unfinished(process)); }},
    {"unfinished", "these by name: how many, and at the deadline the age of the oldest",
     unfinished},
    {"operations_outstanding",
     "begun and not ended, of any kind: always 0, or the process would not have ended by itself",
     [](const Process& process, Audit& audit) {
       return number(audit, process.operations_left.load());
     }},
    {"log_dropped", "lines that are missing in the log, since nobody read stderr",
     [](const Process&, Audit& audit) { return number(audit, log::dropped()); }},
};

}  // namespace

int exit_code(const Process& process) {
  if (process.ended_with != undecided) return process.ended_with;
  const std::uint64_t cut = requests_cut(process) + jobs_unfinished(process) + queue_lost(process) +
                            process.sum("lost_in_drain") + process.sum("jobs_failed");
  const int told = process.program == nullptr ? 0 : process.program->exit_code.load();
  const bool failed = process.io_error() != 0 || process.last_work_failed;
  if (cut == 0 && process.start_failed()) return told != 0 ? told : exit_failed.code;
  if (cut == 0 && !failed) return told;
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
    const bool written = field.write != nullptr ? field.write(process, audit)
                                                : number(audit, process.sum(field.sum));
    if (written) continue;
    audit.plain.resize(plain);
    audit.json.resize(json);
  }
  if (process.program == nullptr) return;
  for (const ProgramReport::Number& each : process.program->audit) {
    const std::int64_t value = each.value();
    if (value < 0) continue;
    fmt::format_to(std::back_inserter(audit.plain), " {}={}", each.name, value);
    fmt::format_to(std::back_inserter(audit.json), ",\"{}\":{}", each.name, value);
  }
}

}  // namespace lastcall
