#include "io/watches.h"

#include <sys/socket.h>

#include <utility>

#include "base/check.h"
#include "io/io.h"

namespace lastcall {
namespace {

constexpr std::size_t places_min = 64;

}  // namespace

// Fibonacci hashing spreads the numbers, of which other workers have most, over all places.
std::size_t Watches::home(int fd) const {
  const std::uint32_t hash = static_cast<std::uint32_t>(fd) * 0x9e3779b1u;
  return static_cast<std::size_t>(std::uint64_t{hash} * places_.size() >> 32);
}

std::size_t Watches::after(std::size_t place) const {
  return place + 1 == places_.size() ? 0 : place + 1;
}

std::size_t Watches::search(int fd) const {
  DCHECK(size_ < places_.size());  // else it might not end
  std::size_t place = home(fd);
  while (places_[place].fd >= 0 && places_[place].fd != fd) place = after(place);
  return place;
}

Watch* Watches::find(int fd) {
  if (size_ == 0) return nullptr;
  Watch& found = places_[search(fd)];
  return found.fd == fd ? &found : nullptr;
}

Watch& Watches::add(int fd) {
  CHECK(fd >= 0);
  if (8 * (size_ + 1) > 7 * places_.size()) grow();
  Watch& place = places_[search(fd)];
  CHECK(place.fd < 0);
  place = {.fd = fd};
  ++size_;
  return place;
}

void Watches::reserve(std::size_t watches) {
  while (8 * watches > 7 * places_.size()) grow();
}

// By half: the places that nobody takes are memory, too.
void Watches::grow() {
  const std::size_t places = places_.size();
  std::vector<Watch> old(places + places / 2 < places_min ? places_min : places + places / 2);
  old.swap(places_);
  for (const Watch& watch : old) {
    if (watch.fd >= 0) places_[search(watch.fd)] = watch;
  }
}

// What stands behind it, up to the next empty place, moves up where it could not be found any more.
void Watches::remove(int fd) {
  std::size_t hole = search(fd);
  CHECK(places_[hole].fd == fd);
  for (std::size_t place = after(hole); places_[place].fd >= 0; place = after(place)) {
    const std::size_t from = home(places_[place].fd);
    const bool behind = hole < place ? from > hole && from <= place : from > hole || from <= place;
    if (behind) continue;
    places_[hole] = places_[place];
    hole = place;
  }
  places_[hole] = {};
  --size_;
}

ssize_t send_rest(int socket, const Operation& operation) {
  constexpr int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
  if (operation.does == Does::send_two) {
    auto& pieces = *static_cast<TwoPieces*>(operation.memory);
    return ::sendmsg(socket, &pieces.rest(operation.done), flags);
  }
  const auto* const rest = static_cast<const char*>(operation.memory) + operation.done;
  return ::send(socket, rest, operation.size - operation.done, flags);
}

}  // namespace lastcall
