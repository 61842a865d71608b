// The hooks around a handler (lastcall/hook.h), in the order in which they run.
#pragma once

#include <lastcall/task.h>

#include "http/router.h"

namespace lastcall {

// Those before that need not wait. False: one has answered. Throws what a hook does.
[[nodiscard]] bool run_before(const Hooks& hooks, Request& request, Response& response);
// Where one of those before has to wait: all of them and the handler, as one coroutine.
[[nodiscard]] Task<> run_behind(const Hooks& hooks, const Handler& handler, Request& request,
                                Response& response);
// Those behind. Throws what a hook does.
void run_after(const Hooks& hooks, const Request& request, Response& response);

}  // namespace lastcall
