// So many at once, and whoever comes later waits in line, for so long.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <lastcall/woken.h>

#include "base/timers.h"

namespace lastcall {

class Places {
 public:
  // One place, as long as this lives.
  class Held {
   public:
    Held() = default;
    explicit Held(Places& places) : places_(&places) {}
    Held(Held&& other) noexcept : places_(std::exchange(other.places_, nullptr)) {}
    Held& operator=(Held&& other) noexcept {
      std::swap(places_, other.places_);
      return *this;
    }
    ~Held() {
      if (places_ != nullptr) places_->give_back();
    }
    explicit operator bool() const { return places_ != nullptr; }

   private:
    Places* places_ = nullptr;
  };

  // `co_await places.take(limit)`: none when the time is up before.
  class [[nodiscard]] Take {
   public:
    Take(Places& places, Ms limit) : places_(places), limit_(limit) {}
    Take(const Take&) = delete;
    Take& operator=(const Take&) = delete;
    ~Take();
    [[nodiscard]] bool await_ready();
    void await_suspend(std::coroutine_handle<> waiter);
    [[nodiscard]] Held await_resume();

   private:
    friend class Places;
    static void on_timer(void* take) noexcept;
    void leave();

    Places& places_;
    const Ms limit_;
    detail::Woken woken_;
    Timer timer_{&Take::on_timer, this};
    Take* next_ = nullptr;
    Take* previous_ = nullptr;
    bool waits_ = false;
    bool has_ = false;
  };

  void bound(std::size_t most) { most_ = most; }  // 0: without
  [[nodiscard]] Take take(Ms limit) { return {*this, limit}; }
  // With so many beside those that are taken, are they more than there may be?
  [[nodiscard]] bool crowded(std::size_t others) const {
    return most_ != 0 && others > 0 && taken_ + others > most_;
  }
  [[nodiscard]] std::size_t taken() const { return taken_; }
  [[nodiscard]] std::size_t waiting() const { return waiting_; }

 private:
  void give_back();

  std::size_t most_ = 0;
  std::size_t taken_ = 0;
  std::size_t waiting_ = 0;
  Take* first_ = nullptr;  // the longest waiting
  Take* last_ = nullptr;
};

}  // namespace lastcall
