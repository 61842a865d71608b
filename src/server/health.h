// The health paths and /metrics: what probes and scrapers ask.
//
//   /livez /healthz /alive   200 while each worker's loop turns, whatever the phase
//   /readyz /ready           should new work be sent here? 503 but while serving
//   /servingz                can this process still answer? 200 until its lead before the end
//   /metrics                 Prometheus text, format 0.0.4
#pragma once

#include "http/router.h"
#include "server/process.h"

namespace lastcall {

// Adds the routes; `process` outlives the router.
void add_health_routes(Router& router, Process& process);

}  // namespace lastcall
