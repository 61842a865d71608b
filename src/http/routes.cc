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

void add(RouteGroup* group, Method method, std::string_view name, std::string_view path,
         Handler handler) {
  Router& router = open(group);
  Route route;
  route.method = method;
  route.method_name = name;
  route.path = group->prefix + std::string(path);
  route.handler = std::move(handler);
  router.add(std::move(route), group);
}

}  // namespace

void Routes::route(std::string_view method, std::string_view path, Handler handler) {
  if (const auto known = method_named(method)) {
    add(group_, *known, {}, path, std::move(handler));
  } else {
    add(group_, Method::other, method, path, std::move(handler));
  }
}

void Routes::route(Method method, std::string_view path, Handler handler) {
  add(group_, method, {}, path, std::move(handler));
}

void Routes::route(Method method, std::string_view path, Plain handler, void* state) {
  add(group_, method, {}, path, Handler(handler, state));
}

void Routes::route(Method method, std::string_view path, Waiting handler, void* state) {
  add(group_, method, {}, path, Handler(handler, state));
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
