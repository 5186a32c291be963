package main

import (
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Kept from response to response, as everybody does who compresses in Go.
var writers = sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}

var bodies = map[string][]byte{}

func main() {
	files, err := os.ReadDir(os.Args[1])
	if err != nil {
		fail(err)
	}
	for _, file := range files {
		body, err := os.ReadFile(filepath.Join(os.Args[1], file.Name()))
		if err != nil {
			fail(err)
		}
		bodies["/"+file.Name()] = body
	}
	run(2, func(listener net.Listener) error { return http.Serve(listener, http.HandlerFunc(answer)) })
}

func answer(response http.ResponseWriter, request *http.Request) {
	body, ok := bodies[request.URL.Path]
	if !ok {
		http.NotFound(response, request)
		return
	}
	response.Header().Set("Content-Type", "application/json")
	response.Header().Set("Vary", "Accept-Encoding")
	if !strings.Contains(request.Header.Get("Accept-Encoding"), "gzip") {
		response.Write(body)
		return
	}
	response.Header().Set("Content-Encoding", "gzip")
	writer := writers.Get().(*gzip.Writer)
	writer.Reset(response)
	writer.Write(body)
	writer.Close()
	writers.Put(writer)
}
