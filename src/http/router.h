// Which handler answers which method and path, and the hooks around it (lastcall/routes.h). Filled
// before serving, read-only after `seal`.
//
// Paths without parameters stand in a sorted table; those with parameters in a tree, a node a
// segment. A request walks down the tree at most once by each branch that fits, so the work is
// bounded by the routes there are, whatever the client asks for.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lastcall/routes.h>

#include "base/same_bytes.h"

namespace lastcall {

// The method of that name, as it is spelled; nothing for one that `Method` does not have. "*" is
// any.
[[nodiscard]] std::optional<Method> method_named(std::string_view name);

// What is allowed where a route takes every method, and for the server itself.
inline constexpr std::string_view all_methods = "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH";

// Of a group, with those of the groups around it, in the order in which they run.
struct Hooks {
  std::vector<Before> before;
  std::vector<After> after;
  bool waits = false;  // one of `before` does

  [[nodiscard]] bool empty() const { return before.empty() && after.empty(); }
};

class Router;

struct RouteGroup {
  Router& router;
  const RouteGroup* outer;
  std::string prefix;
  Hooks own;
  Hooks all{};  // set by `seal`
};

struct Route {
  Method method = Method::any;
  std::string path;  // as given, with the prefix of its group
  Handler handler;
  bool probe = false;         // a health path: counted apart, and no arrival of work
  std::string method_name{};  // of Method::other: exactly that one; empty: all others
  std::optional<std::size_t> body_bytes_max{};
  const Hooks* hooks{};  // null: none; set by `seal`; so below, by `add`
  const RouteGroup* group{};
  std::vector<std::string> parameters{};  // names, in the order of the path
  std::size_t number = 0;                 // where it stands among all

  [[nodiscard]] std::string_view method_text() const {
    return method_name.empty() ? name(method) : std::string_view(method_name);
  }
};

class Router {
 public:
  Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // Throws std::invalid_argument, as Routes::route says. `group`: null: the outermost.
  Route& add(Route route, const RouteGroup* group = nullptr);
  // Whatever has no path here. Throws std::invalid_argument the second time.
  // `all`: other methods, too, be they unknown, and `*`. Likewise.
  Route& set_fallback(Handler handler, bool all = false);
  // Whatever comes on a connection, which is not HTTP. Likewise.
  void set_raw(Handler handler);
  [[nodiscard]] const Route* raw() const { return raw_; }
  [[nodiscard]] bool takes_all() const { return fallback_takes_all_; }
  [[nodiscard]] RouteGroup& root() { return groups_.front(); }
  [[nodiscard]] RouteGroup& add_group(const RouteGroup& outer, std::string_view prefix);
  // Nothing is added any more: makes each route's hooks.
  void seal();
  [[nodiscard]] bool sealed() const { return sealed_; }

  struct Found {
    const Route* at = nullptr;  // one of the path, or one that stands for no path at all
    bool answers = false;       // and its handler does; else nobody answers this method
    bool known = false;         // something has this path, or it is `*`: the server itself
    std::uint8_t captured = 0;  // values of its parameters, as sent

    [[nodiscard]] const Route* route() const { return answers ? at : nullptr; }
    // Null: none. Where nobody answers, those of the path, or of all paths.
    [[nodiscard]] const Hooks* hooks() const { return at == nullptr ? nullptr : at->hooks; }
  };
  using Captured = std::array<std::string_view, Request::parameters_max>;
  // `method_name` matters for Method::other alone.
  [[nodiscard]] Found find(Method method, std::string_view method_name, std::string_view path,
                           Captured& captured) const;
  // That of a path without parameters, which most are; null: ask `find`.
  [[nodiscard]] const Route* find_literal(Method method, std::string_view method_name,
                                          std::string_view path) const {
    const Place* const place = literal(path);
    return place == nullptr ? nullptr : place->of(method, method_name);
  }
  [[nodiscard]] Found find(const Request& request) const;  // where nobody asks what was captured
  // The value of Allow for a path that is known. OPTIONS is always answered.
  [[nodiscard]] std::string allowed(std::string_view path) const;
  // By their number.
  [[nodiscard]] const std::deque<Route>& all() const { return routes_; }
  // Those of routes that no registry has: without a route for it a method is not implemented.
  [[nodiscard]] const std::vector<std::string>& method_names() const { return method_names_; }

 private:
  // All routes of one path, or of one pattern whatever its parameters are called.
  struct Place {
    std::vector<const Route*> routes;
    std::array<const Route*, static_cast<std::size_t>(Method::any) + 1> by_method{};

    [[nodiscard]] const Route* of(Method method, std::string_view method_name) const {
      const Route* const route = by_method[static_cast<std::size_t>(method)];
      return method == Method::other ? of_other(method_name) : route;
    }
    [[nodiscard]] const Route* of_other(std::string_view method_name) const;
    void add(const Route& route);
  };
  struct Literal {
    std::string path;
    Place place;
  };
  struct Node {
    std::vector<std::pair<std::string, std::unique_ptr<Node>>> literals;
    std::unique_ptr<Node> one;  // behind any one segment
    Place here;                 // of what ends here
    Place rest;                 // of what ends with all that is left
  };

  void check(const Route& route) const;
  [[nodiscard]] Route& add_pathless(std::string_view name, Handler handler);
  [[nodiscard]] Place& place_of(Route& route);
  void note_lengths();
  // Those of one length stand together, and are few.
  [[nodiscard]] const Place* literal(std::string_view path) const {
    if (path.size() + 1 >= literals_from_.size()) return nullptr;
    const std::size_t end = literals_from_[path.size() + 1];
    for (std::size_t i = literals_from_[path.size()]; i < end; ++i) {
      if (same_bytes(literals_[i].path.data(), path.data(), path.size()))
        return &literals_[i].place;
    }
    return nullptr;
  }
  template <class Visit>
  static bool walk(const Node& node, std::string_view rest, Captured& captured, std::size_t count,
                   const Visit& visit);
  template <class Visit>
  void each_place(std::string_view path, Captured& captured, const Visit& visit) const;

  std::deque<RouteGroup> groups_;  // an outer one before those within it
  std::deque<Route> routes_;
  std::vector<Literal> literals_;           // by length, then text
  std::vector<std::size_t> literals_from_;  // of a length: where those of at least that begin
  Node patterns_;
  std::vector<std::string> method_names_;
  const Route* fallback_ = nullptr;
  bool fallback_takes_all_ = false;
  const Route* raw_ = nullptr;
  Route nowhere_;  // where nothing has the path
  bool sealed_ = false;
};

}  // namespace lastcall
