#include "http/peer.h"

#include <new>

namespace lastcall {

std::string_view Peer::address() {
  if (known == nullptr) return {};
  if (known->empty() && socket >= 0) *known = io->peer(socket);
  std::string_view host = *known;  // "192.0.2.1:80", "[2001:db8::1]:80", or a sentence
  const auto colon = host.rfind(':');
  if (colon == std::string_view::npos) return {};
  host = host.substr(0, colon);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  constexpr std::string_view v4_mapped = "::ffff:";
  if (host.starts_with(v4_mapped) && host.find('.') != std::string_view::npos)
    host.remove_prefix(v4_mapped.size());
  return host;
}

void Peer::remember() noexcept {
  if (known == nullptr) return;
  try {
    (void)address();
    of_who_has_gone = *known;
  } catch (const std::bad_alloc&) {
    of_who_has_gone.clear();  // nobody will know
  }
  known = &of_who_has_gone;
  socket = -1;
}

}  // namespace lastcall
