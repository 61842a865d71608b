#include "local.h"

#include "check.h"
#include "server.h"

namespace lastcall {
namespace {

thread_local Local* current = nullptr;

}  // namespace

void Local::enter(Local* entered) { current = entered; }

Local& local() {
  CHECK(current != nullptr && "belongs in a handler's or a job's coroutine, on its worker");
  return *current;
}

bool draining() { return local().draining; }
unsigned this_worker() { return local().worker; }

}  // namespace lastcall
