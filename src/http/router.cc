#include "http/router.h"

#include <algorithm>
#include <stdexcept>

namespace lastcall {

void Router::add(Route route) {
  if (!route.path.starts_with('/')) throw std::invalid_argument("a route's path begins with '/'");
  auto at = first_of(route.path);
  for (; at != routes_.end() && at->path == route.path; ++at) {
    if (at->method == route.method)
      throw std::invalid_argument("a route for this method and path is there already: " +
                                  route.path);
  }
  routes_.insert(at, std::move(route));
}

std::vector<Route>::const_iterator Router::first_of(std::string_view path) const {
  return std::lower_bound(routes_.begin(), routes_.end(), path,
                          [](const Route& route, std::string_view p) { return route.path < p; });
}

// A few dozen routes at most: comparing lengths beats searching in order.
const Route* Router::find(Method method, std::string_view path) const {
  const Method wanted = method == Method::head ? Method::get : method;
  const Route* any = nullptr;
  for (const Route& route : routes_) {
    if (route.path.size() != path.size() || route.path != path) continue;
    if (route.method == wanted || route.method == method) return &route;
    if (route.method == Method::any) any = &route;
  }
  return any;
}

std::string Router::allowed(std::string_view path) const {
  std::string methods;
  const auto append = [&](std::string_view method) {
    if (!methods.empty()) methods += ", ";
    methods += method;
  };
  for (auto it = first_of(path); it != routes_.end() && it->path == path; ++it) {
    if (it->method == Method::any) return std::string(all_methods);
    append(name(it->method));
    if (it->method == Method::get) append(name(Method::head));
  }
  return methods;
}

}  // namespace lastcall
