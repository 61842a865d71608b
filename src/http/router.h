// Which handler answers which path. Filled before serving, read-only after.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <lastcall/handler.h>

namespace lastcall {

// What is allowed where a route takes every method.
inline constexpr std::string_view all_methods = "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH";

struct Route {
  Method method = Method::any;
  std::string path;
  Plain plain = nullptr;
  Waiting waiting = nullptr;
  void* state = nullptr;
  bool probe = false;  // a health path: counted apart, and no arrival of work
};

class Router {
 public:
  // Exact paths; a route for GET also answers HEAD. Throws std::invalid_argument for a path that
  // does not begin with '/', and for a pair of method and path that is there already.
  void add(Route route);
  [[nodiscard]] const Route* find(Method method, std::string_view path) const;
  // For 405: the methods of `path`, empty when there is no such path.
  [[nodiscard]] std::string allowed(std::string_view path) const;

 private:
  [[nodiscard]] std::vector<Route>::const_iterator first_of(std::string_view path) const;
  std::vector<Route> routes_;  // sorted by path
};

}  // namespace lastcall
