// libFuzzer: any bytes on a connection. What is checked, beside crashes and sanitizers: whole or
// cut, the answers are the same; and nothing is left afterwards (the worker's own CHECKs).
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <lastcall/log.h>

#include "wire.h"

namespace {

// Dates are the same within one input: the clock of the simulated kernel stands still.
std::string answers(lastcall::Wire& wire, std::string_view bytes, std::size_t cut) {
  const int socket = wire.connect();
  wire.send(socket, bytes.substr(0, cut));
  std::string output = wire.take(socket);
  if (!wire.closed(socket)) {
    wire.send(socket, bytes.substr(cut));
    output += wire.take(socket);
  }
  wire.hang_up(socket);
  wire.turn();
  wire.kernel.sockets.erase(socket);
  return output;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool quiet = [] {
    lastcall::log::configure(lastcall::log::Format::text, lastcall::log::Level::off);
    return true;
  }();
  static auto* const wire = new lastcall::Wire;
  (void)quiet;
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  // A handler that waits makes the order of turns matter; those are the simulation's.
  if (bytes.find("/wait") != std::string_view::npos ||
      bytes.find("/slow") != std::string_view::npos)
    return 0;
  if (bytes.find("100-continue") != std::string_view::npos)
    return 0;  // depends on the cut by right
  const std::string whole = answers(*wire, bytes, bytes.size());
  const std::string parts = answers(*wire, bytes, bytes.size() * data[0] / 256);
  if (whole != parts) std::abort();
  return 0;
}
