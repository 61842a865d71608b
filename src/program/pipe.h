// Bytes both ways between a client's tunnel and the command, until both have ended.
#pragma once

#include <lastcall/request.h>
#include <lastcall/response_body.h>
#include <lastcall/stream.h>
#include <lastcall/task.h>

namespace lastcall {

// `half_open`: the client may send on when the command has said FIN; else that ends both. A FIN of
// the client's is passed on, and the command may send on. Throws `Incomplete` where either breaks,
// so that the other sees a reset.
[[nodiscard]] Task<> pipe(Request& request, ResponseBody& body, Stream& upstream, bool half_open);

}  // namespace lastcall
