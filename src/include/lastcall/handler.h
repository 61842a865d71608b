// What answers a request: a function. `state` is whatever was given with the route.
#pragma once

#include <lastcall/request.h>
#include <lastcall/response.h>
#include <lastcall/task.h>

namespace lastcall {

// Runs to its end at once, on the worker's thread: must not block.
using Plain = void (*)(Request&, Response&, void* state);

// A coroutine that may wait (`co_await sleep(…)`). Request and Response live until its frame ends.
using Waiting = Task<> (*)(Request&, Response&, void* state);

}  // namespace lastcall
