#include <lastcall/routes.h>

#include <string>
#include <utility>

#include "base/check.h"
#include "http/router.h"

namespace lastcall {
namespace {

Router& open(RouteGroup* group) {
  CHECK(!group->router.sealed() && "routes and hooks are added before `run`");
  return group->router;
}

Route& add(RouteGroup* group, Method method, std::string_view name, std::string_view path,
           Handler handler) {
  Router& router = open(group);
  Route route;
  route.method = method;
  route.method_name = name;
  route.path = group->prefix + std::string(path);
  route.handler = std::move(handler);
  return router.add(std::move(route), group);
}

}  // namespace

RouteOptions& RouteOptions::max_body_bytes(std::size_t bytes) {
  route_->body_bytes_max = bytes;
  return *this;
}

RouteOptions Routes::route(std::string_view method, std::string_view path, Handler handler) {
  if (const auto known = method_named(method)) {
    return RouteOptions(add(group_, *known, {}, path, std::move(handler)));
  }
  return RouteOptions(add(group_, Method::other, method, path, std::move(handler)));
}

RouteOptions Routes::route(Method method, std::string_view path, Handler handler) {
  return RouteOptions(add(group_, method, {}, path, std::move(handler)));
}

RouteOptions Routes::route(Method method, std::string_view path, Plain handler, void* state) {
  return RouteOptions(add(group_, method, {}, path, Handler(handler, state)));
}

RouteOptions Routes::route(Method method, std::string_view path, Waiting handler, void* state) {
  return RouteOptions(add(group_, method, {}, path, Handler(handler, state)));
}

void Routes::before(Before hook) {
  (void)open(group_);
  group_->own.before.push_back(std::move(hook));
}

void Routes::after(After hook) {
  (void)open(group_);
  group_->own.after.push_back(std::move(hook));
}

Routes Routes::group(std::string_view prefix) {
  return Routes(&open(group_).add_group(*group_, prefix));
}

}  // namespace lastcall
