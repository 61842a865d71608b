// Single operations of the ring that something awaits: a connect, a send, a write to a file. Each
// has a slot here, a deadline if it wants one, and is counted in Io like every other operation.
//
// Invariants
//  1. A slot is in use exactly while its operation is outstanding, and `keep`, the memory and the
//     descriptor that the operation names, lives as long.
//  2. `done` is called once, with the operation's own result, unless its owner forgot it.
//  3. A cancelled operation that succeeded all the same reports its success: what has happened is
//     not denied.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/timers.h"
#include "io/io.h"

namespace lastcall {

class Operations {
 public:
  using Done = void (*)(void* owner, int result) noexcept;

  Operations(Io& io, TimerWheel& timers) : io_(io), timers_(timers) {}
  Operations(const Operations&) = delete;
  Operations& operator=(const Operations&) = delete;

  // A ticket for the one submit, on `fd`, that must follow at once. At `deadline` the operation is
  // cancelled and reports -ETIMEDOUT.
  [[nodiscard]] Ticket begin(int fd, Done done, void* owner, Ms deadline,
                             std::shared_ptr<void> keep);
  // The owner goes: the operation is cancelled, and `done` is not called.
  void forget(Ticket ticket);
  // The drain's deadline: all are cancelled, and `canceled` is true from here on.
  void cancel_all();
  [[nodiscard]] bool canceled() const { return canceled_; }
  // All that was cancelled has ended, and something more is to be done.
  void go_on() { canceled_ = false; }

  void on_awaited(const Completion& completion);
  [[nodiscard]] std::size_t outstanding() const { return slots_.size() - free_.size(); }

 private:
  struct Slot {
    Slot(Operations& operations, std::uint32_t at)
        : all(operations), index(at), deadline(&Operations::on_deadline, this) {}
    [[nodiscard]] Ticket ticket() const { return {Kind::awaited, index, generation}; }

    Operations& all;
    const std::uint32_t index;
    std::uint32_t generation = 0;
    bool in_use = false;
    bool timed_out = false;
    bool canceling = false;
    int fd = -1;
    Done done = nullptr;  // null: forgotten
    void* owner = nullptr;
    std::shared_ptr<void> keep;
    Timer deadline;  // then, when its cancel should have done its work
  };

  Slot& slot_of(Ticket ticket);
  void cancel(Slot& slot);
  static void on_deadline(void* slot) noexcept;

  Io& io_;
  TimerWheel& timers_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<std::uint32_t> free_;
  bool canceled_ = false;
};

}  // namespace lastcall
