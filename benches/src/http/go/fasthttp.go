package main

import (
	"net"

	"github.com/valyala/fasthttp"
)

func main() {
	run(2, func(listener net.Listener) error { return fasthttp.Serve(listener, answer) })
}

func answer(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType(contentType)
	switch string(ctx.Path()) {
	case "/":
		ctx.SetBodyString(hello)
	case "/sleep":
		body, ok := sleep(string(ctx.URI().QueryString()))
		if !ok {
			ctx.Error("the query is not us=N", 400)
			return
		}
		ctx.SetBodyString(body)
	default:
		ctx.NotFound()
	}
}
