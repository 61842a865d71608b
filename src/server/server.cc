#include <lastcall/server.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <new>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include <lastcall/log.h>

#include "base/check.h"
#include "base/log.h"
#include "base/slice.h"
#include "server/audit.h"
#include "server/last_words.h"
#include "server/server_impl.h"
#include "server/signals.h"
#include "server/worker.h"

namespace lastcall {

Server::Server(Options options) : Server(new Impl(std::move(options))) {}
Server::Server(Impl* impl) : Routes(&impl->router.root()), impl_(impl) {}
// By exit() while it runs: its threads, which stand still, need what they have.
Server::~Server() {
  if (impl_->runs) {
    CHECK(last_words_claimed() && "a server is destroyed when `run` has returned");
    return;
  }
  delete impl_;
}

void Server::fallback(Handler handler) {
  CHECK(!impl_->has_run && "the fallback is set before `run`");
  impl_->router.set_fallback(std::move(handler));
}

RouteOptions Server::every(Handler handler) {
  CHECK(!impl_->has_run && "the handler is set before `run`");
  return RouteOptions(impl_->router.set_fallback(std::move(handler), true));
}

void Server::on_connection(Handler handler) {
  CHECK(!impl_->has_run && "the handler is set before `run`");
  impl_->router.set_raw(std::move(handler));
}

void Server::on_error(After hook) {
  CHECK(!impl_->has_run && "the hook is set before `run`");
  impl_->on_error = std::move(hook);
}

void Server::set_on_start(detail::Callable<Task<>()> work) {
  CHECK(!impl_->has_run && "the hook is set before `run`");
  impl_->on_start = std::move(work);
}

void Server::set_on_drain(detail::Callable<void()> hook) {
  CHECK(!impl_->has_run && "the hook is set before `run`");
  impl_->on_drain = std::move(hook);
}

void Server::set_on_drained(detail::Callable<Task<>()> work) {
  CHECK(!impl_->has_run && "the hook is set before `run`");
  impl_->on_drained = std::move(work);
}

void Server::set_on_signal(int signal, detail::Callable<void()> hook) {
  CHECK(!impl_->has_run && "the hook is set before `run`");
  if (!may_be_hooked(signal))
    throw std::invalid_argument("this signal is the server's, or the kernel's");
  if (signal == SIGHUP) give_hangup_away(impl_->signal_fd);
  impl_->signal_hooks.push_back({signal, std::move(hook)});
}

void Server::set_on_liveness(detail::Callable<bool()> question) {
  CHECK(!impl_->has_run && "the hook is set before `run`");
  impl_->health.also_alive = std::move(question);
}

void Server::exit_with(int code) noexcept { impl_->program_report.exit_code = code; }

void Server::add_metric(std::string name, std::string help, bool counts, Number value) {
  CHECK(!impl_->has_run && "what is told is said before `run`");
  const MetricKind kind = counts ? MetricKind::counter : MetricKind::gauge;
  impl_->program_report.metrics.push_back(
      {std::move(name), std::move(help), kind, std::move(value)});
}

void Server::add_to_audit(std::string name, Number value) {
  CHECK(!impl_->has_run && "what is told is said before `run`");
  impl_->program_report.audit.push_back({std::move(name), {}, MetricKind::gauge, std::move(value)});
}

std::uint16_t Server::port() const noexcept { return impl_->port; }

void Server::stop() noexcept {
  int unasked = Impl::unasked;
  impl_->stop_asked.compare_exchange_strong(unasked, Impl::with_window);
  impl_->pass_stop_on();
}

void Server::stop_at_once() noexcept {
  impl_->stop_asked = Impl::at_once;
  impl_->pass_stop_on();
}

int Server::run() {
  static std::atomic<bool> one_has_run{false};
  CHECK(!one_has_run.exchange(true) && "a server runs, and once in a process");
  impl_->has_run = impl_->runs = true;
  impl_->router.seal();
  impl_->admin_router.seal();
  try {
    if (const std::optional<int> code = impl_->start()) {
      impl_->runs = false;
      return *code;
    }
  } catch (const std::bad_alloc&) {
    end_without_memory();
  }
  impl_->serve_on(0, *impl_->main_worker);
  for (std::thread& thread : impl_->threads) thread.join();
  impl_->main_worker.reset();
  const int code = impl_->finish();
  impl_->runs = false;
  return code;
}

// ---- the parts of `run`, in its order

void Server::Impl::serve_on(unsigned index, Worker& worker) noexcept {
  ask_for_short_slices();
  const LastStack stack;
  const bool leader = index == 0;
  worker.start(leader ? admin_fd : -1, leader ? signal_fd : -1);
  worker.run();
}

int Server::Impl::finish() {
  process->end();
  claim_last_words();
  const int code = exit_code(*process);
  decide_last_words(code);
  Audit audit;
  make_audit(*process, audit);
  log::write_last(log::Level::info, audit.plain_text(), audit.json_text());
  write_termination_log(options.termination_log.c_str(), audit.json_text());
  disarm_watchdog();
  // Whoever reads stderr slowly has until the grace period is nearly over; not who is in a hurry.
  const Ms asked_at = process->deadlines().signaled_at - options.pre_stop.count();
  const Ms until = asked_at + options.grace_period.count() - limits::log_flush_margin_ms;
  const Ms left = process->forced() ? 0 : until - monotonic_ms();
  log::flush(std::max(limits::log_flush_ms, left));
  end_last_words();
  return code;
}

}  // namespace lastcall
