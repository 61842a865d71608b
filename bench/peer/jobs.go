package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// jobs is the work behind /incr, which goes on after the answer: slow, then 1 to a counter in
// Redis. The client has its defaults, and so tries again when a connection broke, whether Redis
// had counted by then or not.
type jobs struct {
	client  *redis.Client
	key     string
	delay   time.Duration
	pending sync.WaitGroup
}

func newJobs(url, key string, delay time.Duration) (*jobs, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	return &jobs{client: redis.NewClient(options), key: key, delay: delay}, nil
}

func (j *jobs) answer(w http.ResponseWriter, _ *http.Request) {
	j.pending.Add(1)
	go j.run()
	io.WriteString(w, "accepted")
}

func (j *jobs) run() {
	defer j.pending.Done()
	time.Sleep(j.delay)
	if err := j.client.Incr(context.Background(), j.key).Err(); err != nil {
		log.Printf("job failed: %v", err)
	}
}

// wait returns when no job is pending, at the latest when ctx ends. No handler may be running:
// one more job could begin.
func (j *jobs) wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		j.pending.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.New("jobs are pending at the deadline")
	}
}
