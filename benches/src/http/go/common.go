// What both Go servers share: the routes, and the questions of the benchmark on standard input (see process.rs).
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const hello = "Hello, World!"

const contentType = "text/plain; charset=utf-8"

// Sleeps as long as the query asks for; the answer's body, or none when the query is something else.
func sleep(query string) (string, bool) {
	text := strings.TrimPrefix(query, "us=")
	if text == query {
		return "", false
	}
	micros, err := strconv.Atoi(text)
	if err != nil || micros < 0 {
		return "", false
	}
	time.Sleep(time.Duration(micros) * time.Microsecond)
	return text, true
}

// Serves on a free port, writes its number, and answers each line with the CPU time used so far.
func run(lanes int, serve func(net.Listener) error) {
	runtime.GOMAXPROCS(lanes)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		fail(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() { fail(serve(listener)) }()
	questions := bufio.NewScanner(os.Stdin)
	for questions.Scan() {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			fail(err)
		}
		fmt.Println(micros(usage.Utime), micros(usage.Stime))
	}
}

func micros(t syscall.Timeval) int64 { return int64(t.Sec)*1000000 + int64(t.Usec) }

func fail(err error) {
	fmt.Fprintln(os.Stderr, "the Go server failed:", err)
	os.Exit(1)
}
