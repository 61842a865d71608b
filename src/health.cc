#include "health.h"

#include <fmt/core.h>

#include <iterator>

#include "local.h"
#include "log.h"

namespace lastcall {
namespace {

void answer(Response& response, bool yes, std::string_view no) {
  response.status(yes ? 200 : 503).body(yes ? "OK" : no);
}

void livez(Request&, Response& response, void* shared) {
  answer(response, static_cast<Shared*>(shared)->alive(local().now), "Stuck");
}

void readyz(Request&, Response& response, void* shared) {
  answer(response, static_cast<Shared*>(shared)->ready(), "Not Ready");
}

void servingz(Request&, Response& response, void* shared) {
  answer(response, static_cast<Shared*>(shared)->servable(local().now), "Not Serving");
}

void metrics(Request&, Response& response, void* state) {
  const auto& shared = *static_cast<Shared*>(state);
  std::string text;
  const auto line = [&](std::string_view name, std::string_view help, bool gauge,
                        std::uint64_t value) {
    fmt::format_to(std::back_inserter(text),
                   "# HELP lastcall_{0} {1}\n# TYPE lastcall_{0} {2}\nlastcall_{0} {3}\n", name,
                   help, gauge ? "gauge" : "counter", value);
  };
  for (std::size_t i = 0; i < counts; ++i) {
    const auto count = static_cast<Count>(i);
    line(name(count), help(count), is_gauge(count), shared.sum(count));
  }
  text +=
      "# HELP lastcall_jobs Background jobs that have not ended, by name.\n"
      "# TYPE lastcall_jobs gauge\n";
  for (const JobSum& sum : shared.job_sums()) {
    fmt::format_to(std::back_inserter(text), "lastcall_jobs{{name={}}} {}\n", log::quoted(sum.name),
                   sum.running);
  }
  line("workers", "Reactor threads.", true, shared.slots.size());
  line("ready", "1 while new work should be sent here.", true, shared.ready());
  line("serving", "1 while this process can still answer.", true, shared.servable(local().now));
  line("draining", "1 from the signal on.", true, shared.signaled());
  line("log_dropped_total", "Log lines that found the queue full.", false, log::dropped());
  response.content_type("text/plain; version=0.0.4").body(text);
}

}  // namespace

void add_health_routes(Router& router, Shared& shared) {
  const struct {
    const char* path;
    Plain plain;
  } routes[] = {{"/livez", livez},    {"/healthz", livez}, {"/alive", livez},
                {"/readyz", readyz},  {"/ready", readyz},  {"/servingz", servingz},
                {"/metrics", metrics}};
  for (const auto& route : routes) {
    router.add({Method::get, route.path, route.plain, nullptr, &shared, true});
  }
}

}  // namespace lastcall
