#include "server/health.h"

#include <fmt/core.h>

#include <iterator>

#include "await/context.h"
#include "base/log.h"

namespace lastcall {
namespace {

void answer(Response& response, bool yes, std::string_view no, int no_status = 503) {
  response.status(yes ? 200 : no_status).body(yes ? "OK" : no);
}

const Process& process_of(void* health) { return *static_cast<Health*>(health)->process; }

void livez(Request&, Response& response, void* health) {
  const auto& also_alive = static_cast<Health*>(health)->also_alive;
  const bool alive = process_of(health).alive(context().now) && (!also_alive || also_alive());
  answer(response, alive, "Stuck");
}

void readyz(Request&, Response& response, void* health) {
  const Process& process = process_of(health);
  const auto draining = static_cast<int>(static_cast<Health*>(health)->draining_status);
  answer(response, process.ready(), "Not Ready", process.signaled() ? draining : 503);
}

void servingz(Request&, Response& response, void* health) {
  answer(response, process_of(health).servable(context().now), "Not Serving");
}

void metrics(Request&, Response& response, void* health) {
  const Process& process = process_of(health);
  std::string text;
  const auto line = [&](const MetricRow& row, std::int64_t value) {
    const bool gauge = row.kind == MetricKind::gauge;
    fmt::format_to(std::back_inserter(text),
                   "# HELP lastcall_{0} {1}\n# TYPE lastcall_{0} {2}\nlastcall_{0} {3}\n",
                   fmt::format("{}{}", row.name, gauge ? "" : "_total"), row.help,
                   gauge ? "gauge" : "counter", value);
  };
  for (std::size_t row = 0; row < std::size(metric_rows); ++row)
    line(metric_rows[row], static_cast<std::int64_t>(process.sum_at(row)));
  text +=
      "# HELP lastcall_jobs Background jobs that have not ended, by name.\n"
      "# TYPE lastcall_jobs gauge\n";
  for (const JobSum& sum : process.job_sums()) {
    fmt::format_to(std::back_inserter(text), "lastcall_jobs{{name={}}} {}\n", log::quoted(sum.name),
                   sum.running);
  }
  fmt::format_to(std::back_inserter(text),
                 "# HELP lastcall_io_info What serves: io_uring or epoll.\n"
                 "# TYPE lastcall_io_info gauge\nlastcall_io_info{{io=\"{}\"}} 1\n",
                 process.io);
  using enum MetricKind;
  line({"workers", gauge, "Reactor threads."}, static_cast<std::int64_t>(process.slots.size()));
  line({"ready", gauge, "1 while new work should be sent here."}, process.ready());
  line({"serving", gauge, "1 while this process can still answer."},
       process.servable(context().now));
  line({"draining", gauge, "1 from the signal on."}, process.signaled());
  line({"log_dropped", counter, "Log lines that found the queue full."},
       static_cast<std::int64_t>(log::dropped()));
  if (const ProgramReport* const program = static_cast<Health*>(health)->program;
      program != nullptr) {
    for (const ProgramReport::Number& number : program->metrics)
      line({number.name, number.kind, number.help}, number.value());
  }
  response.content_type("text/plain; version=0.0.4").body(text);
}

}  // namespace

void add_health_routes(Router& router, Health& health) {
  const struct {
    const char* path;
    Plain plain;
  } routes[] = {{"/livez", livez},    {"/healthz", livez}, {"/alive", livez},
                {"/readyz", readyz},  {"/ready", readyz},  {"/servingz", servingz},
                {"/metrics", metrics}};
  for (const auto& route : routes) {
    router.add({.method = Method::get,
                .path = route.path,
                .handler = Handler(route.plain, &health),
                .probe = true});
  }
}

}  // namespace lastcall
