// A REST service on PostgreSQL: notes, by libpq, without a thread beside the workers.
//   g++ notes.cc -o notes $(pkg-config --cflags --libs lastcall libpq)
//   PGHOST=/run/postgresql PGDATABASE=notes ./notes --listen 127.0.0.1:8080
// It needs a database of that name, a role of yours, and CREATE TABLE note (id bigserial PRIMARY
// KEY, text text NOT NULL)
#include <lastcall/latch.h>
#include <lastcall/server.h>
#include <libpq-fe.h>

#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using lastcall::Request;
using lastcall::Response;
using lastcall::Task;

namespace {

struct Freeing {
  void operator()(PGconn* connection) const { PQfinish(connection); }
  void operator()(PGresult* result) const { PQclear(result); }
};
using Connection = std::unique_ptr<PGconn, Freeing>;
using Result = std::unique_ptr<PGresult, Freeing>;

constexpr std::chrono::seconds patience(5);

struct Silent : std::runtime_error {
  Silent() : runtime_error("PostgreSQL does not answer") {}
};

void require(bool well, PGconn* connection) {
  if (!well) throw std::runtime_error(PQerrorMessage(connection));
}

Task<Connection> connect() {
  Connection connection(PQconnectStart(""));  // PGHOST and its kin say where
  if (connection == nullptr) throw std::bad_alloc();
  auto state = PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED) {
    const int fd = PQsocket(connection.get());
    require(fd >= 0, connection.get());
    const bool ready = state == PGRES_POLLING_READING ? co_await lastcall::readable(fd, patience)
                                                      : co_await lastcall::writable(fd, patience);
    if (!ready) throw Silent();
    state = PQconnectPoll(connection.get());
  }
  require(state == PGRES_POLLING_OK, connection.get());
  PQsetnonblocking(connection.get(), 1);
  co_return connection;
}

Task<Result> ask(PGconn* connection, const char* sql, const char* value) {
  const int values = value == nullptr ? 0 : 1;
  require(PQsendQueryParams(connection, sql, values, nullptr, &value, nullptr, nullptr, 0) == 1,
          connection);
  while (const int left = PQflush(connection)) {
    require(left > 0, connection);
    if (!co_await lastcall::writable(PQsocket(connection), patience)) throw Silent();
  }
  Result result;
  for (Result more;;) {
    while (PQisBusy(connection) != 0) {  // else PQgetResult would block
      if (!co_await lastcall::readable(PQsocket(connection), patience)) throw Silent();
      require(PQconsumeInput(connection) == 1, connection);
    }
    more.reset(PQgetResult(connection));
    if (more == nullptr) break;
    result = std::move(more);
  }
  const auto status = PQresultStatus(result.get());
  require(status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK, connection);
  co_return result;
}

// The connections of one worker: each serves one query after the other.
class Database {
 public:
  Task<Result> query(const char* sql, const char* value = nullptr) {
    Place& place = places_[next_++ % places_.size()];
    const auto turn = co_await place.mutex.lock();
    // It goes back when all went well: one that is in the middle of something serves no other.
    Connection connection = std::move(place.connection);
    if (connection == nullptr) connection = co_await connect();
    Result result = co_await ask(connection.get(), sql, value);
    place.connection = std::move(connection);
    co_return result;
  }

 private:
  struct Place {
    lastcall::Mutex mutex;
    Connection connection;
  };
  std::array<Place, 4> places_;
  std::size_t next_ = 0;
};

// Digits, as the database gives them; no other text stands for a note.
std::string id_of(const Request& request) {
  const std::string_view id = request.param("id");
  return std::string(id.find_first_not_of("0123456789") == std::string_view::npos ? id : "");
}

}  // namespace

int main(int count, char** arguments) {
  lastcall::block_signals();
  std::vector<std::unique_ptr<Database>> databases(lastcall::workers_max);
  const auto here = [&]() -> Database& { return *databases[lastcall::this_worker()]; };

  lastcall::Server server(lastcall::Options::from(count, arguments));
  server.on_start([&]() -> Task<> {
    databases[lastcall::this_worker()] = std::make_unique<Database>();
    (void)co_await here().query("SELECT count(*) FROM note");  // no database, no readiness
  });
  server.route("POST", "/notes", [&](Request& request, Response& response) -> Task<> {
    const std::string text(co_await request.read_all());
    if (text.find('\0') != std::string::npos) {  // which no text of PostgreSQL has
      response.status(400).body("a note is text\n");
      co_return;
    }
    const Result row =
        co_await here().query("INSERT INTO note (text) VALUES ($1) RETURNING id", text.c_str());
    const std::string id = PQgetvalue(row.get(), 0, 0);
    response.status(201).field("Location", "/notes/" + id).body(id);
  });
  server.route("GET", "/notes/{id}", [&](Request& request, Response& response) -> Task<> {
    const std::string id = id_of(request);
    const Result row =
        co_await here().query("SELECT text FROM note WHERE id::text = $1", id.c_str());
    if (PQntuples(row.get()) == 0) {
      response.status(404).body("no such note\n");
    } else {
      response.body(PQgetvalue(row.get(), 0, 0));
    }
  });
  server.route("DELETE", "/notes/{id}", [&](Request& request, Response& response) -> Task<> {
    const std::string id = id_of(request);
    const Result row = co_await here().query("DELETE FROM note WHERE id::text = $1", id.c_str());
    response.status(*PQcmdTuples(row.get()) == '0' ? 404 : 204);
  });
  return server.run();
}
