#include "audit.h"

#include <fmt/core.h>

#include <csignal>
#include <cstring>
#include <iterator>

#include "duration.h"
#include "log.h"

namespace lastcall {
namespace {

// Writes each member twice: `name=value` and `"name":value`.
class Members {
 public:
  explicit Members(Audit& audit) : audit_(audit) { audit_.text = "audit:"; }

  void number(std::string_view name, std::int64_t value) {
    put(name, fmt::format("{}", value), fmt::format("{}", value));
  }
  void word(std::string_view name, std::string_view value) { put(name, value, log::quoted(value)); }
  // Milliseconds between two instants; absent when either has not been.
  void span(std::string_view name, Ms from, Ms to) {
    if (from != Shared::never && to != Shared::never) number(name, to - from);
  }
  // By name, how many and the age of the oldest; absent when nothing is unfinished.
  void jobs(std::string_view name, const std::vector<JobSum>& sums) {
    std::string text;
    std::string json;
    for (const JobSum& sum : sums) {
      if (sum.unfinished == 0) continue;
      fmt::format_to(std::back_inserter(text), "{}{}:{}:{}", text.empty() ? "" : ",", sum.name,
                     sum.unfinished, format_duration(sum.oldest_ms));
      fmt::format_to(std::back_inserter(json), R"({}{{"name":{},"jobs":{},"oldest_ms":{}}})",
                     json.empty() ? "" : ",", log::quoted(sum.name), sum.unfinished, sum.oldest_ms);
    }
    if (!text.empty()) put(name, text, "[" + json + "]");
  }

 private:
  void put(std::string_view name, std::string_view text, std::string_view json) {
    fmt::format_to(std::back_inserter(audit_.text), " {}={}", name, text);
    fmt::format_to(std::back_inserter(audit_.json), "{}\"{}\":{}", audit_.json.empty() ? "" : ",",
                   name, json);
  }
  Audit& audit_;
};

std::string close_kind(const Shared& shared) {
  if (shared.unlistened_at == Shared::never) return "none";
  return shared.unlisten_worked ? "un-listen" : "sweep-only";
}

}  // namespace

int exit_code(const Shared& shared) {
  const std::uint64_t cut = shared.sum(Count::requests_cut) + shared.sum(Count::queue_lost) +
                            shared.sum(Count::lost_in_drain) + shared.sum(Count::jobs_unfinished) +
                            shared.sum(Count::jobs_failed);
  if (cut == 0) return 0;
  return shared.forced() ? exit_forced : exit_cut;
}

Audit make_audit(const Shared& shared) {
  Audit audit;
  Members members(audit);
  const Ms signaled = shared.signaled_at();
  const Ms last = shared.last_arrival();
  members.number("exit", exit_code(shared));
  members.word("signal",
               fmt::format("SIG{}", shared.signal() == 0 ? "NONE" : sigabbrev_np(shared.signal())));
  members.number("workers", static_cast<std::int64_t>(shared.slots.size()));
  members.span("serving_ms", shared.serving_at, signaled);
  members.span("draining_ms", signaled, shared.unlistened_at);
  members.span("settling_ms", shared.unlistened_at, shared.settled_at);
  members.span("closing_ms", shared.settled_at, shared.stopped_at);
  members.word("listener_close", close_kind(shared));
  const struct {
    const char* name;
    Count count;
  } sums[] = {{"connections_accepted", Count::connections_accepted},
              {"accepted_in_window", Count::accepted_in_window},
              {"accepted_after_unlisten", Count::accepted_after_unlisten},
              {"accepted_in_sweep", Count::accepted_in_sweep}};
  for (const auto& sum : sums)
    members.number(sum.name, static_cast<std::int64_t>(shared.sum(sum.count)));
  // Relative to the signal, and negative before it: the number that tunes a window.
  if (last != 0 && signaled != Shared::never) members.number("last_arrival_ms", last - signaled);
  const struct {
    const char* name;
    Count count;
  } more[] = {{"requests_received", Count::requests_received},
              {"probes_received", Count::probes_received},
              {"requests_answered", Count::requests_answered},
              {"requests_undelivered", Count::requests_undelivered},
              {"requests_cut", Count::requests_cut},
              {"requests_rejected", Count::requests_rejected},
              {"answers_denied", Count::answers_denied},
              {"partial_cut", Count::partial_cut},
              {"queue_lost", Count::queue_lost},
              {"handshakes_abandoned", Count::handshakes_abandoned},
              {"closes_announced", Count::closes_announced},
              {"idle_closed", Count::idle_closed},
              {"late_bytes", Count::late_bytes},
              {"lost_after_fin", Count::lost_after_fin},
              {"forced_closes", Count::forced_closes}};
  for (const auto& sum : more)
    members.number(sum.name, static_cast<std::int64_t>(shared.sum(sum.count)));
  members.number("jobs_started", static_cast<std::int64_t>(shared.sum(Count::jobs_started)));
  members.number("jobs_failed", static_cast<std::int64_t>(shared.sum(Count::jobs_failed)));
  members.number("jobs_unfinished", static_cast<std::int64_t>(shared.sum(Count::jobs_unfinished)));
  members.jobs("unfinished", shared.job_sums());
  members.number("operations_outstanding",
                 static_cast<std::int64_t>(shared.operations_left.load()));
  members.number("log_dropped", static_cast<std::int64_t>(log::dropped()));
  return audit;
}

}  // namespace lastcall
