// The health paths and /metrics: what probes and scrapers ask.
//
//   /livez /healthz /alive   200 while each worker's loop turns, whatever the phase, and the
//                            program has nothing against it
//   /readyz /ready           should new work be sent here? 503 but while serving; once draining,
//                            --draining-status
//   /servingz                can this process still answer? 200 until its lead before the end
//   /metrics                 Prometheus text, format 0.0.4
#pragma once

#include <lastcall/callable.h>
#include <lastcall/options.h>

#include "http/router.h"
#include "server/process.h"
#include "server/program_report.h"

namespace lastcall {

// Whom they ask: there before there is a process, set before anything is asked.
struct Health {
  const Process* process = nullptr;
  unsigned draining_status = Options{}.draining_status;  // of /readyz, from the signal on
  detail::Callable<bool()> also_alive;                   // may say no
  const ProgramReport* program = nullptr;
};

// Adds the routes; `health` outlives the router.
void add_health_routes(Router& router, Health& health);

}  // namespace lastcall
