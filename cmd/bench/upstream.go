package main

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is what the upstream says to a buffered call: 611 bytes.
var answer = func() []byte {
	const head = `{"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,"model":"gpt-4o-mini-2024-07-18",` +
		`"choices":[{"index":0,"message":{"role":"assistant","content":"`
	const tail = `","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":95,` +
		`"completion_tokens":40,"total_tokens":135,"prompt_tokens_details":{"cached_tokens":0},` +
		`"completion_tokens_details":{"reasoning_tokens":0}},"system_fingerprint":"fp_0"}`
	return []byte(head + strings.Repeat("x", 611-len(head)-len(tail)) + tail)
}()

const streamChunks = 20

// idle is longer than any pause between two slices: a connection that is closed under its next request is no fault of a contender.
const idle = 10 * time.Minute

// requestBody is what a client sends: 483 bytes.
func requestBody(stream bool) string {
	head := `{"model":"gpt-4o-mini","stream":` + strconv.FormatBool(stream)
	if stream {
		head += `,"stream_options":{"include_usage":true}`
	}
	head += `,"messages":[{"role":"user","content":"`
	const tail = `"}]}`
	return head + strings.Repeat("y", 483-len(head)-len(tail)) + tail
}

// serveUpstream answers as OpenAI would: at once, or in a stream of 20 chunks `pace` apart. For the model `hold` it
// streams one chunk and then waits until the client goes.
func serveUpstream(pace time.Duration) (addr string, close func(), err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, r.ContentLength)
		for n := 0; n < len(body); {
			k, err := r.Body.Read(body[n:])
			n += k
			if err != nil {
				break
			}
		}
		if !strings.Contains(string(body[:min(len(body), 80)]), `"stream":true`) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Request-Id", "req_bench")
			w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
			_, _ = w.Write(answer)
			return
		}
		if strings.HasPrefix(string(body), `{"model":"tick"`) {
			ticks(w, r)
			return
		}
		stream(w, r, pace, strings.HasPrefix(string(body), `{"model":"hold"`))
	}), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: idle}
	go func() { _ = srv.Serve(ln) }()
	return ln.Addr().String(), func() { _ = srv.Close() }, nil
}

// ticks streams a chunk a second until the client goes, each with the time at which it is sent.
func ticks(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	flush := w.(http.Flusher).Flush
	every := time.NewTicker(tick)
	defer every.Stop()
	for {
		fmt.Fprintf(w, chunkHead+`"choices":[{"index":0,"delta":{`+sentMark+`%d"},"finish_reason":null}],"usage":null}`+"\n\n", time.Since(clock))
		flush()
		select {
		case <-every.C:
		case <-r.Context().Done():
			return
		}
	}
}

const chunkHead = `data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-mini-2024-07-18",`

func stream(w http.ResponseWriter, r *http.Request, pace time.Duration, hold bool) {
	w.Header().Set("Content-Type", "text/event-stream")
	flush := w.(http.Flusher).Flush
	fmt.Fprint(w, chunkHead+`"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}`+"\n\n")
	for range streamChunks {
		fmt.Fprint(w, chunkHead+`"choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}],"usage":null}`+"\n\n")
		flush()
		if hold {
			<-r.Context().Done()
			return
		}
		time.Sleep(pace)
	}
	fmt.Fprint(w, chunkHead+`"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}`+"\n\n")
	fmt.Fprint(w, chunkHead+`"choices":[],"usage":{"prompt_tokens":95,"completion_tokens":20,"total_tokens":115}}`+"\n\ndata: [DONE]\n\n")
}
