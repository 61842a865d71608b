#include "server/drain.h"

#include <algorithm>

#include "base/check.h"

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

Deadlines Deadlines::from(Ms signaled_at, const Budget& budget, bool served) {
  const Ms window_end = signaled_at + (served ? budget.window : 0);
  return {signaled_at, window_end, window_end + budget.timeout, budget.behind};
}

Deadlines Deadlines::forced(Ms now) const {
  return {signaled_at, std::min(window_end, now), std::min(deadline, now), 0};
}

Deadlines Deadlines::closed(Ms now) const {
  const Ms earlier = std::max<Ms>(0, window_end - now);
  return {signaled_at, window_end - earlier, deadline - earlier, behind};
}

Actions Drain::on(Event event, const Deadlines& deadlines, const Remaining& remaining, Ms now) {
  CHECK(event == Event::ready || event == Event::tick || deadlines.set());
  CHECK(deadlines.window_end <= deadlines.deadline);
  Actions actions;
  switch (event) {
    case Event::ready:
      if (phase_ == Phase::starting) phase_ = Phase::serving;
      break;
    case Event::signal:  // a repeated one changes nothing
      if (phase_ <= Phase::serving) actions = begin(deadlines, remaining, now);
      break;
    case Event::force:
      actions = phase_ <= Phase::serving ? begin(deadlines, remaining, now)
                                         : tick(deadlines, remaining, now);
      break;
    case Event::tick: actions = tick(deadlines, remaining, now); break;
  }
  return actions;
}

Actions Drain::begin(const Deadlines& deadlines, const Remaining& remaining, Ms now) {
  phase_ = Phase::draining;
  Actions actions = tick(deadlines, remaining, now);
  actions.begin_drain = true;
  return actions;
}

Actions Drain::tick(const Deadlines& deadlines, const Remaining& remaining, Ms now) {
  switch (phase_) {
    case Phase::starting:
    case Phase::serving:
    case Phase::stopped: return {};
    case Phase::draining: {
      if (now < deadlines.window_end) return {};
      phase_ = Phase::closing;
      // With a listener `finish` stops nothing yet: it has to be closed first.
      Actions actions = finish(deadlines, remaining, now);
      actions.begin_closing = remaining.listener;
      return actions;
    }
    case Phase::closing: return finish(deadlines, remaining, now);
  }
  return {};
}

Actions Drain::finish(const Deadlines& deadlines, const Remaining& remaining, Ms now) {
  DCHECK(phase_ == Phase::closing);
  Actions actions;
  const bool last_work_begun = last_work_until_ != never;
  if (!cut_ && !last_work_begun && now >= deadlines.deadline) actions.cut = cut_ = true;
  const bool finished = !remaining.listener && remaining.connections == 0 &&
                        remaining.handlers == 0 && remaining.jobs == 0 && remaining.others == 0;
  if (!finished) return actions;
  if (remaining.last_work) {
    if (!last_work_begun) {
      actions.begin_last_work = true;
      last_work_until_ = now + deadlines.behind;
    } else if (!last_work_cut_ && (now >= last_work_until_ || deadlines.behind == 0)) {
      actions.cut_last_work = last_work_cut_ = true;
    }
    return actions;
  }
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

Ms Drain::next(const Deadlines& deadlines, Ms now) const {
  switch (phase_) {
    case Phase::starting:
    case Phase::serving:
    case Phase::stopped: return never;
    case Phase::draining: return deadlines.window_end;
    case Phase::closing: {
      const Ms poll = now + limits::closing_poll_ms;
      return cut_ || last_work_until_ != never ? poll : std::min(deadlines.deadline, poll);
    }
  }
  return never;
}

}  // namespace lastcall
