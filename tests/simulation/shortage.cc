#include "shortage.h"

#include <cstdlib>
#include <new>

#include "io/simulated.h"

// The linker sends every call of malloc here (meson.build: --wrap).
extern "C" {
void* __real_malloc(std::size_t bytes);
void* __real_realloc(void* memory, std::size_t bytes);
}

namespace lastcall::sim {
namespace {

Random random_of_failures(1);
double probability_of_failure = 0;
std::uint64_t failed = 0;

bool fails() {
  if (!allocations_may_fail || !random_of_failures.chance(probability_of_failure)) return false;
  ++failed;
  return true;
}

}  // namespace

void Shortage::begin(std::uint64_t seed, double probability) {
  random_of_failures = Random(seed);
  probability_of_failure = probability;
  failed = 0;
}

std::uint64_t Shortage::failures() { return failed; }

}  // namespace lastcall::sim

extern "C" {
void* __wrap_malloc(std::size_t bytes) {
  return lastcall::sim::fails() ? nullptr : __real_malloc(bytes);
}
void* __wrap_realloc(void* memory, std::size_t bytes) {
  return lastcall::sim::fails() ? nullptr : __real_realloc(memory, bytes);
}
}

// Each form by itself: a sanitizer has its own of those that are left out.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return lastcall::sim::fails() ? nullptr : __real_malloc(bytes == 0 ? 1 : bytes);
}
void* operator new[](std::size_t bytes, const std::nothrow_t& nothrow) noexcept {
  return operator new(bytes, nothrow);
}
void* operator new(std::size_t bytes) {
  void* const memory = operator new(bytes, std::nothrow);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void* operator new[](std::size_t bytes) { return operator new(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
