#include "http/router.h"

#include <algorithm>
#include <stdexcept>

#include "base/check.h"
#include "base/token.h"

namespace lastcall {
namespace {

constexpr Method named_methods[] = {Method::get,     Method::head,    Method::post,  Method::put,
                                    Method::delete_, Method::options, Method::patch, Method::trace,
                                    Method::connect, Method::any};

[[noreturn]] void refuse(std::string_view why, std::string_view path) {
  throw std::invalid_argument(std::string(why).append(": ").append(path));
}

bool before(std::string_view a, std::string_view b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

bool is_parameter_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && std::all_of(name.begin(), name.end(), fits);
}

constexpr std::string_view rest_mark = "...";

// A segment in braces, without them; the whole path only for the message.
std::string_view parameter_of(std::string_view segment, std::string_view path) {
  if (!segment.starts_with('{') || !segment.ends_with('}'))
    refuse("a parameter is a whole segment of a path", path);
  return segment.substr(1, segment.size() - 2);
}

// Cuts the first segment off, and the slash before it.
std::string_view take_segment(std::string_view& rest) {
  DCHECK(rest.starts_with('/'));
  const std::string_view segment = rest.substr(1, rest.find('/', 1) - 1);
  rest.remove_prefix(1 + segment.size());
  return segment;
}

void add_parameter(Route& route, std::string_view name) {
  if (!is_parameter_name(name))
    refuse("a parameter's name is made of letters, digits and '_'", route.path);
  std::vector<std::string>& all = route.parameters;
  if (std::find(all.begin(), all.end(), name) != all.end())
    refuse("a path has two parameters of one name", route.path);
  if (all.size() == Request::parameters_max) refuse("a path has too many parameters", route.path);
  all.emplace_back(name);
}

void append(Hooks& to, const Hooks& from) {
  to.before.insert(to.before.end(), from.before.begin(), from.before.end());
  to.after.insert(to.after.end(), from.after.begin(), from.after.end());
}

const Hooks* hooks_of(const RouteGroup& group) { return group.all.empty() ? nullptr : &group.all; }

}  // namespace

std::optional<Method> method_named(std::string_view text) {
  for (const Method method : named_methods) {
    if (name(method) == text) return method;
  }
  return std::nullopt;
}

Router::Router() { groups_.push_back({.router = *this, .outer = nullptr, .prefix{}, .own{}}); }

// ---- before serving

RouteGroup& Router::add_group(const RouteGroup& outer, std::string_view prefix) {
  if (!prefix.starts_with('/') || prefix.ends_with('/'))
    refuse("a group's prefix begins with '/', and does not end with it", prefix);
  groups_.push_back(
      {.router = *this, .outer = &outer, .prefix = outer.prefix + std::string(prefix), .own{}});
  return groups_.back();
}

void Router::check(const Route& route) const {
  if (!route.path.starts_with('/')) refuse("a route's path begins with '/'", route.path);
  if (route.path.find_first_of("?#") != std::string::npos)
    refuse("a route has a path, and no query", route.path);
  if (route.method == Method::connect) refuse("no handler gets CONNECT", route.path);
  if (route.method_name.empty()) return;
  if (!is_token(route.method_name)) refuse("a method is a token", route.method_name);
  for (const Method method : named_methods) {
    if (same_token(name(method), route.method_name))
      refuse("methods are case-sensitive (RFC 9110 section 9.1)", route.method_name);
  }
}

Route& Router::add(Route route, const RouteGroup* group) {
  DCHECK(!sealed_);
  check(route);
  Place& place = place_of(route);
  const auto taken = [&](const Route* other) {
    return other->probe ||
           (other->method == route.method && other->method_name == route.method_name);
  };
  if (std::any_of(place.routes.begin(), place.routes.end(), taken))
    refuse("this path is taken", route.path);
  route.group = group == nullptr ? &root() : group;
  route.number = routes_.size();
  if (!route.method_name.empty()) method_names_.push_back(route.method_name);
  routes_.push_back(std::move(route));
  place.add(routes_.back());
  return routes_.back();
}

Router::Place& Router::place_of(Route& route) {
  if (route.path.find_first_of("{}") == std::string::npos) {
    auto at = std::lower_bound(
        literals_.begin(), literals_.end(), route.path,
        [](const Literal& each, std::string_view p) { return before(each.path, p); });
    if (at == literals_.end() || at->path != route.path) {
      at = literals_.insert(at, {.path = route.path, .place = {}});
      note_lengths();
    }
    return at->place;
  }
  Node* node = &patterns_;
  for (std::string_view rest = route.path; !rest.empty();) {
    const std::string_view segment = take_segment(rest);
    if (segment.find_first_of("{}") == std::string_view::npos) {
      const auto at = std::find_if(node->literals.begin(), node->literals.end(),
                                   [&](const auto& each) { return each.first == segment; });
      node = at != node->literals.end()
                 ? at->second.get()
                 : node->literals.emplace_back(segment, std::make_unique<Node>()).second.get();
      continue;
    }
    const std::string_view name = parameter_of(segment, route.path);
    if (name.ends_with(rest_mark)) {
      if (!rest.empty()) refuse("what stands for all the rest comes last", route.path);
      add_parameter(route, name.substr(0, name.size() - rest_mark.size()));
      return node->rest;
    }
    add_parameter(route, name);
    if (node->one == nullptr) node->one = std::make_unique<Node>();
    node = node->one.get();
  }
  return node->here;
}

void Router::note_lengths() {
  literals_from_.clear();
  for (std::size_t i = 0; i < literals_.size(); ++i)
    literals_from_.resize(std::max(literals_from_.size(), literals_[i].path.size() + 1), i);
  literals_from_.push_back(literals_.size());
}

// A HEAD may have what answers GET. TRACE is of use to attackers: only who names it gets it.
void Router::Place::add(const Route& route) {
  routes.push_back(&route);
  const auto of = [&](Method method) -> const Route*& {
    return by_method[static_cast<std::size_t>(method)];
  };
  if (route.method != Method::other) of(route.method) = &route;
  const auto own = [&](const Route* at, Method method) {
    return at != nullptr && at->method == method;
  };
  const Route* const any = of(Method::any);
  for (const Method method : named_methods) {
    const bool for_any = method != Method::trace && method != Method::connect;
    if (for_any && !own(of(method), method)) of(method) = any;
  }
  if (!own(of(Method::head), Method::head) && own(of(Method::get), Method::get))
    of(Method::head) = of(Method::get);
}

Route& Router::set_fallback(Handler handler, bool all) {
  DCHECK(!sealed_);
  if (fallback_ != nullptr) throw std::invalid_argument("there is a fallback already");
  Route& route = add_pathless("fallback", std::move(handler));
  fallback_ = &route;
  fallback_takes_all_ = all;
  return route;
}

void Router::set_raw(Handler handler) {
  DCHECK(!sealed_);
  if (raw_ != nullptr) throw std::invalid_argument("there is a handler of connections already");
  if (!handler.waits()) throw std::invalid_argument("what handles a connection is a coroutine");
  raw_ = &add_pathless("connection", std::move(handler));
}

Route& Router::add_pathless(std::string_view name, Handler handler) {
  Route& route = routes_.emplace_back();
  route.path = name;
  route.handler = std::move(handler);
  route.group = &root();
  route.number = routes_.size() - 1;
  return route;
}

void Router::seal() {
  if (std::exchange(sealed_, true)) return;
  for (RouteGroup& group : groups_) {
    Hooks& all = group.all;
    if (group.outer != nullptr) all.before = group.outer->all.before;
    append(all, group.own);
    if (group.outer != nullptr)
      all.after.insert(all.after.end(), group.outer->all.after.begin(),
                       group.outer->all.after.end());
    all.waits = std::any_of(all.before.begin(), all.before.end(),
                            [](const Before& hook) { return hook.waits(); });
  }
  for (Route& route : routes_) {
    if (!route.probe) route.hooks = hooks_of(*route.group);
  }
  nowhere_.hooks = hooks_of(root());
}

// ---- of each request

// A few routes at most. One that names its method goes before one for all others.
const Route* Router::Place::of_other(std::string_view method_name) const {
  const Route* unnamed = nullptr;
  for (const Route* route : routes) {
    if (route->method != Method::other) continue;
    if (route->method_name == method_name) return route;
    if (route->method_name.empty()) unnamed = route;
  }
  return unnamed != nullptr ? unnamed : by_method[static_cast<std::size_t>(Method::any)];
}

// Visits the places that fit, the most specific first, until one says that it will do. `rest`:
// what of the path is below `node`; `count`: what has been captured above.
template <class Visit>
bool Router::walk(const Node& node, std::string_view rest, Captured& captured, std::size_t count,
                  const Visit& visit) {
  if (rest.empty()) return !node.here.routes.empty() && visit(node.here, count);
  std::string_view below = rest;
  const std::string_view segment = take_segment(below);
  for (const auto& [text, child] : node.literals) {
    if (text == segment && walk(*child, below, captured, count, visit)) return true;
  }
  if (node.one != nullptr && !segment.empty()) {
    captured[count] = segment;
    if (walk(*node.one, below, captured, count + 1, visit)) return true;
  }
  if (node.rest.routes.empty()) return false;
  captured[count] = rest.substr(1);
  return visit(node.rest, count + 1);
}

template <class Visit>
void Router::each_place(std::string_view path, Captured& captured, const Visit& visit) const {
  const Place* const exact = literal(path);
  if (exact != nullptr && visit(*exact, std::size_t{0})) return;
  if (path.starts_with('/')) (void)walk(patterns_, path, captured, 0, visit);
}

Router::Found Router::find(Method method, std::string_view method_name, std::string_view path,
                           Captured& captured) const {
  Found found{.known = path == "*"};
  Captured of_known;  // of the most specific place, where none of them has the method
  each_place(path, captured, [&](const Place& place, std::size_t count) {
    const Route* const route = place.of(method, method_name);
    const Route& told = route != nullptr ? *route : *place.routes.front();
    if (route != nullptr || found.at == nullptr) {
      found.at = &told;
      found.captured = static_cast<std::uint8_t>(count);
      if (route == nullptr) of_known = captured;
    }
    found.known = true;
    found.answers = route != nullptr;
    return found.answers || told.probe;  // a probe shares its path with nobody
  });
  if (found.at != nullptr && !found.answers) captured = of_known;
  if (found.at != nullptr) return found;
  const bool others = fallback_takes_all_ || (!found.known && method != Method::trace);
  found.answers = fallback_ != nullptr && others;
  found.at = found.answers ? fallback_ : &nowhere_;
  return found;
}

Router::Found Router::find(const Request& request) const {
  Captured unused;
  return find(request.method(), request.method_name(), request.path(), unused);
}

std::string Router::allowed(std::string_view path) const {
  std::vector<Method> methods;
  std::vector<std::string_view> names;
  Captured unused;
  each_place(path, unused, [&](const Place& place, std::size_t) {
    for (const Route* route : place.routes) {
      if (route->method_name.empty()) methods.push_back(route->method);
      if (!route->method_name.empty()) names.push_back(route->method_name);
      if (route->method == Method::get) methods.push_back(Method::head);
    }
    return place.routes.front()->probe;
  });
  if (methods.empty() && names.empty()) return std::string(all_methods);
  const bool any = std::find(methods.begin(), methods.end(), Method::any) != methods.end();
  std::string list(any ? all_methods : std::string_view{});
  if (!any) {
    methods.push_back(Method::options);
    std::sort(methods.begin(), methods.end());
    methods.erase(std::unique(methods.begin(), methods.end()), methods.end());
  }
  const auto add = [&](std::string_view method) {
    list.append(list.empty() ? "" : ", ").append(method);
  };
  for (const Method method : methods) {
    if (!any && method != Method::other) add(name(method));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (const std::string_view each : names) add(each);
  return list;
}

}  // namespace lastcall
