#include "http/date.h"

#include <cstring>
#include <ctime>

namespace lastcall {

void DateCache::update(std::int64_t wall_seconds) {
  if (wall_seconds == seconds_) return;
  seconds_ = wall_seconds;
  const std::time_t time = wall_seconds;
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[sizeof line_ + 1];
  std::strftime(text, sizeof text, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc);
  std::memcpy(line_, text, sizeof line_);
}

}  // namespace lastcall
