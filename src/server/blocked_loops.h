// Which worker's loop stands still, and in whose handler: told in the log while it does.
#pragma once

#include <vector>

#include "base/limits.h"

namespace lastcall {

class Process;

class BlockedLoops {
 public:
  explicit BlockedLoops(const Process& process);

  // Looks at all of them. Called again after `pause`, by a thread that none of them blocks.
  void look(Ms now);
  [[nodiscard]] Ms pause() const;

 private:
  const Process& process_;
  std::vector<Ms> told_;  // of each worker: since when it stands still, as told; 0: it does not
  Ms looked_at_ = 0;
};

}  // namespace lastcall
