package main

import (
	"net"
	"net/http"
	"os"
)

func main() {
	files := http.FileServer(http.Dir(os.Args[1]))
	run(2, func(listener net.Listener) error { return http.Serve(listener, files) })
}
