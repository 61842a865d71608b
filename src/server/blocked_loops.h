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
  struct Loop {
    Ms since = 0;       // since when it stands still, as seen at the last look; 0: it does not
    bool told = false;  // and that it does
  };
  const Process& process_;
  std::vector<Loop> loops_;  // of each worker
};

}  // namespace lastcall
