// Bytes both ways between a client's tunnel and the command, until both have ended.
#pragma once

#include <atomic>

#include <lastcall/request.h>
#include <lastcall/response_body.h>
#include <lastcall/stream.h>
#include <lastcall/task.h>

namespace lastcall {

// A FIN of the client's is passed on, and the command may send on. One of the command's ends both,
// or is passed on, and the client may send on while `half_open` is set, which is looked at now and
// again. Throws `Incomplete` where either breaks, so that the other sees a reset.
[[nodiscard]] Task<> pipe(Request& request, ResponseBody& body, Stream& upstream,
                          const std::atomic<bool>* half_open = nullptr);

}  // namespace lastcall
