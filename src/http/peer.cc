#include "http/peer.h"

#include <new>
#include <string_view>

namespace lastcall {

const std::string& Peer::address() {
  if (socket < 0 || !known.empty()) return known;
  const std::string text = io->peer(socket);  // "192.0.2.1:80", "[2001:db8::1]:80", or a sentence
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) return known;
  std::string_view host = std::string_view(text).substr(0, colon);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  constexpr std::string_view v4_mapped = "::ffff:";
  if (host.starts_with(v4_mapped) && host.find('.') != std::string_view::npos)
    host.remove_prefix(v4_mapped.size());
  return known = host;
}

void Peer::remember() noexcept {
  try {
    (void)address();
  } catch (const std::bad_alloc&) {
    // Nobody will know.
  }
  socket = -1;
}

}  // namespace lastcall
