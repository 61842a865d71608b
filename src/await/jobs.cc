#include "await/jobs.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <new>

#include <lastcall/background.h>
#include <lastcall/duration.h>
#include <lastcall/log.h>

#include "await/context.h"
#include "base/check.h"
#include "base/metrics.h"
#include "base/reserve.h"

namespace lastcall {

namespace detail {

bool on_worker() noexcept { return on_a_worker(); }

bool admit_job() { return context().jobs.admit(); }

void lose_job(Name name, const char* why) noexcept {
  context().metrics.add("jobs_failed");
  log::error("job {} failed: {}", name.text(), why);
}

bool start_job(Name name, Task<> task) {
  return context().jobs.start(name.text(), std::move(task), context().now);
}

}  // namespace detail

Jobs::Jobs(TimerWheel& timers, Metrics& metrics, JobTable& table, std::size_t jobs_max)
    : timers_(timers),
      metrics_(metrics),
      table_(table),
      jobs_max_(jobs_max),
      overdue_(&Jobs::on_overdue, this) {}

bool Jobs::admit() {
  if (!canceled_ && all_.size() - entered_ < jobs_max_) return true;
  metrics_.add("jobs_refused");
  return false;
}

bool Jobs::start(std::string_view name, Task<> task, Ms now) {
  try {
    if (!task) throw std::bad_alloc();  // for its frame
    Job& job = add(name, now);
    job.task = std::move(task);
    new_.push_back(&job);
    return true;
  } catch (const std::bad_alloc&) {
    metrics_.add("jobs_refused");
    return false;
  }
}

Jobs::Job& Jobs::add(std::string_view name, Ms now) {
  auto job = std::make_unique<Job>();
  make_room_for_one();
  job->jobs = this;
  job->name = name;
  job->row = &row_of(name);
  job->since = now;
  job->at = all_.size();
  all_.push_back(std::move(job));
  metrics_.add("jobs_started");
  metrics_.add("jobs_running");
  all_.back()->row->running.fetch_add(1, std::memory_order_relaxed);
  return *all_.back();
}

void* Jobs::enter(std::string_view name, Ms now) {
  Job& job = add(name, now);
  ++entered_;
  metrics_.add("blocking_calls");
  return &job;
}

void Jobs::leave(void* entered, bool well, Ms now) {
  Job& job = *static_cast<Job*>(entered);
  --entered_;
  metrics_.subtract("blocking_calls");
  if (well) {
    metrics_.add("jobs_finished");
  } else {
    count_unfinished(job, now);
    unfinished_.push_back(&job);
    name_unfinished(now, "unfinished at the deadline");
  }
  count_ended(job);
  remove(job);
  if (all_.empty()) timers_.disarm(overdue_);
}

// For one job more in each list: from there on nothing can fail.
void Jobs::make_room_for_one() {
  const std::size_t size = all_.size() + 1;
  reserve_for(all_, size);
  reserve_for(new_, size);
  reserve_for(starting_, size);
  reserve_for(ended_, size);
  reserve_for(finishing_, size);
  reserve_for(unfinished_, size);
}

// The last row is everybody else's.
JobRow& Jobs::row_of(std::string_view name) {
  constexpr std::string_view others = "other";
  for (JobRow& row : table_) {
    const char* const have = row.name.load(std::memory_order_relaxed);
    if (have != nullptr && std::string_view(have, row.name_bytes) == name) return row;
    if (have != nullptr) continue;
    const std::string_view kept = &row == &table_.back() ? others : name;
    row.name_bytes = kept.size();
    row.name.store(kept.data(), std::memory_order_release);
    return row;
  }
  return table_.back();
}

void Jobs::run_new() {
  DCHECK(new_.size() <= all_.size());
  starting_.swap(new_);
  for (Job* job : starting_) job->task.start(&Jobs::on_done, job);
  starting_.clear();
}

void Jobs::on_done(void* self) noexcept {
  auto* job = static_cast<Job*>(self);
  DCHECK(job->jobs->ended_.size() < job->jobs->ended_.capacity());  // `make_room_for_one`
  job->jobs->ended_.push_back(job);
}

// Not from within a job's last step: its frame goes here.
void Jobs::finish(Ms now) {
  if (ended_.empty()) return;
  finishing_.swap(ended_);
  for (Job* job : finishing_) {
    try {
      job->task.result();
      metrics_.add("jobs_finished");
    } catch (const Canceled&) {
      count_unfinished(*job, now);
      if (!job->named) unfinished_.push_back(job);
    } catch (const std::exception& error) {
      metrics_.add("jobs_failed");
      log::error("job {} failed: {}", job->name, error.what());
    } catch (...) {
      metrics_.add("jobs_failed");
      log::error("job {} failed", job->name);
    }
    count_ended(*job);
  }
  name_unfinished(now, "unfinished at the deadline");
  // By number: one that begins meanwhile may move the list.
  for (std::size_t i = 0; i < finishing_.size(); ++i) remove(*finishing_[i]);
  finishing_.clear();
  if (all_.empty()) timers_.disarm(overdue_);
}

// At once behind what has become of it: who looks meanwhile sees one job twice at most.
void Jobs::count_ended(const Job& job) {
  metrics_.subtract("jobs_running");
  job.row->running.fetch_sub(1, std::memory_order_relaxed);
}

void Jobs::remove(Job& job) {
  DCHECK(job.at < all_.size() && all_[job.at].get() == &job);
  // It ends when the list is whole again: what its frame held may begin another job.
  const std::size_t at = job.at;
  const std::unique_ptr<Job> gone = std::move(all_[at]);
  if (at + 1 < all_.size()) {
    all_[at] = std::move(all_.back());
    all_[at]->at = at;
  }
  all_.pop_back();
}

void Jobs::on_deadline(Ms now) {
  canceled_ = true;
  if (all_.empty()) return;
  overdue_at_ = now + limits::job_overdue_ms;
  timers_.arm(overdue_, overdue_at_);
}

// What half a second later still runs awaits nothing that can be cancelled, or a disk that is slow:
// if it goes on the watchdog ends it, and the process.
void Jobs::on_overdue(void* self) noexcept {
  auto& jobs = *static_cast<Jobs*>(self);
  jobs.finish(jobs.overdue_at_);  // what has ended in this very turn
  for (const auto& job : jobs.all_) {
    job->named = true;
    jobs.unfinished_.push_back(job.get());
    job->row->note_age(jobs.overdue_at_ - job->since);
  }
  jobs.name_unfinished(jobs.overdue_at_, "still running, and cannot be cancelled");
}

void Jobs::count_unfinished(const Job& job, Ms now) {
  metrics_.add("jobs_unfinished");
  job.row->unfinished.fetch_add(1, std::memory_order_relaxed);
  job.row->note_age(now - job.since);
}

// Many jobs a line, and so many lines: the log's queue is bounded, and what is said must be in it.
void Jobs::name_unfinished(Ms now, std::string_view how) {
  for (std::size_t begin = 0; begin < unfinished_.size(); begin += limits::jobs_named_per_line) {
    const std::size_t end = std::min(begin + limits::jobs_named_per_line, unfinished_.size());
    if (lines_ == limits::job_lines) {
      for (std::size_t i = begin; i < end; ++i)
        ++unnamed_[static_cast<std::size_t>(unfinished_[i]->row - table_.data())];
      continue;
    }
    ++lines_;
    try {
      std::string names;
      for (std::size_t i = begin; i < end; ++i) {
        const Job& job = *unfinished_[i];
        fmt::format_to(std::back_inserter(names), "{}{} ({} old)", i == begin ? "" : ", ", job.name,
                       format_duration(now - job.since));
      }
      log::warning("{} {} {}: {}", end - begin, end - begin == 1 ? "job" : "jobs", how, names);
    } catch (const std::bad_alloc&) {
      log::warning("{} jobs {}", end - begin, how);
    }
  }
  unfinished_.clear();
}

void Jobs::say_rest() noexcept {
  for (std::size_t row = 0; row < unnamed_.size(); ++row) {
    if (unnamed_[row] == 0) continue;
    const std::string_view name(table_[row].name.load(), table_[row].name_bytes);
    try {
      log::warning("{} more jobs unfinished at the deadline: {} (the oldest of all {} old)",
                   unnamed_[row], name, format_duration(table_[row].oldest_ms));
    } catch (const std::bad_alloc&) {
      log::count_dropped();
    }
  }
  unnamed_ = {};
}

std::size_t Jobs::bytes() const {
  const std::size_t listed = all_.capacity() + new_.capacity() + starting_.capacity() +
                             ended_.capacity() + finishing_.capacity() + unfinished_.capacity();
  return all_.size() * sizeof(Job) + listed * sizeof(Job*);
}

void Jobs::trim() {
  for (auto* list : {&new_, &starting_, &ended_, &finishing_, &unfinished_}) {
    if (all_.empty() && list->empty()) std::vector<Job*>().swap(*list);
  }
  if (all_.empty()) std::vector<std::unique_ptr<Job>>().swap(all_);
}

}  // namespace lastcall
