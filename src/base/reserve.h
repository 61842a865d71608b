// Memory for what is to come, asked for before: so that a list cannot fail where nothing may.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace lastcall {

// Room for `size` elements in all. Throws std::bad_alloc, and has changed nothing.
template <class T>
void reserve_for(std::vector<T>& list, std::size_t size) {
  if (list.capacity() < size) list.reserve(std::max(size, 2 * list.capacity()));
}

}  // namespace lastcall
