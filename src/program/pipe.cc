#include "pipe.h"

#include <chrono>
#include <new>
#include <string>

#include <lastcall/latch.h>
#include <lastcall/sleep.h>

namespace lastcall {
namespace {

using namespace std::chrono_literals;
constexpr std::chrono::milliseconds for_ever = std::chrono::hours(24 * 365);
constexpr auto look_again = 100ms;

// The client's bytes, up to its FIN. What goes wrong ends the stream, and by that the way back.
Task<> send_on(Request& request, Stream& upstream) {
  try {
    for (;;) {
      const auto piece = co_await request.read();
      if (!piece) break;
      std::string bytes(*piece);
      if (co_await upstream.send(std::move(bytes), for_ever)) {
        upstream.close();
        co_return;
      }
    }
    upstream.end();
  } catch (...) {
    upstream.close();
  }
}

struct Sending {
  void start(Request& request, Stream& upstream) {
    task = send_on(request, upstream);
    if (!task) throw std::bad_alloc();
    task.start([](void* self) noexcept { static_cast<Sending*>(self)->over.set(); }, this);
  }
  Latch over;
  Task<> task;
};

}  // namespace

Task<> pipe(Request& request, ResponseBody& body, Stream& upstream,
            const std::atomic<bool>* half_open) {
  Sending sending;
  sending.start(request, upstream);
  for (;;) {
    const Received received = co_await upstream.receive(for_ever);
    if (received.error) throw Incomplete{0};
    if (received.ended()) break;
    if (!co_await body.write(received.bytes)) throw Incomplete{0};
  }
  if (half_open == nullptr) co_return;
  body.end();
  while (*half_open && !sending.over.is_set()) co_await sleep(look_again);
}

}  // namespace lastcall
