package main

import (
	"io"
	"net"
	"net/http"
)

func main() {
	run(2, func(listener net.Listener) error { return http.Serve(listener, http.HandlerFunc(answer)) })
}

func answer(response http.ResponseWriter, request *http.Request) {
	response.Header().Set("Content-Type", contentType)
	switch request.URL.Path {
	case "/":
		io.WriteString(response, hello)
	case "/sleep":
		body, ok := sleep(request.URL.RawQuery)
		if !ok {
			http.Error(response, "the query is not us=N", 400)
			return
		}
		io.WriteString(response, body)
	default:
		http.NotFound(response, request)
	}
}
