#include "http/router.h"

#include <algorithm>
#include <stdexcept>

namespace lastcall {

void Router::add(Route route) {
  if (!route.path.starts_with('/')) throw std::invalid_argument("a route's path begins with '/'");
  if (route.method == Method::trace || route.method == Method::connect)
    throw std::invalid_argument("no handler gets TRACE or CONNECT: " + route.path);
  auto at = first_of(route.path);
  for (; at != routes_.end() && at->path == route.path; ++at) {
    if (at->method == route.method || at->probe)
      throw std::invalid_argument("this path is taken: " + route.path);
  }
  routes_.insert(at, std::move(route));
  for (std::size_t i = 0; i < routes_.size(); ++i) routes_[i].number = i;
}

std::vector<Route>::const_iterator Router::first_of(std::string_view path) const {
  return std::lower_bound(routes_.begin(), routes_.end(), path,
                          [](const Route& route, std::string_view p) { return route.path < p; });
}

// A few dozen routes at most: comparing lengths beats searching in order.
const Route* Router::find(Method method, std::string_view path) const {
  const Route* of_get = nullptr;  // which a HEAD may have
  const Route* any = nullptr;
  if (method == Method::trace) return nullptr;  // of no use to anybody but an attacker
  for (const Route& route : routes_) {
    if (route.path.size() != path.size() || route.path != path) continue;
    if (route.method == method) return &route;
    if (route.method == Method::get) of_get = &route;
    if (route.method == Method::any) any = &route;
  }
  return method == Method::head && of_get != nullptr ? of_get : any;
}

bool Router::knows(std::string_view path) const {
  const auto at = first_of(path);
  return path == "*" || (at != routes_.end() && at->path == path);
}

std::string Router::allowed(std::string_view path) const {
  std::vector<Method> methods;
  for (auto it = first_of(path); it != routes_.end() && it->path == path; ++it) {
    methods.push_back(it->method);
    if (it->method == Method::get) methods.push_back(Method::head);
  }
  if (methods.empty() || std::find(methods.begin(), methods.end(), Method::any) != methods.end())
    return std::string(all_methods);
  methods.push_back(Method::options);
  std::sort(methods.begin(), methods.end());
  methods.erase(std::unique(methods.begin(), methods.end()), methods.end());
  std::string list;
  for (const Method method : methods) {
    if (method == Method::other) continue;
    list.append(list.empty() ? "" : ", ").append(name(method));
  }
  return list;
}

}  // namespace lastcall
