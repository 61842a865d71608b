#include "drain.h"

#include <algorithm>

namespace lastcall {

std::string_view name(Phase phase) {
  switch (phase) {
    case Phase::starting: return "starting";
    case Phase::serving: return "serving";
    case Phase::draining: return "draining";
    case Phase::closing: return "closing";
    case Phase::stopped: return "stopped";
  }
  return "?";
}

std::string_view name(Event event) {
  switch (event) {
    case Event::ready: return "ready";
    case Event::signal: return "signal";
    case Event::force: return "force";
    case Event::tick: return "tick";
  }
  return "?";
}

Actions Drain::on(Event event, const Remaining& remaining, Ms now) {
  switch (event) {
    case Event::ready:
      if (phase_ == Phase::starting) phase_ = Phase::serving;
      return {};

    case Event::signal: {
      if (phase_ > Phase::serving) return {};  // a repeated signal changes nothing
      // Before it was ever ready nobody was told to come: no window. What connected all the same
      // is served; without a listener this ends at once.
      const bool served = phase_ == Phase::serving;
      begin(now, served ? budget_.window : 0);
      Actions actions = tick(remaining, now);
      actions.announce = true;
      return actions;
    }

    case Event::force: {
      if (phase_ == Phase::stopped) return {};
      const bool unannounced = phase_ <= Phase::serving;
      if (unannounced) begin(now, 0);
      forced_ = true;
      window_end_ = std::min(window_end_, now);
      deadline_ = std::min(deadline_, now);
      Actions actions = tick(remaining, now);
      actions.announce = unannounced;
      return actions;
    }

    case Event::tick: return tick(remaining, now);
  }
  return {};
}

void Drain::begin(Ms now, Ms window) {
  phase_ = Phase::draining;
  signaled_at_ = now;
  window_end_ = now + window;
  deadline_ = window_end_ + budget_.timeout;
}

Actions Drain::tick(const Remaining& remaining, Ms now) {
  switch (phase_) {
    case Phase::starting:
    case Phase::serving:
    case Phase::stopped: return {};
    case Phase::draining: {
      if (now < window_end_) return {};
      phase_ = Phase::closing;
      // Nothing is judged finished in this turn but what has no listener to close.
      Actions actions = finish(remaining, now);
      actions.close_listener = remaining.listener;
      return actions;
    }
    case Phase::closing: return finish(remaining, now);
  }
  return {};
}

Actions Drain::finish(const Remaining& remaining, Ms now) {
  Actions actions;
  if (!cut_ && now >= deadline_) actions.cut = cut_ = true;
  const bool served = !remaining.listener && remaining.connections == 0 &&
                      remaining.requests == 0 && remaining.jobs == 0 && remaining.others == 0;
  if (!served) return actions;
  if (remaining.admin) {
    if (!admin_closed_) actions.close_admin = admin_closed_ = true;
    return actions;
  }
  if (remaining.operations == 0) {
    phase_ = Phase::stopped;
  } else if (!released_) {
    actions.release = released_ = true;
  }
  return actions;
}

bool Drain::servable(Ms now) const {
  switch (phase_) {
    case Phase::starting: return false;
    case Phase::serving: return true;
    case Phase::draining: return now < window_end_ - budget_.lead;
    case Phase::closing:
    case Phase::stopped: return false;
  }
  return false;
}

Ms Drain::next(Ms now) const {
  switch (phase_) {
    case Phase::starting:
    case Phase::serving:
    case Phase::stopped: return never;
    case Phase::draining: return window_end_;
    case Phase::closing:
      return cut_ ? now + limits::closing_poll_ms
                  : std::min(deadline_, now + limits::closing_poll_ms);
  }
  return never;
}

}  // namespace lastcall
