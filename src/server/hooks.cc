#include "server/hooks.h"

#include <algorithm>

namespace lastcall {

bool run_before(const Hooks& hooks, Request& request, Response& response) {
  return std::all_of(hooks.before.begin(), hooks.before.end(), [&](const Before& hook) {
    return hook.waits() || hook.run(request, response);
  });
}

// Its parameters outlive it: the hooks and the handler live as long as the server, the other two as
// long as this frame.
Task<> run_behind(const Hooks& hooks, const Handler& handler, Request& request,
                  Response& response) {
  for (const Before& hook : hooks.before) {
    bool goes_on = false;
    if (hook.waits()) {
      goes_on = co_await hook.begin(request, response);
    } else {
      goes_on = hook.run(request, response);
    }
    if (!goes_on) co_return;
  }
  if (handler.waits()) {
    co_await handler.begin(request, response);
  } else {
    handler.run(request, response);
  }
}

void run_after(const Hooks& hooks, const Request& request, Response& response) {
  for (const After& hook : hooks.after) hook.run(request, response);
}

}  // namespace lastcall
