package main

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
)

// addContents adds what bench/throughput asks of every server: contents of fixed sizes, and a place
// where uploads end.
func addContents(mux *http.ServeMux) {
	filling := bytes.Repeat([]byte("x"), 1_000_000)
	sizes := map[string]int{"/16k": 16 << 10, "/64k": 64 << 10, "/1m": len(filling)}
	for path, size := range sizes {
		content := filling[:size]
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(size))
			w.Write(content)
		})
	}
	mux.HandleFunc("POST /upload", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		io.WriteString(w, "hello world")
	})
}
