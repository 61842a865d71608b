// Which handler answers which path. Filled before serving, read-only after.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <lastcall/handler.h>

namespace lastcall {

// What is allowed where a route takes every method, and for the server itself.
inline constexpr std::string_view all_methods = "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH";

struct Route {
  Method method = Method::any;
  std::string path;
  Plain plain = nullptr;
  Waiting waiting = nullptr;
  void* state = nullptr;
  bool probe = false;      // a health path: counted apart, and no arrival of work
  std::size_t number = 0;  // where it stands among all: set by `add`
};

class Router {
 public:
  // Exact paths; a route for GET also answers HEAD, unless that has its own. Throws
  // std::invalid_argument for a path that does not begin with '/', for a pair of method and path
  // that is there already, for a probe's path, and for TRACE and CONNECT, which no handler gets.
  void add(Route route);
  [[nodiscard]] const Route* find(Method method, std::string_view path) const;
  [[nodiscard]] const std::vector<Route>& all() const { return routes_; }
  // Something has this path, or it is `*`: the server itself.
  [[nodiscard]] bool knows(std::string_view path) const;
  // The value of Allow for a path that is known. OPTIONS is always answered; `Method::other` has
  // no name.
  [[nodiscard]] std::string allowed(std::string_view path) const;

 private:
  [[nodiscard]] std::vector<Route>::const_iterator first_of(std::string_view path) const;
  std::vector<Route> routes_;  // sorted by path
};

}  // namespace lastcall
