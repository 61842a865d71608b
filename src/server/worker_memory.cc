// What a worker does about the memory that clients make it hold: holds them back where it grows
// short, and gives back what a burst has needed.
#include <malloc.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "server/worker.h"

namespace lastcall {

void Worker::count_frames() { memory_.set_frames(detail::frame_bytes_live() + jobs_.bytes()); }

// When a burst has been over for a second: pools and malloc keep what it needed.
void Worker::give_memory_back() {
  count_frames();
  metrics().set("memory_bytes", memory_.used());
  const std::size_t recently = memory_.peak();
  memory_.restart_peak();
  const std::size_t least = std::min(limits::trimmed_bytes_min, config_.memory.all / 8);
  const bool fell = memory_high_ >= recently + least;
  memory_high_ = fell ? recently : std::max(memory_high_, recently);
  const bool asked = process_.trims != std::exchange(trims_seen_, process_.trims);
  if (fell || asked) {
    slabs_.trim();
    exchanges_.trim();
    detail::frames_trim();
    jobs_.trim();
    trim_slots();
    metrics().add("memory_returned");
  }
#ifdef __GLIBC__
  if (fell || (leader() && asked)) malloc_trim(0);
#endif
  if (leader() && config_.watches_resident) watch_resident(least * process_.slots.size());
}

// What no account knows, such as the text of an answer before it was denied, goes back as well: the
// process has become much larger than when it last gave something back, and grows no more.
void Worker::watch_resident(std::size_t least) {
  const std::size_t resident = resident_bytes();
  const bool grows = resident > resident_before_;
  resident_before_ = resident;
  if (trims_seen_ != 0 && trims_seen_ != std::exchange(trims_done_, trims_seen_))
    resident_trimmed_ = resident;
  resident_trimmed_ = std::min(resident_trimmed_, resident);
  if (grows || resident < resident_trimmed_ + least || now_ < trims_next_) return;
  trims_next_ = now_ + limits::trim_interval_ms;
  ++process_.trims;  // which each worker sees a second later at most
}

// Connections that are not in use, but for a few; the slots of those at the end, too. What is left
// is taken first.
void Worker::trim_slots() {
  if (!parked_.empty() || !moved_.empty() || share_.is_waited_for()) return;  // which name slots
  for (std::size_t slot = limits::slots_kept; slot < connections_.size(); ++slot) {
    if (!used(connections_[slot])) connections_[slot].reset();
  }
  while (connections_.size() > limits::slots_kept && connections_.back() == nullptr)
    connections_.pop_back();
  std::erase_if(free_slots_, [&](std::uint32_t slot) { return slot >= connections_.size(); });
  std::partition(free_slots_.begin(), free_slots_.end(),
                 [&](std::uint32_t slot) { return connections_[slot] == nullptr; });
  verified_ = 0;
}

std::size_t Worker::connections_kept() const {
  return static_cast<std::size_t>(std::count_if(connections_.begin(), connections_.end(),
                                                [](const auto& kept) { return kept != nullptr; }));
}

void Worker::observe_memory() {
  if (tight_ || !memory_.half_used()) {
    tight_ = tight_ && !memory_.well_below_half();
    return;
  }
  tight_ = true;
  metrics().add("memory_tight");
  for (const auto& connection : connections_) {
    if (used(connection)) connection->recall_receive();
  }
}

}  // namespace lastcall
