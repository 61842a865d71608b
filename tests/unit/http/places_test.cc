#include "http/places.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "stage.h"

using namespace lastcall;

namespace {

struct Line : Stage {
  explicit Line(std::size_t most) { places.bound(most); }
  ~Line() { guests.clear(); }  // before the places

  struct Guest {
    Places::Held held;
    bool asked = false;
    Root root;
  };
  static Task<> comes(Places* places, Guest* guest, Ms limit) {
    guest->held = co_await places->take(limit);
    guest->asked = true;
  }
  Guest& come(Ms limit = 1000) {
    guests.push_back(std::make_unique<Guest>());
    guests.back()->root.start(comes(&places, guests.back().get(), limit));
    return *guests.back();
  }
  void leave(Guest& guest) {
    guest.held = {};
    turn();
  }
  std::string inside() {
    std::string all;
    for (const auto& guest : guests) all += guest->held ? "in " : guest->asked ? "gone " : "waits ";
    return all;
  }

  Places places;
  std::vector<std::unique_ptr<Guest>> guests;
};

}  // namespace

TEST_CASE("so many at once, and who waits has the next place in order") {
  Line line(2);
  Line::Guest& first = line.come();
  line.come();
  line.come();
  line.come();
  CHECK(line.inside() == "in in waits waits ");
  line.leave(first);
  CHECK(line.inside() == "gone in in waits ");
  CHECK(line.places.taken() == 2);
  CHECK(line.places.waiting() == 1);
}

TEST_CASE("who has waited for long enough gets none, and those behind keep their order") {
  Line line(1);
  Line::Guest& first = line.come();
  line.come(100);
  line.come(1000);
  line.pass(104);
  CHECK(line.inside() == "in gone waits ");
  line.leave(first);
  CHECK(line.inside() == "gone gone in ");
}

TEST_CASE("a place that was given to somebody who has gone since goes to the next") {
  Line line(1);
  Line::Guest& first = line.come();
  Line::Guest& second = line.come();
  line.come();
  first.held = {};           // is the second's now, who has not run yet,
  second.root.task.reset();  // and never will
  line.turn();
  CHECK(line.inside() == "gone waits in ");
  CHECK(line.places.taken() == 1);
}

TEST_CASE("nobody comes before those who wait") {
  Line line(1);
  Line::Guest& first = line.come();
  line.come();
  first.held = {};
  line.come();
  line.turn();
  CHECK(line.inside() == "gone in waits ");
}

TEST_CASE("without a bound nobody waits") {
  Line line(0);
  for (int i = 0; i < 100; ++i) line.come();
  CHECK(line.places.taken() == 100);
  CHECK(line.places.waiting() == 0);
}
