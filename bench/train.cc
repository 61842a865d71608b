// What the compiler counts, so that it knows what is usual: traffic of every kind over an Io in
// memory, the same in every run. One thread, a clock that is stepped, counts that are fixed: the
// same build makes the same profile, to the byte (meson.build, `training`).
//
//   train
#include <sys/personality.h>
#include <unistd.h>

#include <lastcall/log.h>

#include "traffic.h"

int main(int, char** argv) {
  // Some of what is counted are addresses: the same in every run where they may stay unrandomized
  // (personality(2)).
  const int persona = personality(0xffffffff);
  if ((persona & ADDR_NO_RANDOMIZE) == 0 && personality(persona | ADDR_NO_RANDOMIZE) != -1)
    execv("/proc/self/exe", argv);
  lastcall::log::configure(lastcall::log::Format::text, lastcall::log::Level::off);
  for (const lastcall::traffic::Load& load : lastcall::traffic::loads()) {
    const std::size_t clients = lastcall::traffic::clients_of(load);
    lastcall::PretendServer server(load.batch, clients, lastcall::PretendIo::Clock::stepped);
    (void)lastcall::traffic::start(server, clients);
    while (server.io.batches() < load.batches) server.turn();
  }
}
