// Records what Go's fasthttp answers to the inputs in `inputs.txt`, for the test `qua_02` (`tests/it/http_differential.rs`).
//
// inputs.txt is not kept. How to run it, with Debian's packages golang-go and golang-github-valyala-fasthttp-dev:
//
//	UPDATE_DIFFERENTIAL=1 cargo test -p anthill-tests --test it qua_02        # writes inputs.txt
//	cd tests/differential
//	GO111MODULE=off GOPATH=/usr/share/gocode go run recorder.go < inputs.txt > fasthttp.txt   # and its first line again
//
// A line of the input is a label, a tab, and bytes as a Go string without its quotes. A line of the output is the label, a
// tab, the requests that the handler saw, a tab, and the status codes that were sent, but for those below 200.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// A connection on which all was sent that will be.
type conn struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (c *conn) Read(b []byte) (int, error)         { return c.in.Read(b) }
func (c *conn) Write(b []byte) (int, error)        { return c.out.Write(b) }
func (c *conn) Close() error                       { return nil }
func (c *conn) LocalAddr() net.Addr                { return &net.TCPAddr{} }
func (c *conn) RemoteAddr() net.Addr               { return &net.TCPAddr{} }
func (c *conn) SetDeadline(t time.Time) error      { return nil }
func (c *conn) SetReadDeadline(t time.Time) error  { return nil }
func (c *conn) SetWriteDeadline(t time.Time) error { return nil }

type silent struct{}

func (silent) Printf(format string, args ...interface{}) {}

// A status line of a response; bodies have none in them.
var statusLine = regexp.MustCompile(`HTTP/1\.1 ([0-9]{3})`)

// The bytes as they may stand in a line: what is not visible ASCII, a backslash or a quote, as an escape.
func escaped(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		if c > ' ' && c <= '~' && c != '\\' && c != '|' {
			s.WriteByte(c)
		} else {
			fmt.Fprintf(&s, `\x%02x`, c)
		}
	}
	return s.String()
}

func serve(input []byte) (seen []string, statuses []string) {
	defer func() {
		// A panic of the server's would end the process, with every connection it has.
		if recover() != nil {
			statuses = append(statuses, "panic")
		}
	}()
	c := &conn{in: bytes.NewReader(input)}
	server := &fasthttp.Server{
		Handler: func(ctx *fasthttp.RequestCtx) {
			seen = append(seen, fmt.Sprintf("%s %s %s %s", escaped(ctx.Method()), escaped(ctx.RequestURI()),
				escaped(ctx.Host()), escaped(ctx.PostBody())))
		},
		ReadBufferSize:        2048,
		NoDefaultServerHeader: true,
		Logger:                silent{},
	}
	_ = server.ServeConn(c)
	for _, status := range statusLine.FindAllSubmatch(c.out.Bytes(), -1) {
		if status[1][0] != '1' {
			statuses = append(statuses, string(status[1]))
		}
	}
	return
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			return
		}
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 2)
		input, err := strconv.Unquote(`"` + parts[1] + `"`)
		if err != nil {
			log.Fatalf("%s: %v", parts[0], err)
		}
		seen, statuses := serve([]byte(input))
		fmt.Fprintf(out, "%s\t%s\t%s\n", parts[0], strings.Join(seen, "|"), strings.Join(statuses, " "))
	}
}
