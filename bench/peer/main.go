// The peer: Go's net/http server, ended in one of the ways Go programs end.
//
//	exit       SIGTERM kills it, as it does any program that does not ask for the signal
//	shutdown   SIGTERM calls http.Server.Shutdown at once
//	delay      SIGTERM turns /readyz to 503, waits, then calls Shutdown
//	waitgroup  as delay, and after Shutdown it waits for the jobs of /incr
//
// It answers the routes that the harness asks of every server: GET / and POST /echo for the
// load, /slow, /readyz for the health check of the proxy in front, and with -counter also /incr, whose
// job outlives its request (jobs.go). Jobs are fire-and-forget in all modes but waitgroup. What only
// bench/throughput asks for is in contents.go.
package main

import (
	"context"
	"flag"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

const echoBytesMax = 1 << 20

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "the address to serve on")
	mode := flag.String("mode", "exit", "what SIGTERM does: exit, shutdown, delay or waitgroup")
	delay := flag.Duration("delay", 5*time.Second, "how long to wait before Shutdown")
	timeout := flag.Duration("timeout", 10*time.Second, "how long Shutdown and jobs may take")
	counter := flag.String("counter", "", "redis://HOST:PORT, where /incr counts")
	key := flag.String("counter-key", "counter", "the key in Redis")
	servedBy := flag.Bool("served-by", false, "answers name their host in X-Served-By")
	jobDelay := flag.Duration("job-delay", 5*time.Second, "how long a job of /incr takes")
	flag.Parse()

	var draining atomic.Bool
	mux := routes(&draining)
	nothing := func(context.Context) error { return nil }
	waitForJobs := nothing
	if *counter != "" {
		jobs, err := newJobs(*counter, *key, *jobDelay)
		if err != nil {
			log.Printf("peer: -counter %q: %v", *counter, err)
			os.Exit(2)
		}
		mux.HandleFunc("/incr", jobs.answer)
		waitForJobs = jobs.wait
	}
	server := &http.Server{Addr: *listen, Handler: mux}
	if *servedBy {
		server.Handler = sign(mux)
	}
	switch *mode {
	case "exit":
		log.Fatal(server.ListenAndServe())
	case "shutdown":
		serveUntilTerminated(server, &draining, 0, *timeout, nothing)
	case "delay":
		serveUntilTerminated(server, &draining, *delay, *timeout, nothing)
	case "waitgroup":
		serveUntilTerminated(server, &draining, *delay, *timeout, waitForJobs)
	default:
		log.Printf("peer: -mode %q: choose exit, shutdown, delay or waitgroup", *mode)
		os.Exit(2)
	}
}

func routes(draining *atomic.Bool) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "hello world")
	})
	mux.HandleFunc("/echo", echo)
	mux.HandleFunc("/slow", slow)
	addContents(mux)
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if draining.Load() {
			http.Error(w, "Not Ready", http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, "OK")
	})
	return mux
}

func sign(handler http.Handler) http.Handler {
	host, err := os.Hostname()
	if err != nil {
		log.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Served-By", host)
		handler.ServeHTTP(w, r)
	})
}

// slow answers ?ms= milliseconds later, as lastcall does.
func slow(w http.ResponseWriter, r *http.Request) {
	ms, err := strconv.Atoi(r.URL.Query().Get("ms"))
	if err != nil || ms < 0 {
		http.Error(w, "ms must be a whole number", http.StatusBadRequest)
		return
	}
	time.Sleep(time.Duration(ms) * time.Millisecond)
	io.WriteString(w, `{"message": "Hello, World!"}`)
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, echoBytesMax))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}

// serveUntilTerminated returns when Shutdown has: ListenAndServe returns earlier, as soon as
// the listener is closed, and a main that ends there cuts the requests still in flight.
func serveUntilTerminated(
	server *http.Server, draining *atomic.Bool, delay, timeout time.Duration,
	waitForJobs func(context.Context) error,
) {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()

	select {
	case err := <-failed:
		log.Fatal(err)
	case <-terminated:
	}
	draining.Store(true)
	time.Sleep(delay)
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	if err := waitForJobs(ctx); err != nil {
		log.Fatal(err)
	}
}
